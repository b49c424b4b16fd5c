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

"""What differs between two disks, told by an upload's marks and by tables alike."""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Tuple

from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.catalog import changes, region
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.segment import Segment
from tests.unit.store.memory import MemoryAccount

from . import places

_NUMBERS = st.integers(0, 7).map(lambda number: number * 700)
_DISKS = st.dictionaries(_NUMBERS, st.integers(0, 4))
"""Blocks in three regions, with one of five contents."""

_COUNT = 3 * region.BLOCKS


class Stored:
    """A point of which there are nothing but tables."""

    def __init__(self, account: MemoryAccount, held: Dict[int, int], shift: int) -> None:
        self.stored: List[Segment] = places.segments([10, 10])
        self.blocks = BlockMap(_COUNT)
        for block, content in held.items():
            # The same content in another place is no difference.
            self.blocks.set(Place(block, shift, content, places.digest(content)))
        refs = []
        for index in range(3):
            cut = region.Region.cut(index, self.blocks, self.stored)
            if cut.places:
                table = cut.table()
                name = region.name(index, table) + ".table"
                account.put("vhd-volume-v", name, table)
                refs.append(RegionRef(index, name, [], len(cut.places)))
        self.point: Point = dataclasses.replace(
            places.point(regions=refs), virtual_size=_COUNT * 2 ** 21)


def _told(found: changes.Changes) -> List[Tuple[int, object, int]]:
    assert list(found.numbers()) == [change.block for change in found]
    assert len(found) == len(list(found))
    return [(change.block, change.segment, change.slot) for change in found]


@given(_DISKS, _DISKS, st.integers(0, 1))
def test_both_ways_tell_the_same(before: Dict[int, int], after: Dict[int, int],
                                 shift: int) -> None:
    account = MemoryAccount()
    account.put_container("vhd-volume-v", {})
    parent, child = Stored(account, before, 0), Stored(account, after, shift)
    expected = []
    marks = bytearray(_COUNT)
    for block in sorted(set(before) | set(after)):
        if before.get(block) != after.get(block):
            marks[block] = 1
            content = after.get(block)
            expected.append((block, None, 0) if content is None
                            else (block, child.stored[shift], content))
    assert _told(changes.between(account, parent.point, child.point)) == expected
    assert _told(changes.marked(marks, child.blocks, child.stored)) == expected


def test_tables_that_two_points_share_are_not_read() -> None:
    account = MemoryAccount()
    account.put_container("vhd-volume-v", {})
    parent = Stored(account, {0: 1, 2100: 2, 4200: 3}, 0)
    child = Stored(account, {0: 1, 2100: 4, 4200: 3}, 0)
    asked: List[str] = []
    account.request = lambda verb, container, name="": asked.append(name)  # type: ignore
    assert len(changes.between(account, parent.point, child.point)) == 1
    assert sorted(asked) == sorted([parent.point.regions[1].table,
                                    child.point.regions[1].table])
