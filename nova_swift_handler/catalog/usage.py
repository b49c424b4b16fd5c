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

import dataclasses
from concurrent import futures
from typing import Any, Dict, Iterable, List, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import lifetime
from nova_swift_handler.store.account import Account
from nova_swift_handler.vhd import constants

_WORKERS = 8
_VIEWS = tuple("/" + view for view in (names.DISK_VIEW, names.DELTA_VIEW, names.RAW_VIEW))

Name = Tuple[str, str]
"""Container and object."""


@dataclasses.dataclass
class PointUsage:
    """A point's share.

    :ivar logical: bytes of its blocks that are not zero.
    :ivar freed: bytes that deleting it would free, once swept: what is named by it alone.
    :ivar shared: bytes that it names and others as well.
    :ivar share: bytes of all that, where what others name as well is divided among all that do.
    """

    point: Point
    logical: int
    freed: int = 0
    shared: int = 0
    share: float = 0.0


@dataclasses.dataclass
class ContainerUsage:
    """A container's share, in bytes.

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


def usage(account: Account, containers: Iterable[str]) -> List[ContainerUsage]:
    """Return what each of *containers* holds, its points by age.

    :param containers: all that share segments with each other, or what is shared is not seen.

    :raises StoreError: Swift could not be asked.
    """
    wanted = list(containers)
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        points = dict(zip(wanted, pool.map(
            lambda container: _points(account, container), wanted)))
        listings = dict(zip(wanted, pool.map(
            lambda container: _sizes(account, container), wanted)))
    owners: Dict[Name, int] = {}
    for some in points.values():
        for point in some:
            for name in _named(point):
                owners[name] = owners.get(name, 0) + 1
    sizes = {(container, name): size for container, rows in listings.items()
             for name, size in rows.items()}
    return [_container(account, container, points[container], listings[container], owners, sizes)
            for container in wanted]


def _points(account: Account, container: str) -> List[Point]:
    try:
        return sorted(lookup.points(account, container),
                      key=lambda point: (point.sequence, point.image_id))
    except exceptions.ObjectMissing:
        return []


def _sizes(account: Account, container: str) -> Dict[str, int]:
    try:
        return {row["name"]: 0 if _is_stitched(row) else row["bytes"]
                for row in account.listing(container)}
    except exceptions.ObjectMissing:
        return {}


def _is_stitched(row: Dict[str, Any]) -> bool:
    # Not all clusters say so in listings.
    return "slo_etag" in row or row["name"].endswith(_VIEWS)


def _stored(account: Account, container: str) -> int:
    try:
        return int(account.head_container(container)["x-container-bytes-used"])
    except exceptions.ObjectMissing:
        return 0


def _named(point: Point) -> Set[Name]:
    named = {(segment.container, segment.name) for segment in point.segments}
    for ref in point.regions:
        named.add((point.container, ref.table))
        named.update((point.container, part["name"]) for part in ref.parts)
    return named


def _container(account: Account, container: str, points: List[Point], listing: Dict[str, int],
               owners: Dict[Name, int], sizes: Dict[Name, int]) -> ContainerUsage:
    plain = sum(listing.values())
    result = ContainerUsage(container, [], stored=max(plain, _stored(account, container)))
    result.manifests = result.stored - plain
    unused = []
    below: Dict[str, int] = {}
    for name, size in listing.items():
        if name.startswith(names.POINTS):
            image_id = name.split("/")[1]
            below[image_id] = below.get(image_id, 0) + size
            result.views += size
        elif name.startswith(names.DATA) and name.endswith("/" + names.CLOSING):
            result.closings += size
        elif not name.startswith((names.DATA, names.REGIONS)):
            result.other += size
        elif (container, name) not in owners:
            unused.append(name)
            result.unused += size
        elif name.startswith(names.DATA):
            result.data += size
        else:
            result.regions += size
    for point in points:
        own = PointUsage(point, point.blocks * constants.BLOCK_SIZE)
        for named in _named(point):
            own.share += sizes.get(named, 0) / owners[named]
            if owners[named] == 1:
                own.freed += sizes.get(named, 0)
            else:
                own.shared += sizes.get(named, 0)
        alone = (below.get(point.image_id, 0)
                 + sizes.get((container, names.closing(point.upload_id)), 0))
        own.freed += alone
        own.share += alone
        result.logical += own.logical
        result.points.append(own)
    result.condemned = sum(listing[name] for name in _condemned(account, container, unused))
    return result


def _condemned(account: Account, container: str, unused: List[str]) -> List[str]:
    """Return which objects have a date of expiry; listings do not tell."""
    def condemned(name: str) -> bool:
        try:
            headers: Dict[str, Any] = account.headers(container, name)
        except exceptions.ObjectMissing:
            return True  # it has expired, and is listed yet
        return lifetime.DELETE_AT in headers

    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        return [name for name, is_so in zip(unused, pool.map(condemned, unused)) if is_so]
