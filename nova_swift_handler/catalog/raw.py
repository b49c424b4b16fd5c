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

"""``disk.raw``: the bytes of a point's disk and nothing else, for whoever leaves Xen.

Made on demand, since each block is an entry of its own here: between the data of two blocks that
lie one behind the other in a segment stands the second's bitmap.  Swift fetches ranges of one
object that follow one another by one request with up to 50 ranges, and takes the answer apart;
so every second of them names a symbolic link to the segment instead.  512 MiB of neighbouring
blocks in four segments, Swift 2.38 on a busy machine, medians of 5 beside a plain object:

- proxies that read 1 MiB at a time (``object_chunk_size``): 272 MiB/s plain, 101 with links,
  22 without; CPU seconds of the proxy a GiB 0.7, 2.9, 16.4;
- by Swift's default of 64 KiB: 140 MiB/s plain, 62 with links, 101 without; 1.0, 3.7, 2.5.

So links cost some where all is well, and without them large chunks are ruin.

Blocks that are zero are ranges of a few zeros, nested so often that one entry is enough for any
number of blocks.
"""

from __future__ import annotations

import hashlib
import uuid
from concurrent import futures
from typing import Callable, Dict, Iterator, List, Sequence, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import intent, lookup, names
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.catalog.stitcher import Stitcher
from nova_swift_handler.catalog.zeros import Zeros
from nova_swift_handler.store import lifetime, removal
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.vhd import constants

_WORKERS = 8


def publish(account: Account, abilities: Abilities, point: Point, blocks: BlockMap,
            stored: Sequence[Segment]) -> Stored:
    """Write the view ``disk.raw`` of a point; to write it again changes nothing.

    What it consists of beside the point's segments lies below the point, and goes with it.  A
    failure leaves some of that there, for the next attempt or for the sweep.

    :param blocks: where the point's blocks are; refers to *stored*.
    :raises AbilityMissing: the cluster cannot stitch it.
    :raises ObjectMissing: the point was deleted meanwhile; then nothing of it is left.
    :raises StoreError: Swift refused a write.
    """
    if not possible(abilities):
        raise exceptions.AbilityMissing(
            "the point of image %s can have no %s here: this cluster does not stitch ranges of "
            "objects, or of stitched ones; restore it to a raw file with `swift-vhd snapshot "
            "restore`, and store that" % (point.image_id, names.RAW_VIEW))
    written: List[str] = []
    with intent.Intent(account, point.container, str(uuid.uuid4()), point.image_id,
                       kind=intent.RAW) as announced:
        try:
            result = _put(account, abilities, point, blocks, stored, written.append)
            if announced.lapsed() or intent.sweeping(account, point):
                _pardon(account, point, written)
        except exceptions.StoreError:
            _check_there(account, point, written)
            raise
        _check_there(account, point, written)
    if result.size != point.virtual_size:
        raise exceptions.StoreCorrupt(
            "the stitched %s of image %s has %d bytes, its disk has %d"
            % (names.RAW_VIEW, point.image_id, result.size, point.virtual_size))
    return result


def _put(account: Account, abilities: Abilities, point: Point, blocks: BlockMap,
         stored: Sequence[Segment], note: Callable[[str], None]) -> Stored:
    """Write the view and what it consists of.

    :param note: called with the name of each object that is written.
    """
    view = names.of_point(point.image_id, names.RAW_VIEW)
    if not point.virtual_size:
        note(view)
        return account.put(point.container, view, b"")
    parts = names.view_parts(point.image_id, names.RAW_VIEW)
    stitcher = Stitcher(account, abilities, point.container, note=note)
    zeros = Zeros(account, abilities, point.container, parts, note)
    zeros.put(_longest_gap(blocks, point.virtual_size))
    aliases: Dict[int, str] = {}
    if abilities.symlinks:
        aliases = _put_links(account, point.container, parts, blocks, stored, note)
    entries = _entries(blocks, stored, point.virtual_size, aliases, zeros)
    return stitcher.put(view, parts, entries, abilities.depth - zeros.depth)


def _pardon(account: Account, point: Point, written: Sequence[str]) -> None:
    """Pardon what was *written*: who has begun to sweep before it was may have condemned it."""
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(lambda name: lifetime.pardon(account, point.container, name), written))


def _check_there(account: Account, point: Point, written: Sequence[str]) -> None:
    """Remove what was *written* for a point that is gone: who deleted it may not have seen it.

    :raises ObjectMissing: so it is.
    """
    if not lookup.complete(account, point):
        removal.remove(account, ((point.container, name) for name in reversed(written)),
                       "publishing a disk that was deleted meanwhile")
        raise exceptions.ObjectMissing(
            "the point of image %s was deleted while its %s was written"
            % (point.image_id, names.RAW_VIEW))


def possible(abilities: Abilities) -> bool:
    """Tell whether the cluster can stitch the view."""
    return abilities.ranges and abilities.nested and abilities.nested_ranges


def _entries(blocks: BlockMap, stored: Sequence[Segment], virtual_size: int,
             aliases: Dict[int, str], zeros: Zeros) -> Iterator[Entry]:
    """Yield what the disk consists of.

    :param aliases: other names of segments, by their index in *stored*.
    """
    position = 0
    before = ""
    for place in blocks.places():
        start = place.block * constants.BLOCK_SIZE
        if start > position:
            yield zeros.entry(start - position)
            before = ""
        segment = stored[place.segment]
        path = segment.path
        if path == before:
            path = aliases.get(place.segment, path)
        before = path
        # A disk may end within its last block.
        position = min(start + constants.BLOCK_SIZE, virtual_size)
        first = place.offset + constants.BITMAP_SIZE
        yield Entry(path, segment.etag, segment.size, first, first + position - start - 1)
    if position < virtual_size:
        yield zeros.entry(virtual_size - position)


def _longest_gap(blocks: BlockMap, virtual_size: int) -> int:
    """Return how many bytes the longest run of zero blocks has."""
    longest, end = 0, 0
    for block in blocks.order():
        longest = max(longest, block - end)
        end = block + 1
    return max(longest * constants.BLOCK_SIZE, virtual_size - end * constants.BLOCK_SIZE)


def _put_links(account: Account, container: str, parts: str, blocks: BlockMap,
               stored: Sequence[Segment], note: Callable[[str], None]) -> Dict[int, str]:
    """Make a link to each segment of which two blocks follow one another; return their paths."""
    def put(number: int) -> None:
        note(_link(parts, stored[number]))
        account.symlink(container, _link(parts, stored[number]), stored[number].path)

    wanted = sorted(_repeated(blocks))
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(put, wanted))
    return {number: "/%s/%s" % (container, _link(parts, stored[number])) for number in wanted}


def _repeated(blocks: BlockMap) -> Set[int]:
    result: Set[int] = set()
    block, segment = -1, -1
    for place in blocks.places():
        if (place.block, place.segment) == (block + 1, segment):
            result.add(segment)
        block, segment = place.block, place.segment
    return result


def _link(parts: str, segment: Segment) -> str:
    return "%s%s.link" % (parts, hashlib.sha256(segment.path.encode("utf-8")).hexdigest())
