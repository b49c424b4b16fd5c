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

"""Block maps: where each block is, and what the whole disk hashes to."""

from __future__ import annotations

import hashlib
import struct
import tracemalloc
from typing import Dict, Tuple

from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.catalog import segment
from nova_swift_handler.catalog.blockmap import BlockMap, Place

from . import places

_PLACES = st.dictionaries(
    st.integers(0, 49), st.tuples(st.integers(0, 2 ** 32 - 2), st.integers(0, 127),
                                  st.binary(min_size=32, max_size=32)))


def _map(wanted: Dict[int, Tuple[int, int, bytes]]) -> BlockMap:
    result = BlockMap(50)
    for block, rest in wanted.items():
        result.set(Place(block, *rest))
    return result


@given(_PLACES, st.integers(0, 60), st.integers(0, 60))
def test_places_come_back_ascending_and_others_are_zero(
        wanted: Dict[int, Tuple[int, int, bytes]], first: int, end: int) -> None:
    blocks = _map(wanted)
    assert len(blocks) == 50
    assert list(blocks.order()) == sorted(wanted)
    for block in range(50):
        expected = Place(block, *wanted[block]) if block in wanted else None
        assert blocks.get(block) == expected
    assert [place.block for place in blocks.places(first, end)] == [
        block for block in sorted(wanted) if first <= block < end]


def test_the_last_word_on_a_block_counts() -> None:
    blocks = BlockMap(2)
    blocks.set(Place(1, 4, 5, b"a" * 32))
    blocks.set(Place(1, 6, 7, b"b" * 32))
    assert blocks.get(1) == Place(1, 6, 7, b"b" * 32)


def test_a_slot_says_where_in_its_segment_a_block_is() -> None:
    assert Place(9, 0, 0, b"").offset == 0
    assert Place(9, 0, 3, b"").offset == 3 * segment.STRIDE


@given(_PLACES, st.integers(0, 2 ** 41))
def test_the_digest_is_the_documented_one(wanted: Dict[int, Tuple[int, int, bytes]],
                                          size: int) -> None:
    data = struct.pack(">Q", size)
    for block in sorted(wanted):
        data += struct.pack(">I", block) + wanted[block][2]
    assert _map(wanted).digest(size) == hashlib.sha256(data).hexdigest()


def test_the_digest_is_of_the_bytes_and_not_of_where_they_lie() -> None:
    size = 100 * 2 ** 21
    assert places.scattered(100, 3).digest(size) == places.packed(100, 7).digest(size)
    assert places.scattered(100, 3).digest(size) != places.scattered(100, 3).digest(size - 512)
    assert places.scattered(100, 3).digest(size) != places.scattered(99, 3).digest(size)


def test_the_largest_disk_takes_forty_bytes_a_block() -> None:
    count = 2040 * 1024 ** 3 // 2 ** 21
    tracemalloc.start()
    try:
        blocks = BlockMap(count)
        blocks.set(Place(count - 1, 3, 4, b"x" * 32))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(blocks.order()) == [count - 1]
    assert peak <= 41 * count
