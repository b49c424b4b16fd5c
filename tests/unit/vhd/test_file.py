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

"""VHD files read by position: exact to the sector bitmap, whatever the block size."""

from __future__ import annotations

import io
import pathlib
import struct
import tracemalloc
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.reader import StreamReader

from . import disks, independent
from .conftest import QemuImg
from .independent import Block

_MIB = 2 ** 20


@st.composite
def _disks(draw: Any) -> Tuple[bytes, bytearray, int]:
    """Return a VHD, the disk it stands for, and the size of its blocks."""
    block_size = draw(st.sampled_from([4096, 8192, 65536]))
    sectors = draw(st.integers(1, 3 * block_size // 512 + 3))
    size = sectors * 512
    count = -(-size // block_size)
    per_block = block_size // 512
    model = bytearray(size)
    blocks: Dict[int, Block] = {}
    for number in draw(st.sets(st.integers(0, count - 1))):
        bits = draw(st.one_of(
            st.just([True] * per_block), st.just([False] * per_block),
            st.lists(st.booleans(), min_size=per_block, max_size=per_block)
            if per_block <= 16 else
            st.lists(st.booleans(), min_size=4, max_size=4).map(lambda b: b * (per_block // 4))))
        data = disks.noise(block_size, number + 1)
        blocks[number] = Block(independent.bitmap(bits), data)
        for index, bit in enumerate(bits):
            at = number * block_size + index * 512
            if bit and at < size:
                model[at:at + 512] = data[index * 512:(index + 1) * 512]
    order = draw(st.permutations(sorted(blocks)))
    vhd = independent.build(size, blocks, block_size=block_size, order=order,
                            gap=draw(st.integers(0, 2)))
    return vhd, model, block_size


@given(_disks(), st.data())
def test_any_range_is_what_the_bitmaps_say(disk: Tuple[bytes, bytearray, int],
                                           data: st.DataObject) -> None:
    vhd, model, _block_size = disk
    file = VhdFile(io.BytesIO(vhd))
    assert file.virtual_size == len(model)
    offset = data.draw(st.integers(0, len(model) + 5000))
    size = data.draw(st.integers(0, len(model) + 5000))
    expected = bytes(model[offset:offset + size])
    assert file.read(offset, size) == expected + bytes(size - len(expected))


@given(_disks(), st.sampled_from([512, 1536, 4096, 16384, 2 ** 21]))
def test_pieces_that_are_not_held_are_zero_and_all_others_are_told_ascending(
        disk: Tuple[bytes, bytearray, int], size: int) -> None:
    vhd, model, _block_size = disk
    file = VhdFile(io.BytesIO(vhd))
    held = list(file.held(size))
    assert held == sorted(set(held))
    rebuilt = bytearray(-(-len(model) // size) * size)
    for number in held:
        assert number * size < len(model)
        rebuilt[number * size:(number + 1) * size] = file.read(number * size, size)
    assert rebuilt[:len(model)] == model
    assert not any(rebuilt[len(model):])


@pytest.mark.parametrize("block_size", [4096, 512 * 1024, 2 * _MIB, 4 * _MIB])
def test_libvhdi_agrees_whatever_the_block_size(libvhdi: Any, block_size: int) -> None:
    size = 9 * block_size // 2 // 512 * 512
    bits = [index // 8 % 5 != 2 for index in range(block_size // 512)]
    blocks = {number: Block(independent.bitmap(bits), disks.noise(block_size, number))
              for number in (0, 3, 4)}
    vhd = independent.build(size, blocks, block_size=block_size, order=[4, 0, 3])
    theirs = libvhdi.file()
    theirs.open_file_object(io.BytesIO(vhd))
    # A block at a time: in one read libvhdi (20260901) takes what follows absent sectors and
    # absent blocks for absent too.
    expected = b"".join(
        theirs.read_buffer_at_offset(min(block_size, size - start), start)
        for start in range(0, size, block_size))
    theirs.close()
    assert VhdFile(io.BytesIO(vhd)).read(0, size) == expected


def test_a_delta_on_its_base_is_the_chain_that_libvhdi_reads(libvhdi: Any) -> None:
    size = 6 * _MIB + 512
    # In steps of 4 KiB: libvhdi (20260901) takes a bitmap's byte that is neither 0 nor 255 for
    # eight sectors alike.
    bits = [index // 8 % 7 in (0, 3, 4) for index in range(4096)]
    base = independent.build(
        size, {number: Block(independent.full(2 * _MIB), disks.noise(2 * _MIB, number))
               for number in (0, 2)}, unique_id=b"B" * 16)
    delta = independent.build(
        size, {number: Block(independent.bitmap(bits), disks.noise(2 * _MIB, 10 + number))
               for number in (0, 1, 3)}, kind=independent.DIFFERENCING, unique_id=b"D" * 16,
        parent_id=b"B" * 16, parent_name="base.vhd")
    parent, child = libvhdi.file(), libvhdi.file()
    parent.open_file_object(io.BytesIO(base))
    child.open_file_object(io.BytesIO(delta))
    child.set_parent(parent)
    expected = child.read_buffer_at_offset(size, 0)
    child.close()
    parent.close()

    ours = VhdFile(io.BytesIO(base)).read(0, size)
    file = VhdFile(io.BytesIO(delta))
    only = file.read(0, size)
    for number in file.held(2 * _MIB):
        for index, bit in enumerate(bits):
            at = number * 2 * _MIB + index * 512
            if bit and at < size:
                ours[at:at + 512] = only[at:at + 512]
    assert ours == expected


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
@pytest.mark.parametrize("force_size", ["on", "off"])
def test_what_qemu_writes_is_read(qemu_img: QemuImg, tmp_path: pathlib.Path, subformat: str,
                                  force_size: str) -> None:
    raw = disks.disk(11 * _MIB, [0, 3, 5])
    (tmp_path / "disk.raw").write_bytes(raw)
    qemu_img.run("convert", "-f", "raw", "-O", "vpc", "-o",
                 "subformat=%s,force_size=%s" % (subformat, force_size),
                 str(tmp_path / "disk.raw"), str(tmp_path / "disk.vhd"))
    with open(tmp_path / "disk.vhd", "rb") as opened:
        file = VhdFile(opened)
        # Without force_size qemu makes the disk larger, to a size that CHS can express.
        assert file.virtual_size == qemu_img.info(tmp_path / "disk.vhd")["virtual-size"]
        assert (file.virtual_size == len(raw)) == (force_size == "on")
        assert file.read(0, len(raw)) == raw
        assert not any(file.read(len(raw), file.virtual_size - len(raw)))
        pieces = bytearray(len(raw) + 2 * _MIB)
        for number in file.held(2 * _MIB):
            pieces[number * 2 * _MIB:(number + 1) * 2 * _MIB] = file.read(
                number * 2 * _MIB, 2 * _MIB)
        assert pieces[:len(raw)] == raw


def _fixed(size: int = 3 * 512) -> bytes:
    return disks.noise(size, 3) + independent.footer(size, independent.FIXED)


def _dynamic() -> bytes:
    block = Block(independent.full(4096), disks.noise(4096, 1))
    return independent.build(3 * 4096, {0: block, 2: block}, block_size=4096)


def _backwards(block_sector: int = 1, header_at: int = 512 + 2 * 4608,
               table_at: int = 1536 + 2 * 4608) -> bytes:
    """Return a VHD with its two blocks in front of its header, and its BAT behind that."""
    size = 3 * 4096
    end = independent.footer(size, data_offset=header_at)
    body = bytearray(512 + 2 * 4608 + 1024 + 512)
    body[:512] = end
    for place, number in ((512, 2), (512 + 4608, 0)):
        body[place:place + 4608] = independent.full(4096) + disks.noise(4096, number)
    body[header_at:header_at + 1024] = independent.header(3, 4096, table_at)
    body[table_at:table_at + 12] = struct.pack(
        ">3I", 10, independent.NOTHING, block_sector)
    return bytes(body) + end


def test_the_parts_of_a_file_may_lie_in_any_order(libvhdi: Any) -> None:
    expected = disks.noise(4096, 0) + bytes(4096) + disks.noise(4096, 2)
    assert VhdFile(io.BytesIO(_backwards())).read(0, 3 * 4096) == expected
    theirs = libvhdi.file()
    theirs.open_file_object(io.BytesIO(_backwards()))
    assert theirs.read_buffer_at_offset(4096, 0) == expected[:4096]
    assert theirs.read_buffer_at_offset(4096, 8192) == expected[8192:]
    theirs.close()
    with pytest.raises(exceptions.VhdError, match="inside what lies before it"):
        StreamReader(io.BytesIO(_backwards()), len(_backwards()))


@pytest.mark.parametrize(("vhd", "match"), [
    (_backwards(block_sector=0), "its first footer|block 2 at byte 0"),
    (_backwards(block_sector=11), "inside what lies before it"),
    (_backwards(header_at=9216), "its header at byte 9216, inside what"),
    (_backwards(table_at=9216), "its BAT at byte 9216, inside what"),
    (_backwards(table_at=512), "block 2 at byte 512, inside|its BAT at byte 512, inside"),
    (_backwards(block_sector=22), "beyond the file's end"),
], ids=["block in footer", "block in block", "header in block", "BAT in block",
        "BAT and block at one place", "block at end"])
def test_a_file_whose_parts_overlap_is_refused(vhd: bytes, match: str) -> None:
    with pytest.raises(exceptions.VhdError, match=match):
        VhdFile(io.BytesIO(vhd))


@pytest.mark.parametrize(("entries", "block_size"), [(2 ** 23, 4096), (2 ** 23, 2 ** 24)])
def test_a_table_that_is_not_there_takes_no_memory(entries: int, block_size: int) -> None:
    end = independent.footer(4096 * 512)
    vhd = end + independent.header(entries, block_size) + bytes(5000) + end
    tracemalloc.start()
    try:
        with pytest.raises(exceptions.VhdTruncated, match="inside its BAT"):
            VhdFile(io.BytesIO(vhd))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 ** 20


def test_a_file_cut_while_it_is_read_is_said_to_have_changed() -> None:
    opened = io.BytesIO(_dynamic())
    file = VhdFile(opened)
    opened.truncate(len(_dynamic()) - 1000)
    with pytest.raises(exceptions.VhdTruncated, match="changed while it was read"):
        file.read(0, 3 * 4096)
    opened.truncate(2000)
    with pytest.raises(exceptions.VhdTruncated, match="inside block 0"):
        file.read(0, 512)


def test_a_fixed_disk_holds_everything() -> None:
    file = VhdFile(io.BytesIO(_fixed()))
    assert file.header is None
    assert list(file.held(1024)) == [0, 1]
    assert file.read(500, 5000) == _fixed()[500:1536] + bytes(5000 - 1036)


@pytest.mark.parametrize(("vhd", "match"), [
    (b"", "0 bytes"),
    (bytes(511), "511 bytes"),
    (bytes(5000), "not a VHD"),
    (_fixed()[512:], "fixed VHD has 1536 bytes"),
    (bytes(512) + _fixed(), "fixed VHD has 2560 bytes"),
    (_dynamic()[512:], "not a VHD"),
    (_dynamic()[:-512], "does not end with a footer: it is cut off"),
    (_dynamic()[:-1024] + _dynamic()[-512:], "beyond the file's end"),
    (_dynamic() + bytes(512), "something was appended"),
    (_dynamic()[:-512] + independent.footer(2 * 4096), "last footer differs"),
    (independent.footer(3 * 4096), "inside its header"),
], ids=["empty", "short", "zeros", "fixed cut", "fixed too long", "first footer missing",
        "last footer missing", "block cut", "garbage behind", "footers differ", "footer alone"])
def test_a_malformed_file_is_refused_when_opened(vhd: bytes, match: str) -> None:
    with pytest.raises(exceptions.VhdError, match=match):
        VhdFile(io.BytesIO(vhd))


@settings(max_examples=200)
@given(st.data())
def test_no_damage_makes_anything_but_our_error(data: st.DataObject) -> None:
    damaged = bytearray(_dynamic())
    for _number in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 2048), st.integers(0, len(damaged) - 1)))
        damaged[at] = data.draw(st.integers(0, 255))
    damaged[:512] = damaged[-512:] = independent.resum(
        bytes(damaged[:512]), independent.FOOTER_SUM)
    damaged[512:1536] = independent.resum(bytes(damaged[512:1536]), independent.HEADER_SUM)
    try:
        file = VhdFile(io.BytesIO(bytes(damaged)))
        reads: List[bytearray] = [file.read(0, 20000), file.read(12000, 600)]
    except exceptions.VhdError:
        return
    assert [len(read) for read in reads] == [20000, 600]
