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

"""Points of containers some of which may be damaged."""

from __future__ import annotations

import contextlib
import logging
from concurrent import futures
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import finding, names
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.remembered import Remembered
from nova_swift_handler.store import parallel
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)


class Listed(NamedTuple):
    """A ``point.json`` as a listing tells of it.

    :ivar etag: MD5 of its bytes.
    """

    name: str
    etag: str


class Points(NamedTuple):
    """The points of a container.

    :ivar whole: by age.
    :ivar findings: what is wrong with those that cannot be read.
    """

    whole: List[Point]
    findings: List[Finding]


def points(account: Account, container: str) -> Points:
    """Return the points of *container*.

    :raises StoreError: Swift could not be asked.
    """
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        return read_all(account, pool, {container: listed(account, container)})[container]


def everywhere(account: Account, containers: Iterable[str]) -> Dict[str, Points]:
    """Return the points of each of *containers*; of one that has gone, none.

    :raises StoreError: Swift could not be asked.
    """
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        return read_all(account, pool, listed_everywhere(account, pool, containers))


def listed(account: Account, container: str) -> List[Listed]:
    """Return the ``point.json``s that *container* lists.

    :raises ObjectMissing: there is no such container.
    """
    return among(account.listing(container, names.POINTS))


def among(rows: Iterable[Mapping[str, Any]]) -> List[Listed]:
    """Return the ``point.json``s among the rows of a listing."""
    return [Listed(row["name"], row.get("hash", "")) for row in rows if is_point(row["name"])]


def listed_everywhere(account: Account, pool: futures.Executor,
                      containers: Iterable[str]) -> Dict[str, List[Listed]]:
    """Return the same of each of *containers*; of one that has gone, none."""
    def tried(container: str) -> List[Listed]:
        with contextlib.suppress(exceptions.ObjectMissing):
            return listed(account, container)
        return []  # the account may list for a while what has been removed

    wanted = list(containers)
    return dict(zip(wanted, pool.map(tried, wanted)))


def is_point(name: str) -> bool:
    """Tell whether an object of this name is a ``point.json``."""
    return name.startswith(names.POINTS) and name.split("/")[2:] == [names.POINT]


def read_all(account: Account, pool: futures.Executor, listings: Dict[str, List[Listed]],
             keep: Callable[[Point], Point] = lambda point: point,
             known: Optional[Remembered] = None) -> Dict[str, Points]:
    """Return the points of each container.

    :param listings: what each lists.
    :param keep: returns what is needed of a point, where all of it would take too much memory.
    :param known: what was read before.
    """
    def tried(wanted: Tuple[str, Listed]) -> Union[Point, Finding, None]:
        found = _tried(account, *wanted, known)
        return keep(found) if isinstance(found, Point) else found

    wanted = [(container, each) for container, some in listings.items() for each in some]
    result = {container: Points([], []) for container in listings}
    for (container, _listed), found in zip(wanted, pool.map(tried, wanted)):
        if isinstance(found, Point):
            result[container].whole.append(found)
        elif found is not None:
            result[container].findings.append(found)
    for some in result.values():
        some.whole.sort(key=lambda point: (point.sequence, point.image_id))
    return result


def tell(findings: Iterable[Finding]) -> None:
    """Warn of points that a list passes over."""
    for each in findings:
        LOG.warning("Passing over %s/%s: %s", each.container, each.name, each.problem)


def read(account: Account, container: str, name: str) -> Point:
    """Return the point whose ``point.json`` the object *name* is.

    :raises ObjectMissing: it is gone.
    :raises PointInvalid, StoreCorrupt: it is no point, or another's.
    """
    return _checked(container, name, account.get_json(container, name))


def _checked(container: str, name: str, value: Any) -> Point:
    point = Point.parse(value)
    if point.container != container or names.of_point(point.image_id, names.POINT) != name:
        raise exceptions.PointInvalid("it is the point of image %s in %s, and lies elsewhere"
                                      % (point.image_id, point.container))
    return point


def _tried(account: Account, container: str, listed_as: Listed,
           known: Optional[Remembered]) -> Union[Point, Finding, None]:
    name, etag = listed_as
    try:
        if known is None:
            return read(account, container, name)
        return _checked(container, name, known.get_json(account, container, name, etag))
    except exceptions.ObjectMissing:
        return None  # a listing may still name what was deleted since
    except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
        return Finding(finding.POINT, container, name, str(error), (name.split("/")[1],))
