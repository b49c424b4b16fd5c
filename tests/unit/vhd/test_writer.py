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

"""What is written is a VHD to everyone, and has just the sectors that were written."""

from __future__ import annotations

import io
import pathlib
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.chain import Chain
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout, Parent
from nova_swift_handler.vhd.reader import Block, StreamReader
from nova_swift_handler.vhd.writer import FileWriter, stream

from . import disks, independent
from .conftest import QemuImg

_MIB = 2 ** 20
_SMALL = 4096
_PARENT = Parent(b"p" * 16, "../p/delta.vhd")
_SIZES = [2 * _MIB, 10 * _MIB + 512, 6 * _MIB - 512, 512, 7 * _MIB + 3 * 512]
Write = Tuple[int, bytes]


@st.composite
def _writes(draw: Any, size: int, unit: int = 512) -> List[Write]:
    """Return writes of whole units anywhere on a disk, some over others."""
    found = []
    for seed in range(draw(st.integers(0, 8))):
        first = draw(st.integers(0, size // unit - 1))
        count = draw(st.integers(0, min(size // unit - first, 40)))
        found.append((first * unit, disks.noise(count * unit, seed + 1)))
    return found


def _write(writes: List[Write], size: int, block_size: int = _SMALL,
           unique_id: bytes = b"i" * 16, parent: Optional[Parent] = None) -> bytes:
    file = io.BytesIO(b"what was there before" * 100000)
    writer = FileWriter(file, size, unique_id, block_size, parent)
    for offset, data in writes:
        writer.write(offset, data)
    writer.finish()
    return file.getvalue()


# -- sector by sector -------------------------------------------------------------------------

@given(st.integers(1, 200), st.sampled_from([4096, 16384, 4 * _MIB]), st.booleans(), st.data())
def test_just_the_sectors_that_were_written_are_present(
        sectors: int, block_size: int, differencing: bool, data: st.DataObject) -> None:
    writes = data.draw(_writes(sectors * 512))
    vhd = _write(writes, sectors * 512, block_size, parent=_PARENT if differencing else None)
    parsed = independent.parse(vhd)
    assert (parsed.size, parsed.unique_id, parsed.block_size, parsed.kind) == (
        sectors * 512, b"i" * 16, block_size,
        independent.DIFFERENCING if differencing else independent.DYNAMIC)
    disk = bytearray(sectors * 512)
    written = set()
    for offset, piece in writes:
        disk[offset:offset + len(piece)] = piece
        written |= set(range(offset // 512, (offset + len(piece)) // 512))
    result = bytearray(sectors * 512)
    independent.apply(vhd, result)
    assert result == disk
    bits = {number * block_size // 512 + index
            for number, block in parsed.blocks.items()
            for index in range(len(block.bitmap) * 8)
            if block.bitmap[index // 8] >> 7 - index % 8 & 1}
    assert bits == written
    assert VhdFile(io.BytesIO(vhd)).read(0, len(disk)) == disk
    for block in parsed.blocks.values():
        for index in range(block_size // 512):
            if not block.bitmap[index // 8] >> 7 - index % 8 & 1:
                assert not any(block.data[index * 512:index * 512 + 512])


class Layers:
    """A chain written with :class:`FileWriter`, and what its disk should hold."""

    def __init__(self, size: int, block_sizes: List[int], writes: List[List[Write]]) -> None:
        self.disk = bytearray(size)
        self.vhds: List[bytes] = []
        for number, (block_size, layer) in enumerate(zip(block_sizes, writes)):
            self.vhds.insert(0, _write(
                layer, size, block_size, b"%016d" % number,
                Parent(b"%016d" % (number - 1), "%d.vhd" % (number - 1)) if number else None))
            for offset, data in layer:
                self.disk[offset:offset + len(data)] = data


@given(st.integers(1, 200), st.lists(st.sampled_from([4096, 8192, 32768]), min_size=1, max_size=5),
       st.data())
def test_a_chain_of_written_layers_is_the_disk_after_all_writes(
        sectors: int, block_sizes: List[int], data: st.DataObject) -> None:
    size = sectors * 512
    layers = Layers(size, block_sizes, [data.draw(_writes(size)) for _each in block_sizes])
    chain = Chain([VhdFile(io.BytesIO(vhd)) for vhd in layers.vhds])
    assert chain.read(0, size) == layers.disk


@settings(max_examples=30, suppress_health_check=[
    HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.integers(1, 30), st.integers(0, 7),
       st.lists(st.sampled_from([4096, 8192, 32768]), min_size=1, max_size=4), st.data())
def test_libvhdi_reads_a_chain_of_written_layers(
        libvhdi: Any, units: int, more: int, block_sizes: List[int], data: st.DataObject) -> None:
    # In units of 4 KiB: libvhdi (20260901) takes a bitmap's byte that is neither 0 nor 255 for
    # eight sectors alike.
    size = units * 4096 + more * 512
    layers = Layers(size, block_sizes,
                    [data.draw(_writes(units * 4096, 4096)) for _each in block_sizes])
    opened: List[Any] = []
    for vhd in reversed(layers.vhds):
        file = libvhdi.file()
        file.open_file_object(io.BytesIO(vhd))
        if opened:
            file.set_parent(opened[-1])
        opened.append(file)
    assert opened[-1].get_media_size() == size
    found = b"".join(opened[-1].read_buffer_at_offset(min(4096, size - at), at)
                     for at in range(0, size, 4096))
    for file in reversed(opened):
        file.close()
    assert found == layers.disk


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("backwards", [False, True])
def test_qemu_reads_what_was_written_in_any_order(qemu_img: QemuImg, tmp_path: pathlib.Path,
                                                  size: int, backwards: bool) -> None:
    count = -(-size // (2 * _MIB))
    raw = disks.disk(size, {0, count // 2, count - 1})
    # Pieces of no power of two, so that blocks are written in parts.
    step = 384 * 512
    starts = [at for at in range(0, size, step) if any(raw[at:at + step])]
    with open(tmp_path / "disk.vhd", "w+b") as file:
        writer = FileWriter(file, size, b"i" * 16)
        for at in reversed(starts) if backwards else starts:
            writer.write(at, raw[at:at + step])
        writer.finish()
    assert qemu_img.info(tmp_path / "disk.vhd")["virtual-size"] == size
    assert qemu_img.raw(tmp_path / "disk.vhd") == raw


def test_a_disk_of_2040_gib_is_written_at_both_ends(qemu_img: QemuImg, libvhdi: Any,
                                                    tmp_path: pathlib.Path) -> None:
    size = constants.MAX_VIRTUAL_SIZE
    with open(tmp_path / "disk.vhd", "w+b") as file:
        writer = FileWriter(file, size, b"i" * 16)
        writer.write(size - 512, b"z" * 512)
        writer.write(0, b"a" * 512)
        writer.finish()
    assert (tmp_path / "disk.vhd").stat().st_size < 9 * _MIB
    assert qemu_img.info(tmp_path / "disk.vhd")["virtual-size"] == size
    theirs = libvhdi.open(str(tmp_path / "disk.vhd"))
    assert theirs.read_buffer_at_offset(512, 0) == b"a" * 512
    theirs.close()
    with open(tmp_path / "disk.vhd", "rb") as file:
        ours = VhdFile(file)
        assert list(ours.held(2 * _MIB)) == [0, size // (2 * _MIB) - 1]
        assert ours.read(size - 1024, 1024) == bytes(512) + b"z" * 512


def test_it_is_no_vhd_before_it_is_finished() -> None:
    file = io.BytesIO()
    writer = FileWriter(file, 5 * _SMALL, b"i" * 16, _SMALL)
    writer.write(0, bytes(512))
    with pytest.raises(exceptions.VhdError):
        VhdFile(file)
    writer.finish()
    assert VhdFile(file).virtual_size == 5 * _SMALL


def test_more_can_be_written_after_it_was_finished() -> None:
    file = io.BytesIO()
    writer = FileWriter(file, 5 * _SMALL, b"i" * 16, _SMALL)
    writer.write(3 * _SMALL, b"a" * 512)
    writer.finish()
    writer.write(512, b"b" * 512)
    writer.finish()
    assert file.getvalue() == _write([(3 * _SMALL, b"a" * 512), (512, b"b" * 512)], 5 * _SMALL)


@pytest.mark.parametrize(("offset", "size", "match"), [
    (1, 512, "whole sectors"), (0, 511, "whole sectors"), (256, 256, "whole sectors"),
    (-512, 512, "its disk has 20480"), (20480, 512, "its disk has 20480"),
    (19968, 1024, "1024 bytes cannot be written to a VHD at byte 19968")])
def test_what_is_not_of_the_disk_cannot_be_written(offset: int, size: int, match: str) -> None:
    writer = FileWriter(io.BytesIO(), 5 * _SMALL, b"i" * 16, _SMALL)
    with pytest.raises(exceptions.VhdError, match=match):
        writer.write(offset, bytes(size))


@pytest.mark.parametrize(("size", "block_size", "match"), [
    (0, _SMALL, "0 bytes"), (513, _SMALL, "513 bytes"), (2 ** 41, 2 * _MIB, "2040 GiB"),
    (512, 0, "blocks are said"), (512, 3 * 4096, "blocks are said"),
    (512, 32 * _MIB, "blocks are said")])
def test_a_disk_that_cannot_be_is_refused_at_once(size: int, block_size: int,
                                                  match: str) -> None:
    with pytest.raises(exceptions.VhdError, match=match):
        FileWriter(io.BytesIO(), size, b"i" * 16, block_size)
    with pytest.raises(exceptions.VhdError, match=match):
        Layout(size, [], b"i" * 16, block_size)


# -- to a stream ------------------------------------------------------------------------------

def _joined(layout: Layout, blocks: List[Block]) -> bytes:
    vhd = b"".join(stream(layout, iter(blocks)))
    assert len(vhd) == layout.length
    return vhd


def _block(number: int, bits: Optional[List[bool]] = None) -> Block:
    return Block(number, independent.bitmap(bits or [True] * 8),
                 bytearray(disks.noise(_SMALL, number)))


@given(st.integers(1, 80), st.booleans(), st.booleans(), st.data())
def test_a_stream_has_the_blocks_where_its_layout_has_them(
        sectors: int, differencing: bool, gaps: bool, data: st.DataObject) -> None:
    count = -(-sectors // 8)
    order = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    bits: Dict[int, List[bool]] = {number: data.draw(
        st.lists(st.booleans(), min_size=8, max_size=8)) for number in order}
    parent = _PARENT if differencing else None
    layout = Layout(sectors * 512, order, b"i" * 16, _SMALL, parent)
    if gaps:
        layout = Layout.placed(
            sectors * 512, [(number, at * 6144 + at % 3 * 512) for at, number in enumerate(order)],
            len(order) * 6144, b"i" * 16, _SMALL, parent)
    vhd = _joined(layout, [_block(number, bits[number]) for number in order])
    parsed = independent.parse(vhd)
    assert sorted(parsed.blocks) == sorted(order)
    for number, block in parsed.blocks.items():
        assert block.bitmap == independent.bitmap(bits[number])
        noise = disks.noise(_SMALL, number)
        for index, bit in enumerate(bits[number]):
            here = slice(index * 512, index * 512 + 512)
            assert block.data[here] == (noise[here] if bit else bytes(512))


@pytest.mark.parametrize("size", _SIZES)
def test_qemu_reads_a_stream_whatever_its_bitmaps(qemu_img: QemuImg, tmp_path: pathlib.Path,
                                                  size: int) -> None:
    # qemu looks at no bitmap of a dynamic disk, so what is absent must be zero.
    bits = [index % 3 == 1 for index in range(4096)]
    count = -(-size // (2 * _MIB))
    layout = Layout(size, range(count), b"i" * 16)
    blocks = [Block(number, independent.bitmap(bits), bytearray(disks.noise(2 * _MIB, number)))
              for number in range(count)]
    (tmp_path / "disk.vhd").write_bytes(_joined(layout, blocks))
    expected = bytearray(size)
    independent.apply((tmp_path / "disk.vhd").read_bytes(), expected)
    assert any(expected) == (size > 512)
    assert qemu_img.raw(tmp_path / "disk.vhd") == expected


def test_what_a_stream_reader_reads_can_be_written_again() -> None:
    layout = Layout(10 * _SMALL, [7, 2, 5], b"i" * 16, _SMALL, _PARENT)
    vhd = _joined(layout, [_block(number, [True] * 4 + [False] * 4) for number in (7, 2, 5)])
    assert _joined(layout, list(StreamReader(io.BytesIO(vhd)).blocks())) == vhd


@pytest.mark.parametrize(("numbers", "match"), [
    ([1], "1 blocks were to be written, but the VHD's layout has 2"),
    ([3, 1], "block 1 was to be written at byte 11776, but the VHD's layout has it at 2560"),
    ([1, 1], "block 1 was to be written"),
    ([1, 3, 3], "block 3 was to be written"),
    ([1, 2], "block 2 was to be written at byte 7168, but the VHD's layout has it not at all"),
    ([9], "block 9 .* not at all"),
])
def test_other_blocks_than_the_layouts_are_refused(numbers: List[int], match: str) -> None:
    layout = Layout(5 * _SMALL, [1, 3], b"i" * 16, _SMALL)
    with pytest.raises(exceptions.VhdError, match=match):
        _joined(layout, [_block(number) for number in numbers])


@pytest.mark.parametrize("block", [
    Block(1, FULL_BITMAP, bytearray(_SMALL - 512)),
    Block(1, FULL_BITMAP, bytearray(2 * _MIB)),
    Block(1, b"\xff", bytearray(_SMALL)),
])
def test_blocks_of_another_size_are_refused(block: Block) -> None:
    with pytest.raises(exceptions.VhdError, match="block 1 was to be written with a bitmap"):
        _joined(Layout(5 * _SMALL, [1], b"i" * 16, _SMALL), [block])


def test_a_writer_of_a_file_and_of_a_stream_write_the_same() -> None:
    raw = disks.disk(7 * _SMALL, [1, 2, 6], block_size=_SMALL)
    blocks = disks.cut(raw, _SMALL)
    for parent in (None, _PARENT):
        layout = Layout(len(raw), sorted(blocks), b"i" * 16, _SMALL, parent)
        streamed = _joined(layout, [
            Block(number, independent.full(_SMALL), bytearray(data))
            for number, data in sorted(blocks.items())])
        written = _write([(number * _SMALL, data) for number, data in sorted(blocks.items())],
                         len(raw), parent=parent)
        assert written == streamed

