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

"""The VHD files of an SR, byte by byte, read here with struct alone."""

from __future__ import annotations

import os
import struct
from typing import Any

import pytest

from tests.unit.sandbox.storage.harness import BLOCK, GIB, MIB, Bench, checksum


def _file(bench: Bench, uuid: str) -> bytes:
    with open(bench.file_of(uuid), "rb") as source:
        return source.read()


def _entries(data: bytes, count: int) -> tuple[int, ...]:
    return struct.unpack_from(">%dI" % count, data, 1536)


def test_footer_copy_and_last_footer_are_equal_and_sound(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 2, 0)
    data = _file(bench, uuid)
    head = data[:512]
    assert head == data[-512:]
    assert head[:8] == b"conectix"
    assert head[28:32] == b"tap\0"
    assert struct.unpack(">QQ", head[40:56]) == (8 * MIB, 8 * MIB)
    assert struct.unpack(">I", head[60:64]) == (3,)
    assert struct.unpack(">I", head[64:68])[0] == checksum(head[:64] + bytes(4) + head[68:])


def test_data_of_a_block_start_on_4_kib(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 3, 1, 0)
    data = _file(bench, uuid)
    for block in (0, 1, 3):
        place = _entries(data, 4)[block]
        assert (place + 1) * 512 % 4096 == 0
        start = (place + 1) * 512
        assert data[start:start + BLOCK] == bench.disks[uuid][block * BLOCK:(block + 1) * BLOCK]


def test_only_written_sectors_have_their_bit(bench: Bench) -> None:
    uuid = bench.create(4 * MIB)
    bench.write(uuid, 10 * 512 + 100, b"x" * 700)
    data = _file(bench, uuid)
    place = _entries(data, 1)[0]
    bitmap = int.from_bytes(data[place * 512:(place + 1) * 512], "big")
    assert bitmap == 0b11 << (4096 - 12)


def test_zeros_written_are_stored(bench: Bench) -> None:
    uuid = bench.create(4 * MIB)
    bench.write(uuid, 0, bytes(BLOCK))
    data = _file(bench, uuid)
    assert _entries(data, 2)[0] != 0xFFFFFFFF
    assert _entries(data, 2)[1] == 0xFFFFFFFF


def test_the_batmap_has_a_bit_for_each_full_block(ext: Bench) -> None:
    uuid = ext.create(8 * MIB)
    ext.fill(uuid, 2)
    ext.write(uuid, 0, b"part")
    data = _file(ext, uuid)
    cookie, offset, sectors, version, total = struct.unpack_from(">8sQIII", data, 2048)
    assert (cookie, offset, sectors, version) == (b"tdbatmap", 2560, 1, 0x00010002)
    assert data[2560] == 0b00100000
    assert total == checksum(data[2560:3072])


def test_an_ext_file_grows_a_block_at_a_time(ext: Bench) -> None:
    uuid = ext.create(8 * MIB)
    empty = os.stat(ext.file_of(uuid)).st_size
    assert empty < 4096
    ext.write(uuid, 0, b"x")
    assert os.stat(ext.file_of(uuid)).st_size == 4096 + BLOCK + 512
    ext.write(uuid, BLOCK, b"x")
    assert os.stat(ext.file_of(uuid)).st_size == 2 * (4096 + BLOCK) + 512


def test_an_lvm_volume_has_tables_for_2_tib_and_never_grows(lvm: Bench) -> None:
    uuid = lvm.create(8 * MIB)
    size = os.stat(lvm.file_of(uuid)).st_size
    lvm.fill(uuid, 0, 1, 2, 3)
    assert os.stat(lvm.file_of(uuid)).st_size == size
    data = _file(lvm, uuid)
    assert struct.unpack_from(">I", data, 512 + 28) == (1048576,)
    assert min(_entries(data, 4)) * 512 == 4329472 - 512


def test_a_child_names_its_parent_in_three_locators(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.snapshot(uuid)
    child, parent = (_file(bench, node.uuid) for node in bench.sr.chain(uuid))
    name = bench.sr.chain(uuid)[1].name
    assert struct.unpack_from(">I", child, 60) == (4,)
    assert child[512 + 40:512 + 56] == parent[68:84]
    assert child[512 + 64:512 + 576].decode("utf-16-be").rstrip("\0") == name
    texts = {}
    for index in range(3):
        code, space, length, _zero, offset = struct.unpack_from(
            ">4sIIIQ", child, 512 + 576 + 24 * index)
        assert space == 512
        texts[code] = child[offset:offset + length]
    windows = (".\\" + name).encode("utf-16-le")
    assert texts == {b"MacX": b"file://./" + name.encode(), b"W2ku": windows, b"W2ru": windows}


def test_a_base_copy_is_marked_hidden_in_both_footers(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.snapshot(uuid)
    data = _file(bench, bench.sr.chain(uuid)[1].uuid)
    assert data[85] == data[len(data) - 512 + 85] == 1


@pytest.mark.parametrize("written", [[], [0], [0, 1, 2], [2, 0]])
def test_growing_moves_blocks_out_of_the_tables_way(bench: Bench, written: Any) -> None:
    uuid = bench.create(6 * MIB)
    bench.fill(uuid, *written)
    node = bench.sr.resize(uuid, 40 * GIB)
    assert node.virtual_size == 40 * GIB
    expected = bytes(bench.disks.pop(uuid))
    bench.reopen()
    with bench.sr.open(uuid, writable=True) as disk:
        assert disk.pread(0, len(expected)) == expected
        assert disk.pread(40 * GIB - 512, 512) == bytes(512)
        disk.pwrite(40 * GIB - 1000, b"the end")
        assert disk.pread(40 * GIB - 1000, 7) == b"the end"
        assert disk.pread(0, len(expected)) == expected
    with open(bench.file_of(uuid), "rb") as source:
        head = source.read(512)
        source.seek(-512, 2)
        assert source.read() == head
