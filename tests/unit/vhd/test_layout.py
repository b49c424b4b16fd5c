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

"""The VHDs that this package lays out are standard ones, whoever reads them."""

from __future__ import annotations

import pathlib
from typing import Any, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout, block_count

from . import disks, independent
from .conftest import QemuImg

_MIB = 2 ** 20
_SIZES = [
    # No size here is what CHS geometry could express, some no multiple of 2 MiB.
    2 * _MIB, 10 * _MIB, 10 * _MIB + 512, 6 * _MIB - 512, 512, 7 * _MIB + 3 * 512,
    129 * 2 * _MIB + 1024]


def _write(path: pathlib.Path, raw: bytes, unique_id: bytes = b"\x11" * 16) -> Layout:
    blocks = disks.cut(raw)
    layout = Layout(len(raw), sorted(blocks), unique_id)
    with open(path, "wb") as file:
        file.write(layout.head)
        for number in sorted(blocks):
            file.write(FULL_BITMAP + blocks[number])
        file.write(layout.footer)
    return layout


def _filled(size: int) -> List[int]:
    count = block_count(size)
    return sorted({0, 1, count // 2, count - 1} & set(range(count)))


def _write_head(path: pathlib.Path, layout: Layout) -> None:
    with open(path, "wb") as file:
        file.write(layout.head)
        file.seek(layout.length - 512)
        file.write(layout.footer)


@pytest.mark.parametrize("size", _SIZES)
def test_qemu_reads_the_disk_to_its_last_sector(qemu_img: QemuImg, tmp_path: pathlib.Path,
                                                size: int) -> None:
    raw = disks.disk(size, _filled(size))
    _write(tmp_path / "disk.vhd", raw)
    assert qemu_img.info(tmp_path / "disk.vhd")["virtual-size"] == size
    assert qemu_img.raw(tmp_path / "disk.vhd") == raw


@pytest.mark.parametrize("size", _SIZES)
def test_libvhdi_reads_the_disk_to_its_last_sector(libvhdi: Any, tmp_path: pathlib.Path,
                                                   size: int) -> None:
    raw = disks.disk(size, _filled(size))
    _write(tmp_path / "disk.vhd", raw)
    file = libvhdi.open(str(tmp_path / "disk.vhd"))
    assert file.get_media_size() == size
    assert file.read_buffer_at_offset(size, 0) == raw
    file.close()


@pytest.mark.parametrize("size", _SIZES)
def test_the_specification_is_kept_to_the_letter(tmp_path: pathlib.Path, size: int) -> None:
    raw = disks.disk(size, _filled(size))
    layout = _write(tmp_path / "disk.vhd", raw)
    data = (tmp_path / "disk.vhd").read_bytes()
    parsed = independent.parse(data)
    assert len(data) == layout.length
    assert (parsed.size, parsed.kind, parsed.unique_id, parsed.block_size) == (
        size, independent.DYNAMIC, b"\x11" * 16, 2 * _MIB)
    result = bytearray(size)
    independent.apply(data, result)
    assert result == raw


def test_an_empty_disk_is_head_and_footer(qemu_img: QemuImg, libvhdi: Any,
                                          tmp_path: pathlib.Path) -> None:
    layout = _write(tmp_path / "disk.vhd", bytes(11 * _MIB))
    # Footer copy, header, a sector for a locator, a table of one sector, footer.
    assert layout.length == 512 + 1024 + 512 + 512 + 512
    assert qemu_img.raw(tmp_path / "disk.vhd") == bytes(11 * _MIB)
    file = libvhdi.open(str(tmp_path / "disk.vhd"))
    assert file.read_buffer_at_offset(11 * _MIB, 0) == bytes(11 * _MIB)
    file.close()


def test_an_empty_disk_of_2040_gib_opens_everywhere(qemu_img: QemuImg, libvhdi: Any,
                                                    tmp_path: pathlib.Path) -> None:
    size = constants.MAX_VIRTUAL_SIZE
    layout = Layout(size, [], bytes(16))
    _write_head(tmp_path / "disk.vhd", layout)
    assert qemu_img.info(tmp_path / "disk.vhd")["virtual-size"] == size
    file = libvhdi.open(str(tmp_path / "disk.vhd"))
    assert file.get_media_size() == size
    assert file.read_buffer_at_offset(4096, size - 4096) == bytes(4096)
    file.close()


def test_a_full_disk_of_2040_gib_can_still_be_addressed(qemu_img: QemuImg, libvhdi: Any,
                                                        tmp_path: pathlib.Path) -> None:
    size = constants.MAX_VIRTUAL_SIZE
    count = block_count(size)
    layout = Layout(size, range(count), bytes(16))
    assert layout.length == 2048 + count * 4 + count * (512 + 2 * _MIB) + 512
    path = tmp_path / "disk.vhd"
    try:
        _write_head(path, layout)  # the blocks are a hole
    except OSError as error:
        pytest.skip("the file system holds no file of 2 TiB: %s" % error)
    with open(path, "r+b") as file:
        file.seek(layout.length - 512 - 2 * _MIB - 512)
        file.write(FULL_BITMAP + b"last" * (2 * _MIB // 4))
    assert qemu_img.info(path)["virtual-size"] == size
    opened = libvhdi.open(str(path))
    assert opened.read_buffer_at_offset(2 * _MIB, size - 2 * _MIB) == b"last" * (_MIB // 2)
    opened.close()


@settings(deadline=None)
@given(st.integers(1, 300 * 8), st.sampled_from([4096, 65536, 2 ** 19, 2 ** 21, 2 ** 24]),
       st.data())
def test_the_length_and_each_place_are_known_beforehand(sectors: int, block_size: int,
                                                        data: st.DataObject) -> None:
    count = block_count(sectors * 512, block_size)
    order = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    layout = Layout(sectors * 512, order, bytes(16), block_size)
    stride = independent.bitmap_size(block_size) + block_size
    assert layout.length == len(layout.head) + len(order) * stride + 512
    assert len(layout.head) % 512 == 0
    table = layout.head[2048:2048 + 4 * count]
    for place, number in enumerate(order):
        sector = int.from_bytes(table[number * 4:number * 4 + 4], "big")
        assert sector * 512 == len(layout.head) + place * stride
    assert table.count(b"\xff\xff\xff\xff") >= count - len(order)


def test_a_unique_id_is_what_children_will_name(libvhdi: Any, tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "disk.vhd", disks.disk(4 * _MIB, [0]), bytes(range(16)))
    file = libvhdi.open(str(tmp_path / "disk.vhd"))
    assert file.get_identifier() == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    file.close()
