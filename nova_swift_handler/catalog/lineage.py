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

"""What a container holds already that the next point of it can be made of."""

from __future__ import annotations

import dataclasses
import logging
from concurrent import futures
from typing import List, Optional, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.digests import DigestTable
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import Segment, Trailer
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

_WORKERS = 8


@dataclasses.dataclass
class Heritage:
    """Blocks that need not be sent.

    :ivar parent: the point that the new one is compared with; None if there is none, or if some of
        its blocks are lost.
    :ivar original: the point whose disk the new one has, with no data of its own; None if not so.
    :ivar blocks: where the parent's blocks are; refers to *stored*.
    :ivar stored: segments, the parent's first.
    :ivar unused: blocks of segments that no complete point names, by SHA-256; refers to *stored*.
        An upload that did not end left them.
    :ivar sequence: the number of the new point.
    :ivar base: image id of what the disk was made of.
    """

    parent: Optional[Point] = None
    original: Optional[Point] = None
    blocks: BlockMap = dataclasses.field(default_factory=lambda: BlockMap(0))
    stored: List[Segment] = dataclasses.field(default_factory=list)
    unused: DigestTable = dataclasses.field(default_factory=DigestTable)
    sequence: int = 1
    base: Optional[str] = None


def of_volume(account: Account, containers: names.Containers, container: str,
              base_image_id: Optional[str] = None) -> Heritage:
    """Return what the volume in *container* has to offer its next point.

    The parent is the volume's newest complete point, by (sequence number, image id) and no
    client's clock; for the first one, and for the first of a disk that was made anew of another
    image, the point of that image.  It is but a hint of where equal blocks may be: one that
    cannot be read is done without.

    :raises StoreError: Swift could not be asked.
    """
    newest: Optional[Point] = None
    sequence = 0
    named: Set[str] = set()
    for point in lookup.points(account, container):
        sequence = max(sequence, point.sequence)
        named.update(segment.name for segment in point.segments
                     if segment.container == container)
        if point.base == base_image_id and (newest is None or (
                point.sequence, point.image_id) > (newest.sequence, newest.image_id)):
            newest = point
    parent = newest
    if parent is None and base_image_id is not None:
        parent = _base(account, containers, base_image_id)
    heritage = Heritage(sequence=1 + sequence, base=base_image_id)
    if parent is not None:
        try:
            heritage.blocks, heritage.stored = lookup.blocks(account, parent)
            heritage.parent = parent
            _leave_out(heritage, record.damaged(account, {container, parent.container}))
        except (exceptions.ObjectMissing, exceptions.PointInvalid,
                exceptions.StoreCorrupt) as error:
            LOG.error("Point %s cannot be read, so the next snapshot of its volume is stored in "
                      "full; run `swift-vhd store verify`: %s", parent.path, error)
    add_unused(account, container, heritage, named)
    return heritage


def of_container(account: Account, container: str) -> Heritage:
    """Return what *container* offers a disk that has no parent there: what uploads left.

    There may be very many points; they are read only if there is something left.

    :raises StoreError: Swift could not be asked.
    """
    heritage = Heritage()
    uploads, closed = set(), set()
    for row in account.listing(container, names.DATA):
        upload_id, _, part = row["name"][len(names.DATA):].partition("/")
        uploads.add(upload_id)
        if part == names.CLOSING:
            closed.add(upload_id)
    if uploads == closed and len(closed) <= len(lookup.complete_ids(account, container)):
        return heritage
    named = {segment.name for point in lookup.points(account, container)
             for segment in point.segments if segment.container == container}
    add_unused(account, container, heritage, named)
    return heritage


def add_unused(account: Account, container: str, heritage: Heritage, named: Set[str]) -> None:
    """Add to *heritage* the blocks of the segments in *container* that are not *named*.

    But not those of segments that are known to be damaged.
    """
    rows = []
    damaged = record.damaged(account, [container])
    for row in account.listing(container, names.DATA):
        count = segments.count_of(row["bytes"])
        if count and row["name"] not in named and not row["name"].endswith("/" + names.CLOSING):
            rows.append(Segment(container, row["name"], row["hash"], row["bytes"], count))
    rows = [segment for segment in rows if segment.path not in damaged]
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        for segment, trailer in zip(rows, pool.map(lambda each: _trailer(account, each), rows)):
            if trailer is None:
                continue
            for slot, (_block, digest) in enumerate(trailer.entries):
                heritage.unused.add(digest, len(heritage.stored), slot)
            heritage.stored.append(segment)


def _leave_out(heritage: Heritage, damaged: Set[str]) -> None:
    """Let the blocks of *damaged* segments be sent again.

    The new point has no parent then: its chain would lead to them.
    """
    bad = {number for number, segment in enumerate(heritage.stored) if segment.path in damaged}
    if not bad:
        return
    heritage.parent = None
    for place in heritage.blocks.places():
        if place.segment in bad:
            heritage.blocks.unset(place.block)


def trailer_of(account: Account, segment: Segment) -> Trailer:
    """Read what *segment* says of itself.

    :raises ObjectMissing: it is gone.
    :raises PointInvalid: it is no segment of this format.
    """
    size = segments.trailer_size(segment.blocks)
    data = bytearray(size)
    with memoryview(data) as view:
        account.read_into(segment.container, segment.name, segment.size - size, view)
    trailer = Trailer.parse(bytes(data))
    if len(trailer.entries) != segment.blocks:
        raise exceptions.PointInvalid("segment %s says it has %d blocks; its size is that of %d"
                                      % (segment.path, len(trailer.entries), segment.blocks))
    return trailer


def _trailer(account: Account, segment: Segment) -> Optional[Trailer]:
    try:
        return trailer_of(account, segment)
    except exceptions.ObjectMissing:
        return None  # the listing was old
    except exceptions.PointInvalid as error:
        LOG.warning("Not using %s again: %s", segment.path, error)
        return None


def _base(account: Account, containers: names.Containers, image_id: str) -> Optional[Point]:
    try:
        return lookup.find(account, containers, image_id)
    except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
        LOG.warning("The image %s that the disk was made of cannot be built upon: %s", image_id,
                    error)
        return None
