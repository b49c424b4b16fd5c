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

"""What differs between two disks: the blocks of a ``delta.vhd``."""

from __future__ import annotations

import array
import bisect
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from nova_swift_handler.catalog import lookup
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.region import Region
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.account import Account

_ZERO = 0xFFFFFFFF


class Change(NamedTuple):
    """A block that differs.

    :ivar block: its number.
    :ivar segment: the segment that holds what it is now; None if it is zero now.
    :ivar slot: how many blocks lie before it there.
    """

    block: int
    segment: Optional[Segment]
    slot: int


class Changes:
    """Blocks that differ, ascending; takes 12 bytes a block."""

    def __init__(self) -> None:
        self._blocks = array.array("I")
        self._segments = array.array("I")
        self._slots = array.array("I")
        self._stored: List[Segment] = []
        self._numbers: Dict[Segment, int] = {}

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Change]:
        for block, segment, slot in zip(self._blocks, self._segments, self._slots):
            yield Change(block, None if segment == _ZERO else self._stored[segment], slot)

    def numbers(self) -> Iterator[int]:
        """Yield the blocks' numbers."""
        return iter(self._blocks)

    def target(self, block: int) -> Tuple[Optional[Segment], int]:
        """Return the segment and the slot of one of the blocks; no segment if it is zero."""
        at = bisect.bisect_left(self._blocks, block)
        if at == len(self) or self._blocks[at] != block:
            raise KeyError(block)
        number = self._segments[at]
        return None if number == _ZERO else self._stored[number], self._slots[at]

    def add(self, block: int, place: Optional[Place], stored: Sequence[Segment]) -> None:
        """Add a block: it is at *place*, which refers to *stored*, or zero if that is None."""
        self._blocks.append(block)
        if place is None:
            self._segments.append(_ZERO)
            self._slots.append(0)
            return
        segment = stored[place.segment]
        number = self._numbers.setdefault(segment, len(self._stored))
        if number == len(self._stored):
            self._stored.append(segment)
        self._segments.append(number)
        self._slots.append(place.slot)


def marked(changed: Sequence[int], blocks: BlockMap, stored: Sequence[Segment]) -> Changes:
    """Return the blocks for which *changed* has a one, as *blocks* says they are."""
    result = Changes()
    for block, mark in enumerate(changed):
        if mark:
            result.add(block, blocks.get(block), stored)
    return result


def between(account: Account, parent: Point, child: Point) -> Changes:
    """Return what *child* has that *parent* has not, from their regions' tables.

    Only the tables of regions that differ are read.

    :raises PointInvalid, StoreError: a table is damaged, or cannot be read.
    """
    result = Changes()
    before = {ref.index: ref for ref in parent.regions}
    after = {ref.index: ref for ref in child.regions}
    for index in sorted(set(before) | set(after)):
        old, new = before.get(index), after.get(index)
        if old is not None and new is not None and old.table == new.table:
            continue
        had = _region(account, parent, old)
        has = _region(account, child, new)
        digests = {place.block: place.digest for place in had.places}
        places = {place.block: place for place in has.places}
        for block in sorted(set(digests) | set(places)):
            place = places.get(block)
            if place is None or place.digest != digests.get(block):
                result.add(block, place, has.stored)
    return result


def _region(account: Account, point: Point, ref: Optional[RegionRef]) -> Region:
    return Region(0, [], []) if ref is None else lookup.region(account, point, ref)
