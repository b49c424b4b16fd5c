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

"""Why space is used: by volume, by kind of object, and what deleting a point would free.

Worked out of every ``point.json`` and the containers' listings alone.  Bytes are as Swift counts
them for a container, before replication.  Of stitched objects listings tell only the length of
what they lead to, so the room their manifests take is known for a whole container alone.
"""

from __future__ import annotations

import array
import dataclasses
import threading
from concurrent import futures
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, readable
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.remembered import Remembered
from nova_swift_handler.store import lifetime, parallel, presence
from nova_swift_handler.store.account import Account
from nova_swift_handler.vhd import constants

_VIEWS = tuple("/" + view for view in (names.DISK_VIEW, names.DELTA_VIEW, names.RAW_VIEW))

Name = Tuple[str, str]
"""Container and object."""


@dataclasses.dataclass
class PointUsage:
    """A point's share.

    :ivar point: without its regions and segments.
    :ivar logical: bytes of its blocks that are not zero.
    :ivar freed: bytes that deleting it would free, once swept: what is named by it alone.
    :ivar shared: bytes that it names and others as well.
    :ivar missing: how many of the objects that it names are not there.
    :ivar share: bytes of all that, where what others name as well is divided among all that do.
    """

    point: Point
    logical: int
    freed: int = 0
    shared: int = 0
    share: float = 0.0
    missing: int = 0


@dataclasses.dataclass
class ContainerUsage:
    """A container's share, in bytes.

    :ivar unreadable: what is wrong with points that cannot be read.  What only they name counts
        as unused.
    :ivar others: names of what *other* counts.
    :ivar logical: of its points' blocks that are not zero, as if each had its own.
    :ivar stored: of all its objects.
    :ivar data: of segments that points name.
    :ivar regions: of tables that points name.
    :ivar views: of the objects below points, heads for example.
    :ivar manifests: of all stitched objects.
    :ivar closings: of the uploads' closings.
    :ivar other: of all else.
    :ivar unused: of segments and regions that no point names: left by uploads that failed, or by
        points that were deleted.
    :ivar condemned: the part of *unused* that Swift is about to delete.
    """

    container: str
    points: List[PointUsage]
    unreadable: List[Finding] = dataclasses.field(default_factory=list)
    others: List[str] = dataclasses.field(default_factory=list)
    logical: int = 0
    stored: int = 0
    data: int = 0
    regions: int = 0
    views: int = 0
    manifests: int = 0
    closings: int = 0
    other: int = 0
    unused: int = 0
    condemned: int = 0


def usage(account: Account, containers: Iterable[str],
          known: Optional[Remembered] = None) -> List[ContainerUsage]:
    """Return what each of *containers* holds, its points by age.

    One listing of each, one request for each point, and one for each object that is unused, or
    seems to be missing.

    :param containers: all that share segments with each other, or what is shared is not seen.
    :param known: what was read before.
    :raises StoreError: Swift could not be asked.
    """
    wanted = list(containers)
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        listings = dict(zip(wanted, pool.map(lambda each: _listing(account, each), wanted)))
        objects = _Objects(listings)
        points = readable.read_all(
            account, pool, {container: listing.points for container, listing in listings.items()},
            objects.note, known)
        found = [_container(container, points[container], listings[container], objects)
                 for container in wanted]
        missing = sorted(objects.missing)
        there = pool.map(lambda pair: presence.exists(account, *pair), missing)
        gone = {pair for pair, is_so in zip(missing, there) if not is_so}
        for each, _unused in found:
            for own in each.points:
                own.missing = len(gone.intersection(objects.missed(own.point)))
        unused = [(each, name) for each, some in found for name in some]
        condemned = pool.map(lambda pair: _is_condemned(account, pair[0].container, pair[1]),
                             unused)
        for (each, name), is_so in zip(unused, condemned):
            each.condemned += listings[each.container].sizes[name] if is_so else 0
    return [each for each, _unused in found]


class _Listing(NamedTuple):
    """A container's listing.

    :ivar used: bytes of all its objects.
    :ivar sizes: of each object; 0 of those that are stitched, whose own listings do not tell.
    :ivar points: its ``point.json``s.
    """

    used: int
    sizes: Dict[str, int]
    points: List[readable.Listed]


