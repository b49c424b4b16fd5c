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

"""Footers: what is written is read back, and nothing damaged passes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.footer import Footer

from . import independent

_SECTORS = st.integers(1, constants.MAX_VIRTUAL_SIZE // 512)
_TYPES = st.sampled_from((2, 3, 4))


@given(_SECTORS, _TYPES, st.binary(min_size=16, max_size=16), st.integers(0, 2 ** 32 - 1),
       st.integers(0, 2 ** 64 - 1), st.binary(min_size=4, max_size=4))
def test_what_is_packed_is_parsed_back(sectors: int, kind: int, unique_id: bytes, timestamp: int,
                                       offset: int, creator: bytes) -> None:
    footer = Footer(sectors * 512, kind, unique_id, offset, timestamp, creator, 0x00050003)
    assert Footer.parse(footer.pack()) == footer


@given(_SECTORS, _TYPES, st.binary(min_size=16, max_size=16))
def test_fields_stand_where_the_specification_puts_them(sectors: int, kind: int,
                                                        unique_id: bytes) -> None:
    data = Footer(sectors * 512, kind, unique_id).pack()
    assert len(data) == 512
    assert data[:8] == b"conectix"
    assert struct.unpack_from(">I", data, 12) == (0x10000,)
    assert struct.unpack_from(">Q", data, 16) == (512,)
    assert struct.unpack_from(">QQ", data, 40) == (sectors * 512, sectors * 512)
    assert struct.unpack_from(">I", data, 60) == (kind,)
    assert data[68:84] == unique_id
    assert not any(data[84:])
    assert independent.resum(data, independent.FOOTER_SUM) == data


def test_the_creator_is_one_whose_size_qemu_believes() -> None:
    # block/vpc.c: "tap\0" is one of the creators whose current_size is taken, not the geometry.
    assert Footer(2 ** 30, 3, bytes(16)).pack()[28:32] == b"tap\0"


def test_the_creator_version_promises_no_batmap() -> None:
    # blktap (libvhd.h): a creator "tap" of version 1.2 or later has a batmap.
    version, = struct.unpack_from(">I", Footer(2 ** 30, 3, bytes(16)).pack(), 32)
    assert version < 0x00010002


def test_footers_of_others_are_read() -> None:
    footer = Footer.parse(independent.footer(9 * 512, independent.DIFFERENCING, b"u" * 16))
    assert (footer.virtual_size, footer.disk_type, footer.unique_id, footer.creator) == (
        9 * 512, constants.TYPE_DIFFERENCING, b"u" * 16, b"vpc ")


@pytest.mark.parametrize("at", [0, 7, 8, 12, 16, 24, 28, 40, 48, 55, 56, 60, 64, 67, 68, 84, 85,
                                300, 511])
@pytest.mark.parametrize("bit", [1, 0x80])
def test_a_changed_byte_is_noticed_wherever_it_is(at: int, bit: int) -> None:
    data = bytearray(independent.footer(2 ** 30))
    data[at] ^= bit
    with pytest.raises(exceptions.VhdError):
        Footer.parse(bytes(data))


def test_a_wrong_checksum_is_named_with_both_values() -> None:
    data = bytearray(independent.footer(2 ** 30))
    right, = struct.unpack_from(">I", data, 64)
    data[64:68] = struct.pack(">I", right ^ 1)
    with pytest.raises(exceptions.VhdError, match="%#010x, its bytes give %#010x"
                                                  % (right ^ 1, right)):
        Footer.parse(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 84, 511])
def test_a_cut_footer_is_truncated(length: int) -> None:
    with pytest.raises(exceptions.VhdTruncated):
        Footer.parse(independent.footer(2 ** 30)[:length])


def test_what_is_no_vhd_is_said_to_be_none() -> None:
    with pytest.raises(exceptions.VhdError, match=r"not a VHD.*QFI"):
        Footer.parse(b"QFI\xfb" + bytes(508))


@pytest.mark.parametrize(("part", "message"), [
    (independent.footer(2 ** 30, 0), "unknown disk type 0"),
    (independent.footer(2 ** 30, 5), "unknown disk type 5"),
    (independent.footer(2 ** 30, version=0x20000), "format version 0x20000"),
    (independent.footer(0), "0 bytes"),
    (independent.footer(513), "513 bytes"),
    (independent.footer(constants.MAX_VIRTUAL_SIZE + 512), "2040 GiB"),
    (independent.footer(2 ** 64 - 512), "2040 GiB"),
])
def test_a_footer_that_cannot_be_believed_is_refused(part: bytes, message: str) -> None:
    with pytest.raises(exceptions.VhdError, match=message):
        Footer.parse(part)


def test_the_largest_disk_of_xapi_is_accepted() -> None:
    size = 2040 * 1024 ** 3
    assert Footer.parse(independent.footer(size)).virtual_size == size
