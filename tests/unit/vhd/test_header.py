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

"""Dynamic headers: what is written is read back, and nothing damaged or absurd passes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd.header import Header

from . import independent

_BLOCK_SIZES = st.sampled_from([2 ** power for power in range(12, 25)])


@given(st.integers(0, 2 ** 20), st.integers(0, 2 ** 64 - 1), _BLOCK_SIZES,
       st.binary(min_size=16, max_size=16), st.integers(0, 2 ** 32 - 1),
       st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100))
def test_what_is_packed_is_parsed_back(entries: int, table: int, block_size: int, parent: bytes,
                                       when: int, name: str) -> None:
    header = Header(entries, table, block_size, parent, when, name)
    assert Header.parse(header.pack()) == header


@given(st.integers(0, 2 ** 20), _BLOCK_SIZES, st.binary(min_size=16, max_size=16))
def test_fields_stand_where_the_specification_puts_them(entries: int, block_size: int,
                                                        parent: bytes) -> None:
    data = Header(entries, 2048, block_size, parent, parent_name="base.vhd").pack()
    assert len(data) == 1024
    assert data[:8] == b"cxsparse"
    assert struct.unpack_from(">QQ", data, 8) == (2 ** 64 - 1, 2048)
    assert struct.unpack_from(">III", data, 24) == (0x10000, entries, block_size)
    assert data[40:56] == parent
    assert data[64:80] == "base.vhd".encode("utf-16-be")
    assert not any(data[576:]), "no parent locators"
    assert independent.resum(data, independent.HEADER_SUM) == data


@pytest.mark.parametrize(("block_size", "size"), [
    (4096, 512), (512 * 1024, 512), (2 * 1024 ** 2, 512), (4 * 1024 ** 2, 1024),
    (32 * 1024 ** 2, 8192)])
def test_a_bitmap_has_one_bit_a_sector_and_fills_whole_sectors(block_size: int,
                                                               size: int) -> None:
    assert Header(1, block_size=block_size).bitmap_size == size


@pytest.mark.parametrize(("entries", "size"), [(0, 0), (1, 512), (128, 512), (129, 1024)])
def test_a_table_fills_whole_sectors(entries: int, size: int) -> None:
    assert Header(entries).table_size == size


@pytest.mark.parametrize("at", [0, 7, 8, 16, 24, 28, 32, 36, 39, 40, 56, 64, 575, 576, 1023])
def test_a_changed_byte_is_noticed_wherever_it_is(at: int) -> None:
    data = bytearray(independent.header(100))
    data[at] ^= 0x10
    with pytest.raises(exceptions.VhdError):
        Header.parse(bytes(data))


@pytest.mark.parametrize("length", [0, 8, 64, 1023])
def test_a_cut_header_is_truncated(length: int) -> None:
    with pytest.raises(exceptions.VhdTruncated):
        Header.parse(independent.header(100)[:length])


@pytest.mark.parametrize("block_size", [0, 1, 512, 2048, 4095, 2 ** 21 - 512, 2 ** 21 + 1,
                                        3 * 2 ** 20, 2 ** 29, 2 ** 31, 2 ** 32 - 1])
def test_an_odd_or_absurd_block_size_is_refused(block_size: int) -> None:
    with pytest.raises(exceptions.VhdError, match="%d bytes" % block_size):
        Header.parse(independent.header(100, block_size))


@pytest.mark.parametrize("entries", [2 ** 23 + 1, 2 ** 31, 2 ** 32 - 1])
def test_an_absurd_number_of_entries_is_refused(entries: int) -> None:
    with pytest.raises(exceptions.VhdError, match="%d entries" % entries):
        Header.parse(independent.header(entries))


def test_another_version_is_refused() -> None:
    with pytest.raises(exceptions.VhdError, match="version 0x20000"):
        Header.parse(independent.header(100, version=0x20000))


def test_a_parents_name_that_is_no_utf16_does_not_stop_a_reader() -> None:
    data = bytearray(independent.header(100, parent_id=b"p" * 16))
    data[64:66] = b"\xd8\x00"  # half a surrogate pair
    header = Header.parse(independent.resum(bytes(data), independent.HEADER_SUM))
    assert header.parent_unique_id == b"p" * 16