def _listing(account: Account, container: str) -> _Listing:
    try:
        used, rows = account.contents(container)
    except exceptions.ObjectMissing:
        return _Listing(0, {}, [])
    return _Listing(used, {row["name"]: 0 if _is_stitched(row) else row["bytes"] for row in rows},
                    readable.among(rows))


class _Objects:
    """All that is listed, by number, and what of it is named by points, and how often.

    :ivar sizes: bytes of each.
    :ivar owners: how many points name it.
    :ivar missing: what a point names and no listing has: it may have been written since.
    """

    def __init__(self, listings: Dict[str, _Listing]) -> None:
        self._numbers = {name: number for number, name in enumerate(
            (container, name) for container, listing in listings.items()
            for name in listing.sizes)}
        self.sizes = [size for listing in listings.values() for size in listing.sizes.values()]
        self.owners = [0] * len(self.sizes)
        self.missing: Set[Name] = set()
        self._named: Dict[Name, array.array[int]] = {}
        self._missed: Dict[Name, List[Name]] = {}
        self._lock = threading.Lock()

    def note(self, point: Point) -> Point:
        """Keep what *point* names, and return the point without that.

        What names it all, for thousands of points, would be more than memory has room for.
        """
        named = _named(point)
        numbers = array.array("L", sorted(
            self._numbers[name] for name in named if name in self._numbers))
        missed = [name for name in named if name not in self._numbers]
        with self._lock:
            self._named[point.container, point.image_id] = numbers
            if missed:
                self._missed[point.container, point.image_id] = missed
                self.missing.update(missed)
            for number in numbers:
                self.owners[number] += 1
        return dataclasses.replace(point, regions=[], segments=[])

    def of_point(self, point: Point) -> array.array[int]:
        """Return the numbers of what *point* names and is there."""
        return self._named[point.container, point.image_id]

    def missed(self, point: Point) -> List[Name]:
        """Return what *point* names and no listing has."""
        return self._missed.get((point.container, point.image_id), [])

    def is_owned(self, container: str, name: str) -> bool:
        """Tell whether a point names it."""
        return self.owners[self._numbers[container, name]] > 0


def _is_stitched(row: Dict[str, Any]) -> bool:
    # Not all clusters say so in listings.
    return "slo_etag" in row or row["name"].endswith(_VIEWS)


def _named(point: Point) -> Set[Name]:
    named = {(segment.container, segment.name) for segment in point.segments}
    for ref in point.regions:
        named.add((point.container, ref.table))
        named.update((point.container, part["name"]) for part in ref.parts)
    return named


def _container(container: str, points: readable.Points, listing: _Listing,
               objects: _Objects) -> Tuple[ContainerUsage, List[str]]:
    """Return what a container holds, and the names of what is unused."""
    plain = sum(listing.sizes.values())
    result = ContainerUsage(container, [], points.findings, stored=max(plain, listing.used))
    result.manifests = result.stored - plain
    unused = []
    below: Dict[str, int] = {}
    for name, size in listing.sizes.items():
        if name.startswith(names.POINTS):
            image_id = name.split("/")[1]
            below[image_id] = below.get(image_id, 0) + size
            result.views += size
        elif name.startswith(names.DATA) and name.endswith("/" + names.CLOSING):
            result.closings += size
        elif not name.startswith((names.DATA, names.REGIONS)):
            result.others.append(name)
            result.other += size
        elif not objects.is_owned(container, name):
            unused.append(name)
            result.unused += size
        elif name.startswith(names.DATA):
            result.data += size
        else:
            result.regions += size
    for point in points.whole:
        own = PointUsage(point, point.blocks * constants.BLOCK_SIZE)
        for number in objects.of_point(point):
            size, owners = objects.sizes[number], objects.owners[number]
            own.share += size / owners
            if owners == 1:
                own.freed += size
            else:
                own.shared += size
        alone = (below.get(point.image_id, 0)
                 + listing.sizes.get(names.closing(point.upload_id), 0))
        own.freed += alone
        own.share += alone
        result.logical += own.logical
        result.points.append(own)
    return result, unused


def _is_condemned(account: Account, container: str, name: str) -> bool:
    """Tell whether an object has a date of expiry; listings do not."""
    try:
        return lifetime.DELETE_AT in account.headers(container, name, follow=False)
    except exceptions.ObjectMissing:
        return True  # it has expired, and is listed yet
