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

import hashlib
import pathlib
import struct
import tracemalloc
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout, Parent, block_count

from . import disks, independent
from .conftest import QemuImg

_MIB = 2 ** 20
_SIZES = [
    # No size here is what CHS geometry could express, some no multiple of 2 MiB.
    2 * _MIB, 10 * _MIB, 10 * _MIB + 512, 6 * _MIB - 512, 512, 7 * _MIB + 3 * 512,
    129 * 2 * _MIB + 1024]


_ID = "6f1f2d0c-58f1-4b0c-9d1f-0d6f8c1b7a11"
_PARENT = Parent(b"\x22" * 16, "../%s/delta.vhd" % _ID)


def _write(path: pathlib.Path, raw: bytes, unique_id: bytes = b"\x11" * 16,
           parent: Optional[Parent] = None) -> Layout:
    blocks = disks.cut(raw)
    layout = Layout(len(raw), sorted(blocks), unique_id, parent=parent)
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


@pytest.mark.parametrize(("size", "order", "unique_id", "block_size", "digest"), [
    (10 * _MIB, [0, 3, 1], b"\x11" * 16, 2 * _MIB,
     "53e63ab68068ed444e9f6163b98b1368e0fb6efbec53f0f7ead35531d46a9a87"),
    (2 ** 30 + 512, range(0, 500, 7), bytes(range(16)), 2 * _MIB,
     "a576a9d98329afbce42f0e61fded5c54eb67c2b022d0004d33f4dbec14b583b0"),
    (constants.MAX_VIRTUAL_SIZE, range(0, 1044480, 1001), bytes(16), 2 * _MIB,
     "36b34fbee3bc78c21bccfa66465054a96963a4ef2dc1a6a007ff0375d79e50f0"),
    (5 * 4096, [4, 2], b"u" * 16, 4096,
     "aaad21ea42b24cdca091da8acc6a70e7339c8184d8450f2b40c130130e46edbf"),
])
def test_a_whole_disks_head_and_footer_stay_as_they_were(
        size: int, order: Any, unique_id: bytes, block_size: int, digest: str) -> None:
    # Stored disks have been laid out so; what is stitched anew must be the same.
    layout = Layout(size, order, unique_id, block_size)
    assert hashlib.sha256(layout.head + layout.footer).hexdigest() == digest


# -- differencing -----------------------------------------------------------------------------

def test_a_differencing_vhd_says_three_times_who_its_parent_is() -> None:
    layout = Layout(10 * _MIB, [1], b"\x11" * 16, parent=_PARENT)
    head = layout.head
    assert independent.resum(head[:512], independent.FOOTER_SUM) == head[:512] == layout.footer
    assert struct.unpack_from(">I", head, 60) == (independent.DIFFERENCING,)
    header = head[512:1536]
    assert independent.resum(header, independent.HEADER_SUM) == header
    table_at, = struct.unpack_from(">Q", header, 16)
    assert table_at == 4096
    assert header[40:56] == b"\x22" * 16
    assert header[56:64] == bytes(8), "the parent's time is not known"
    assert header[64:576].decode("utf-16-be").rstrip("\0") == "../%s/delta.vhd" % _ID
    entries = list(struct.iter_unpack(">4sIIIQ", header[576:768]))
    relative = ("..\\%s\\delta.vhd" % _ID).encode("utf-16-le")
    url = ("file://../%s/delta.vhd" % _ID).encode()
    assert entries[:2] == [(b"W2ru", 1, len(relative), 0, 1536), (b"MacX", 4, len(url), 0, 2048)]
    assert entries[2:] == [(bytes(4), 0, 0, 0, 0)] * 6
    assert head[1536:2048] == relative.ljust(512, b"\0")
    assert head[2048:4096] == url.ljust(2048, b"\0")
    assert head[4096:] == struct.pack(">5I", 2 ** 32 - 1, 9, *[2 ** 32 - 1] * 3).ljust(
        512, b"\xff")


@pytest.mark.parametrize("name", ["", "a", "../x/delta.vhd", "n" * 256])
def test_the_heads_length_does_not_hang_on_the_parents_name(name: str) -> None:
    layout = Layout(2 ** 40, [], bytes(16), parent=Parent(b"p" * 16, name))
    assert len(layout.head) == 4096 + 4 * 2 ** 19


@pytest.mark.parametrize("name", ["n" * 257, "\N{GRINNING FACE}" * 129])
def test_a_parents_name_too_long_is_refused(name: str) -> None:
    with pytest.raises(exceptions.VhdError, match="needs 51"):
        Layout(2 ** 30, [], bytes(16), parent=Parent(b"p" * 16, name))


def test_a_parents_name_too_long_as_a_url_is_refused() -> None:
    with pytest.raises(exceptions.VhdError, match="MacX"):
        Layout(2 ** 30, [], bytes(16), parent=Parent(b"p" * 16, "\u20ac" * 250))


