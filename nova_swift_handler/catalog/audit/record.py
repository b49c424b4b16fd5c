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

"""``verified.json``: when the points of a container were last verified, and with what result.

Lists and reports show it.  And who stores the next point takes no block of a segment in which a
bad one was found: its etag may be as it should be, and the points that shared it may be gone.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import finding, names
from nova_swift_handler.catalog.audit.verify import How, Verdict
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.store.account import Account

NAME = "verified.json"

DRILL = "drill"
"""The level of a point that was restored for practice and compared."""

_MOST = 100
"""Problems of one point that are kept."""


def keep(account: Account, verdict: Verdict, how: How) -> None:
    """Record *verdict*, at the cluster's time.

    Two that verify at once may lose one record of two, until they verify again.
    """
    _keep(account, verdict.container, how.level, {
        image_id: [each.as_json() for each in verdict.bad(image_id)]
        for image_id in verdict.points}, {
            "/%s/%s" % (each.container, each.name) for each in verdict.findings
            if each.kind == finding.BLOCK})


def keep_drill(account: Account, container: str, image_id: str,
               problems: Sequence[str] = ()) -> None:
    """Record that a point was restored for practice, and what differed."""
    _keep(account, container, DRILL, {image_id: [
        Finding(finding.POINT, container, names.of_point(image_id, names.POINT), problem,
                (image_id,), advice="run `swift-vhd snapshot verify %s --level all`" % image_id
                ).as_json() for problem in problems]})


def _keep(account: Account, container: str, level: str, found: Mapping[str, List[Any]],
          damaged_now: Iterable[str] = ()) -> None:
    known = read(account, container)
    bad = damaged(account, [container]).union(damaged_now)
    if bad:
        # What lies elsewhere stays on the list: at worst, a block is sent once more than it need.
        own = "/%s/" % container
        listed = {own + row["name"] for row in account.listing(container, names.DATA)}
        bad = {path for path in bad if path in listed or not path.startswith(own)}
    at = account.head_container(container)["date"]
    there = {row["name"].split("/")[1] for row in account.listing(container, names.POINTS)
             if row["name"].endswith("/" + names.POINT)}
    for image_id, problems in found.items():
        known[image_id] = {"at": at, "level": level, "problems": problems[:_MOST]}
    account.put_json(container, NAME, {
        "format": 1, "damaged": sorted(bad),
        "points": {image_id: value for image_id, value in known.items() if image_id in there}})


def read(account: Account, container: str) -> Dict[str, Any]:
    """Return, by image id, ``{"at", "level", "problems"}`` of each point's last verification."""
    try:
        value = account.get_json(container, NAME)
        return dict(value["points"])
    except (exceptions.ObjectMissing, exceptions.StoreCorrupt, KeyError, TypeError, ValueError):
        return {}


def damaged(account: Account, containers: Iterable[str]) -> Set[str]:
    """Return the paths of the segments that the records of *containers* say have bad blocks."""
    found: Set[str] = set()
    for container in containers:
        try:
            found.update(map(str, account.get_json(container, NAME)["damaged"]))
        except (exceptions.ObjectMissing, exceptions.StoreCorrupt, KeyError, TypeError):
            continue
    return found


def said(last: Dict[str, Any]) -> str:
    """Return in words what :func:`read` tells of a point."""
    return "%s (%s): %s" % (last["at"], last["level"], "%d problems" % len(last["problems"])
                            if last["problems"] else "whole")
