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

"""Which ranges a restore asks Swift for, and in what order blocks come."""

from __future__ import annotations

from typing import List, Mapping, Tuple

from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.transfer.fetch import RUN, WINDOW, runs

_SIZE = 3 * WINDOW


def _runs(places: Mapping[int, Tuple[int, int]]) -> List[List[int]]:
    blocks = BlockMap(_SIZE)
    for number, (segment, slot) in places.items():
        blocks.set(Place(number, segment, slot, bytes(32)))
    return [[place.block for place in group] for group in runs(blocks)]


def test_neighbours_on_disk_and_in_the_segment_are_read_together() -> None:
    assert _runs({number: (0, number) for number in range(2 * RUN + 1)}) == [
        list(range(RUN)), list(range(RUN, 2 * RUN)), [2 * RUN]]


def test_a_segments_scattered_blocks_are_read_together_in_the_place_of_the_first() -> None:
    places = {number: (0, number) for number in range(12)}
    places.update({3: (1, 0), 7: (1, 1), 9: (1, 4)})
    assert _runs(places) == [[0, 1, 2, 4, 5, 6, 8, 10], [3, 7, 9], [11]]


def test_a_block_comes_no_farther_from_its_place_than_the_window() -> None:
    assert _runs({WINDOW - 1: (0, 0), WINDOW: (0, 1)}) == [[WINDOW - 1], [WINDOW]]


def test_blocks_of_equal_content_stored_once_are_read_one_by_one() -> None:
    assert _runs({4: (2, 5), 6: (2, 5)}) == [[4], [6]]


@given(st.dictionaries(st.integers(0, _SIZE - 1),
                       st.tuples(st.integers(0, 3), st.integers(0, 40))))
def test_every_block_comes_once_by_a_request_for_its_segment(
        places: Mapping[int, Tuple[int, int]]) -> None:
    found = _runs(places)
    assert sorted(number for group in found for number in group) == sorted(places)
    for group in found:
        assert len(group) <= RUN
        assert len({segment for segment, _slot in map(places.__getitem__, group)}) == 1
        slots = [places[number][1] for number in group]
        assert slots == sorted(set(slots))  # Swift refuses ranges that overlap or descend