@pytest.mark.parametrize(("unique_id", "parent"), [
    (b"", None), (b"i" * 15, None), (b"i" * 17, _PARENT), (b"i" * 16, Parent(b"p" * 36, "p"))])
def test_a_unique_id_of_another_length_is_refused(unique_id: bytes,
                                                  parent: Optional[Parent]) -> None:
    with pytest.raises(exceptions.VhdError, match="has 16 bytes, not the"):
        Layout(2 ** 30, [], unique_id, parent=parent)


@pytest.mark.parametrize("size", [10 * _MIB, 7 * _MIB + 3 * 512])
def test_libvhdi_reads_a_chain_of_ours(libvhdi: Any, tmp_path: pathlib.Path, size: int) -> None:
    base, delta = disks.disk(size, [0, 1, 3]), disks.disk(size, [1, 2], seed=2)
    _write(tmp_path / "base.vhd", base, _PARENT.unique_id)
    _write(tmp_path / "delta.vhd", delta, b"\x11" * 16, _PARENT)
    parent, child = libvhdi.open(str(tmp_path / "base.vhd")), libvhdi.open(
        str(tmp_path / "delta.vhd"))
    assert child.get_parent_filename() == "../%s/delta.vhd" % _ID
    assert child.get_parent_identifier() == "22222222-2222-2222-2222-222222222222"
    child.set_parent(parent)
    expected = bytearray(base)
    for number, data in disks.cut(delta).items():
        expected[number * 2 * _MIB:(number + 1) * 2 * _MIB] = data
    assert child.read_buffer_at_offset(size, 0) == expected[:size]
    child.close()
    parent.close()


# -- placed -----------------------------------------------------------------------------------

@given(st.integers(1, 200), st.booleans(), st.data())
def test_blocks_may_lie_anywhere_behind_the_head(sectors: int, differencing: bool,
                                                 data: st.DataObject) -> None:
    size = sectors * 512
    count = block_count(size, 4096)
    blocks: Dict[int, independent.Block] = {}
    places: List[Tuple[int, int]] = []
    area = b""
    for number in data.draw(st.lists(st.integers(0, count - 1), unique=True)):
        area += disks.noise(data.draw(st.integers(0, 3)) * 512, len(area))
        places.append((number, len(area)))
        blocks[number] = independent.Block(b"\xff" + bytes(511), disks.noise(4096, number))
        area += blocks[number].bitmap + blocks[number].data
    area += bytes(data.draw(st.integers(0, 3)) * 512)
    layout = Layout.placed(size, iter(data.draw(st.permutations(places))), len(area), b"i" * 16,
                           4096, _PARENT if differencing else None)
    vhd = layout.head + area + layout.footer
    assert len(vhd) == layout.length
    assert independent.parse(vhd).blocks == blocks


def test_blocks_without_gaps_are_laid_out_alike_both_ways() -> None:
    stride = 512 + 2 * _MIB
    order = [4, 0, 3]
    plain = Layout(10 * _MIB, order, b"i" * 16)
    placed = Layout.placed(10 * _MIB, ((number, at * stride) for at, number in enumerate(order)),
                           3 * stride, b"i" * 16)
    assert (placed.head, placed.footer, placed.length) == (
        plain.head, plain.footer, plain.length)


@pytest.mark.parametrize(("places", "length", "match"), [
    ([(5, 0)], 4608, "block 5 cannot be laid out: the disk of 20480 bytes has 5"),
    ([(-1, 0)], 4608, "block -1"),
    ([(1, 0), (1, 4608)], 9216, "block 1 cannot be laid out twice"),
    ([(1, 0), (2, 4096)], 9216, "block 2 .* inside another"),
    ([(1, 4608), (2, 512)], 9216, "block 1 .* inside another"),
    ([(1, 0), (2, 0)], 9216, "inside another"),
    ([(1, 100)], 9216, "block 1 cannot be laid out at byte 2660"),
    ([(1, -512)], 9216, "block 1 cannot be laid out at byte 2048"),
    ([(1, 2 ** 41)], 2 ** 42, "up to 2 TiB"),
    ([(1, 0)], 4607, "end at byte 4608 cannot be laid out in 4607"),
    ([(1, 0)], 4609, "in 4609 bytes"),
    ([], -512, "in -512 bytes"),
])
def test_places_that_cannot_be_are_refused(places: List[Tuple[int, int]], length: int,
                                           match: str) -> None:
    with pytest.raises(exceptions.VhdError, match=match):
        Layout.placed(5 * 4096, places, length, bytes(16), 4096)


def test_the_largest_disk_is_laid_out_in_little_memory() -> None:
    count = block_count(constants.MAX_VIRTUAL_SIZE)
    tracemalloc.start()
    try:
        Layout(constants.MAX_VIRTUAL_SIZE, iter(range(count)), bytes(16))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 4 * count
