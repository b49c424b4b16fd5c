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

"""Sector bitmaps: the first sector is the highest bit, and nothing beyond the last counts."""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.vhd import bitmap as bitmaps

from . import independent

_BITS = st.lists(st.booleans(), min_size=1, max_size=200)


def _padded(bits: List[bool], padding: int) -> bytes:
    # What stands behind the last sector's bit means nothing, so let it be anything.
    data = bytearray(independent.bitmap(bits)[:-(-len(bits) // 8) + 2])
    for index in range(len(bits), len(data) * 8):
        if padding >> index % 7 & 1:
            data[index // 8] |= 0x80 >> index % 8
    return bytes(data)


@given(_BITS, st.integers(0, 127))
def test_runs_give_back_each_bit(bits: List[bool], padding: int) -> None:
    seen: List[bool] = []
    last = None
    for start, length, present in bitmaps.runs(_padded(bits, padding), len(bits)):
        assert start == len(seen)
        assert length > 0
        assert present != last, "neighbouring runs differ"
        seen += [present] * length
        last = present
    assert seen == bits


@given(_BITS, st.integers(0, 127))
def test_full_means_each_of_the_sectors_and_no_more(bits: List[bool], padding: int) -> None:
    assert bitmaps.is_full(_padded(bits, padding), len(bits)) == all(bits)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 4095, 4096])
def test_one_missing_sector_is_not_full(count: int) -> None:
    for missing in {0, count // 2, count - 1}:
        bits = [index != missing for index in range(count)]
        assert not bitmaps.is_full(independent.bitmap(bits), count)
    assert bitmaps.is_full(independent.bitmap([True] * count), count)


@given(st.lists(st.booleans(), min_size=8, max_size=64))
def test_blanking_zeroes_absent_sectors_and_touches_no_other(bits: List[bool]) -> None:
    data = bytearray(b"".join(bytes([index + 1]) * 512 for index in range(len(bits))))
    bitmaps.blank_absent(independent.bitmap(bits), data)
    for index, bit in enumerate(bits):
        assert data[index * 512:(index + 1) * 512] == bytes([index + 1 if bit else 0]) * 512


@given(_BITS, st.integers(0, 127), st.integers(0, 250))
def test_what_is_behind_the_first_sectors_is_cleared(bits: List[bool], padding: int,
                                                     sectors: int) -> None:
    bitmap = _padded(bits, padding)
    kept = bitmaps.keep_first(bitmap, sectors)
    whole = int.from_bytes(bitmap, "big")
    beyond = max(0, len(bitmap) * 8 - sectors)
    assert kept == (whole >> beyond << beyond).to_bytes(len(bitmap), "big")


@given(_BITS, st.data())
def test_marking_sets_just_those_sectors(bits: List[bool], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(bits)))
    count = data.draw(st.integers(0, len(bits) - first))
    bitmap = bytearray(independent.bitmap(bits))
    bitmaps.mark(bitmap, first, count)
    assert bitmap == independent.bitmap(
        [bit or first <= index < first + count for index, bit in enumerate(bits)])
