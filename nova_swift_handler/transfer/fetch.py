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

"""Read a point's blocks, ranges of several segments at a time.

A request costs Swift as much as moving 2 MiB does, and the blocks of a delta lie scattered over
the disk but together in its segment.  So blocks come in the disk's order but for those that one
request can bring along: blocks change places within a gigabyte of the disk, not farther, lest the
guest finds its disk scattered over the SR.  XAPI takes a VHD's blocks in any order (xen-api,
vhd_format/f.ml, From_input).
"""

from __future__ import annotations

import collections
import hashlib
import logging
from concurrent import futures
from typing import Callable, Deque, Generator, Iterator, List, NamedTuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.ranges import Range
from nova_swift_handler.transfer.ring import Ring
from nova_swift_handler.vhd import constants

LOG = logging.getLogger(__name__)

RUN = 8
"""Most blocks that one request reads."""

WINDOW = 512
"""Blocks of the disk within which those that lie together in a segment are read together."""


class Fetched(NamedTuple):
    """A block, its bytes proven to be those that were stored."""

    number: int
    data: memoryview


def runs(blocks: BlockMap) -> Iterator[List[Place]]:
    """Yield groups of blocks that one ranged request can read; see the module for their order."""
    for start in range(0, len(blocks), WINDOW):
        groups: List[List[Place]] = []
        for place in sorted(blocks.places(start, start + WINDOW),
                            key=lambda place: (place.segment, place.slot)):
            last = groups[-1] if groups else []
            if (last and len(last) < RUN and place.segment == last[-1].segment
                    and place.slot > last[-1].slot):
                last.append(place)
            else:
                groups.append([place])
        yield from sorted(groups, key=lambda group: group[0].block)


def fetch(account: Account, blocks: BlockMap, stored: List[Segment], threads: int,
          stopped: Callable[[], bool] = lambda: False) -> Generator[Fetched, None, None]:
    """Yield all blocks that are not zero, in the order of :func:`runs`, each proven by SHA-256.

    A block's data is there until the next block is asked for.  Memory: ``threads + 1`` times
    16 MiB.

    :raises StoreCorrupt: a block is not what was stored, and is not when read again either.
    :raises StoreError: Swift did not deliver.
    """
    waiting: Deque[futures.Future[List[Fetched]]] = collections.deque()
    ring = Ring((threads + 1) * RUN, segments.STRIDE)

    def next_run() -> Iterator[Fetched]:
        yield from waiting.popleft().result()
        ring.give_back()

    with futures.ThreadPoolExecutor(threads) as pool:
        try:
            for group in runs(blocks):
                if stopped():
                    return
                room = ring.take(len(group))
                while room is None:
                    yield from next_run()
                    room = ring.take(len(group))
                waiting.append(pool.submit(
                    _read, account, stored[group[0].segment], group, room))
            while waiting:
                yield from next_run()
        finally:
            for future in waiting:
                future.cancel()


def _read(account: Account, segment: Segment, group: List[Place],
          data: memoryview) -> List[Fetched]:
    for last_try in (False, True):
        account.read_ranges(segment.container, segment.name, _ranges(group, data))
        result = []
        for number, place in enumerate(group):
            start = number * segments.STRIDE + constants.BITMAP_SIZE
            block = data[start:start + constants.BLOCK_SIZE]
            if hashlib.sha256(block).digest() != place.digest:
                message = ("block %d, at byte %d of segment %s, is not what was stored: its "
                           "SHA-256 differs" % (place.block, place.offset, segment.path))
                if last_try:
                    raise exceptions.StoreCorrupt(
                        message + "; let Swift's object auditor replace the damaged replica and "
                        "try again, or boot another image")
                LOG.warning("%s; reading it again", message)
                break
            result.append(Fetched(place.block, block))
        else:
            return result
    raise AssertionError("unreachable")


def _ranges(group: List[Place], data: memoryview) -> List[Range]:
    """Return what to read of a segment, blocks that are neighbours there in one range."""
    found: List[Range] = []
    for number, place in enumerate(group):
        start = number * segments.STRIDE
        if number and place.slot == group[number - 1].slot + 1:
            start -= len(found[-1].target)
            found[-1] = found[-1]._replace(target=data[start:(number + 1) * segments.STRIDE])
        else:
            found.append(Range(place.offset, data[start:start + segments.STRIDE]))
    return found
