# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Points of a container some of which may be damaged."""

from __future__ import annotations

from typing import List, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import finding, names
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store.account import Account


def points(account: Account, container: str) -> Tuple[List[Point], List[Finding]]:
    """Return the points of *container*, and what is wrong with those that cannot be read."""
    found, findings = [], []
    for row in account.listing(container, names.POINTS):
        image_id, _, part = row["name"][len(names.POINTS):].partition("/")
        if part != names.POINT:
            continue
        try:
            found.append(read(account, container, row["name"]))
        except exceptions.ObjectMissing:
            continue  # a listing may still name what was deleted since
        except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
            findings.append(Finding(finding.POINT, container, row["name"], str(error),
                                    (image_id,)))
    return found, findings


def read(account: Account, container: str, name: str) -> Point:
    """Return the point whose ``point.json`` the object *name* is.

    :raises ObjectMissing: it is gone.
    :raises PointInvalid, StoreCorrupt: it is no point, or another's.
    """
    point = Point.parse(account.get_json(container, name))
    if point.container != container or names.of_point(point.image_id, names.POINT) != name:
        raise exceptions.PointInvalid("it is the point of image %s in %s, and lies elsewhere"
                                      % (point.image_id, point.container))
    return point
