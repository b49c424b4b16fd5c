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

"""Block allocation tables."""

from __future__ import annotations

import struct
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.bat import Bat

_UNUSED = constants.UNUSED
_TABLES = st.lists(st.integers(0, _UNUSED), max_size=300)


@given(_TABLES)
def test_a_table_is_big_endian_and_padded_to_whole_sectors(offsets: List[int]) -> None:
    data = Bat(offsets).pack()
    assert len(data) % 512 == 0
    assert len(data) - len(offsets) * 4 < 512
    assert data[:len(offsets) * 4] == struct.pack(">%dI" % len(offsets), *offsets)
    assert set(data[len(offsets) * 4:]) <= {0xFF}


@given(_TABLES)
def test_what_is_packed_is_parsed_back(offsets: List[int]) -> None:
    bat = Bat.parse(Bat(offsets).pack(), len(offsets))
    assert [bat[block] for block in range(len(bat))] == offsets


def test_a_cut_table_is_truncated() -> None:
    with pytest.raises(exceptions.VhdTruncated, match="7 of 8 bytes"):
        Bat.parse(bytes(7), 2)


def test_allocated_blocks_are_told_ascending_and_in_the_files_order() -> None:
    bat = Bat([_UNUSED, 90, 10, _UNUSED, 50])
    assert list(bat.allocated()) == [1, 2, 4]
    assert list(bat.physical_order()) == [2, 4, 1]
    assert not bat.ascending()
    assert Bat([_UNUSED, 10, _UNUSED, 50]).ascending()
