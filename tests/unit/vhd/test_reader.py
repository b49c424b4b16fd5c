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

"""Streams of VHD: read exactly, and refused when malformed, without taking memory for them."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import tracemalloc
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout
from nova_swift_handler.vhd.reader import StreamReader, read_exactly

from . import disks, independent
from .independent import Block

SMALL = 4096
"""A block size that keeps these VHDs small."""


class Trickle:
    """A stream that gives what is asked for in odd pieces, by ``read`` alone."""

    def __init__(self, data: bytes, seed: int = 0) -> None:
        self._file = io.BytesIO(data)
        self._random = random.Random(seed)

    def read(self, size: int) -> bytes:
        return self._file.read(self._random.randint(1, max(1, size)))


class Filling:
    """A stream that has ``readinto`` alone."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(memoryview(buffer)[:1000])


def _block(seed: int, bits: Optional[List[bool]] = None) -> Block:
    present = [True] * (SMALL // 512) if bits is None else bits
    return Block(independent.bitmap(present), disks.noise(SMALL, seed))


def _vhd(blocks: int = 3, **kwargs: Any) -> bytes:
    """Return a VHD of a disk of 10 blocks, the first few of which it holds."""
    kwargs.setdefault("block_size", SMALL)
    return independent.build(
        10 * SMALL, {number: _block(number) for number in range(blocks)}, **kwargs)


def _patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value):]


def _with_footer(data: bytes, part: bytes) -> bytes:
    """Replace both footers."""
    return part + data[512:-512] + part


def _with_entry(data: bytes, block: int, sector: int) -> bytes:
    return _patched(data, 1536 + 4 * block, struct.pack(">I", sector))


def _with_header(data: bytes, part: bytes) -> bytes:
    return _patched(data, 512, part)


# -- what is well-formed ----------------------------------------------------------------------

@pytest.mark.parametrize("stream", [io.BytesIO, Trickle, Filling])
@pytest.mark.parametrize("known", [True, False])
def test_each_block_is_given_as_it_stands_in_the_file(stream: Callable[[bytes], Any],
                                                      known: bool) -> None:
    bits = [True, False, False, True, True, False, True, False]
    blocks = {7: _block(7), 2: _block(2, bits), 5: _block(5)}
    data = independent.build(10 * SMALL - 512, blocks, block_size=SMALL, order=[7, 2, 5])
    reader = StreamReader(stream(data), len(data) if known else None)
    assert reader.footer.virtual_size == 10 * SMALL - 512
    assert list(reader.order) == [7, 2, 5]
    assert not reader.differencing
    assert reader.end == len(data) - 512
    read = list(reader.blocks())
    assert [block.number for block in read] == [7, 2, 5]
    for block in read:
        assert block.bitmap[:1] == blocks[block.number].bitmap[:1]
        assert block.data == blocks[block.number].data


def test_normalising_zeroes_the_sectors_that_are_not_present() -> None:
    bits = [True, False, False, True, True, False, True, False]
    data = independent.build(SMALL, {0: _block(4, bits)}, block_size=SMALL)
    block, = StreamReader(io.BytesIO(data)).blocks()
    whole = disks.noise(SMALL, 4)
    assert block.normalised() == b"".join(
        whole[index * 512:(index + 1) * 512] if bit else bytes(512)
        for index, bit in enumerate(bits))


def test_room_that_tapdisk_leaves_between_blocks_is_passed_over() -> None:
    data = _vhd(gap=9)
    assert [bytes(block.data) for block in StreamReader(Trickle(data), len(data)).blocks()] == [
        disks.noise(SMALL, number) for number in range(3)]


def test_a_compact_stream_is_read_to_its_footer_and_no_further() -> None:
    # What follows is for others to judge: the end of an export takes XAPI a while.
    stream = io.BytesIO(_vhd() + b"whatever")
    assert len(list(StreamReader(stream).blocks(compact=True))) == 3
    assert stream.read() == b"whatever"


def test_a_stream_that_is_not_compact_is_not_taken_for_one() -> None:
    with pytest.raises(exceptions.VhdError):
        list(StreamReader(io.BytesIO(_vhd(gap=1))).blocks(compact=True))


@pytest.mark.parametrize("length", [-512, -511, -1])
def test_a_compact_stream_cut_in_its_footer_is_truncated(length: int) -> None:
    with pytest.raises(exceptions.VhdTruncated, match="its last footer"):
        list(StreamReader(io.BytesIO(_vhd()[:length])).blocks(compact=True))


def test_a_differencing_vhd_names_its_parent() -> None:
    data = _vhd(kind=independent.DIFFERENCING, parent_id=b"P" * 16, parent_name="base.vhd")
    reader = StreamReader(io.BytesIO(data))
    assert reader.differencing
    assert reader.header.parent_unique_id == b"P" * 16
    assert reader.header.parent_name == "base.vhd"


def test_a_table_longer_than_the_disk_is_no_fault() -> None:
    data = _vhd(entries=200)
    assert len(list(StreamReader(io.BytesIO(data), len(data)).blocks())) == 3


def test_a_disk_without_blocks_has_none() -> None:
    data = _vhd(blocks=0)
    reader = StreamReader(io.BytesIO(data), len(data))
    assert (list(reader.order), list(reader.blocks()), reader.end) == ([], [], len(data) - 512)


def test_what_we_lay_out_we_read_back() -> None:
    raw = disks.disk(9 * 2 ** 20 + 512, [0, 2, 4])
    blocks = disks.cut(raw)
    layout = Layout(len(raw), sorted(blocks), b"i" * 16)
    data = layout.head + b"".join(FULL_BITMAP + blocks[n] for n in sorted(blocks)) + layout.footer
    reader = StreamReader(Trickle(data), layout.length)
    assert {block.number: bytes(block.data) for block in reader.blocks()} == blocks
    assert reader.footer.unique_id == b"i" * 16


@given(st.integers(1, 80), st.data())
def test_any_order_gaps_and_bitmaps_are_read_exactly(sectors: int, data: st.DataObject) -> None:
    count = -(-sectors // 8)
    order = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    bits = st.lists(st.booleans(), min_size=8, max_size=8)
    blocks = {number: _block(number, data.draw(bits)) for number in order}
    gap = data.draw(st.integers(0, 3))
    vhd = independent.build(sectors * 512, blocks, block_size=SMALL, order=order, gap=gap)
    read = list(StreamReader(Trickle(vhd), len(vhd)).blocks())
    assert [block.number for block in read] == order
    assert all(Block(block.bitmap, bytes(block.data)) == blocks[block.number] for block in read)


# -- what is malformed ------------------------------------------------------------------------

_GOOD = _vhd()
_STRIDE = 512 + SMALL
_FIRST = 2048  # where the first block of _GOOD begins, bytes


def _head(**fields: Any) -> bytes:
    """Return _GOOD with another first and last footer."""
    return _with_footer(_GOOD, independent.footer(**{"size": 10 * SMALL, **fields}))


_MALFORMED: Dict[str, Tuple[bytes, str]] = {
    "empty": (b"", "first footer: 0 of 512"),
    "raw disk": (disks.noise(4096, 1), "not a VHD"),
    "qcow2": (b"QFI\xfb" + bytes(5000), "not a VHD"),
    "zeros": (bytes(5000), "not a VHD"),
    "first footer's checksum": (_patched(_GOOD, 64, bytes(4)), "footer is damaged"),
    "header's checksum": (_patched(_GOOD, 512 + 36, bytes(4)), "header is damaged"),
    "no header": (_patched(_GOOD, 512, b"notheader"), "dynamic header begins with"),
    "fixed": (independent.footer(4096, independent.FIXED) + bytes(4096), "fixed size"),
    "header in the footer": (_head(data_offset=0), "header at byte 0"),
    "header beyond the end": (_head(data_offset=2 ** 40), "its header"),
    "header nowhere": (_head(data_offset=2 ** 64 - 1), "its header"),
    "table at the start": (_with_header(_GOOD, independent.header(10, SMALL, 0)),
                           "BAT at byte 0"),
    "table in the header": (_with_header(_GOOD, independent.header(10, SMALL, 1024)),
                            "BAT at byte 1024"),
    "table beyond the end": (_with_header(_GOOD, independent.header(10, SMALL, 2 ** 63)),
                             "its BAT"),
    "table longer than the file": (_with_header(_GOOD, independent.header(2 ** 23, SMALL)),
                                   "its BAT"),
    "one entry too few": (_with_header(_GOOD, independent.header(9, SMALL)), "needs 10"),
    "no entries": (_with_header(_GOOD, independent.header(0, SMALL)), "needs 10"),
    "huge disk, short table": (_head(size=2040 * 2 ** 30), "needs"),
    "huge blocks": (_with_header(_GOOD, independent.header(10, 2 ** 28)), "268435456 bytes"),
    "block in the footer": (_with_entry(_GOOD, 5, 0), "block 5 at byte 0"),
    "block in the table": (_with_entry(_GOOD, 5, 3), "block 5 at byte 1536"),
    "block at the last footer": (_with_entry(_GOOD, 5, len(_GOOD) // 512 - 1), "block 5"),
    "block at the file's end": (_with_entry(_GOOD, 5, len(_GOOD) // 512), "block 5"),
    "block far beyond the end": (_with_entry(_GOOD, 5, 2 ** 32 - 2), "block 5"),
    "two blocks at one place": (_with_entry(_GOOD, 5, _FIRST // 512), "inside what"),
    "overlapping blocks": (_with_entry(_GOOD, 5, _FIRST // 512 + 4), "inside what"),
    "block beyond the disk": (_with_entry(_GOOD, 10, (_FIRST + _STRIDE * 3) // 512),
                              "block 10, but its disk .* ends with block 9"),
    "last footer of another id": (
        _GOOD[:-512] + independent.footer(10 * SMALL, unique_id=b"another unique i"), "differs"),
    "last footer of another size": (_GOOD[:-512] + independent.footer(9 * SMALL), "differs"),
    "last footer damaged": (_GOOD[:-1] + b"\x01", "footer is damaged"),
    "last footer zero": (_GOOD[:-512] + bytes(512), "begins with"),
    "a sector of garbage behind": (_GOOD + disks.noise(512, 9), "begins with"),
    "a byte behind": (_GOOD + b"\0", "begins with"),
    "an error page behind": (_GOOD + b"<html>500 Internal Server Error</html>", "begins with"),
}
# A block beyond the disk needs a table with room for it.
_MALFORMED["block beyond the disk"] = (
    _with_entry(_vhd(entries=20), 10, (_FIRST + _STRIDE * 3) // 512),
    _MALFORMED["block beyond the disk"][1])


def _drain(data: bytes, length: Optional[int]) -> None:
    for _each in StreamReader(Trickle(data), length).blocks():
        pass


@pytest.mark.parametrize("known", [True, False], ids=["length known", "length unknown"])
@pytest.mark.parametrize("name", sorted(_MALFORMED))
def test_a_malformed_vhd_is_refused_with_little_memory(name: str, known: bool) -> None:
    data, match = _MALFORMED[name]
    tracemalloc.start()
    try:
        with pytest.raises(exceptions.VhdError, match=match):
            _drain(data, len(data) if known else None)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2 ** 20


def test_a_block_over_the_last_footer_is_refused_before_any_is_given() -> None:
    data = _with_entry(_GOOD, 5, (_FIRST + 3 * _STRIDE) // 512)
    with pytest.raises(exceptions.VhdError, match=r"block 5 .* beyond the file's end"):
        StreamReader(io.BytesIO(data), len(data))


def test_a_table_of_a_million_blocks_is_refused_before_they_are_sorted() -> None:
    # A file of 4 MiB that claims a million blocks: hardly any of them can be in it.
    entries = 2 ** 20
    table = struct.pack(">%dI" % entries, *range(entries, 0, -1))
    data = b"".join((independent.footer(entries * SMALL), independent.header(entries, SMALL),
                     table, independent.footer(entries * SMALL)))
    tracemalloc.start()
    try:
        with pytest.raises(exceptions.VhdError, match=r"more than its [0-9]+ bytes can hold"):
            StreamReader(io.BytesIO(data), len(data))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(table)


def _interesting() -> List[int]:
    edges = [0, 8, 64, 512, 512 + 36, 1536, 1540, 1576, _FIRST]
    for number in range(3):
        start = _FIRST + number * _STRIDE
        edges += [start, start + 512, start + 512 + SMALL // 2, start + _STRIDE]
    edges.append(len(_GOOD))
    return sorted({edge + by for edge in edges for by in (-1, 0, 1)} & set(range(len(_GOOD))))


@pytest.mark.parametrize("length", _interesting())
def test_a_vhd_cut_anywhere_is_refused(length: int) -> None:
    for announced in (None, length, len(_GOOD)):
        with pytest.raises(exceptions.VhdError):
            _drain(_GOOD[:length], announced)


@pytest.mark.parametrize("length", [511, 1535, _FIRST - 1, _FIRST + 100, _FIRST + _STRIDE,
                                    len(_GOOD) - 1])
def test_a_cut_stream_of_unknown_length_is_called_truncated(length: int) -> None:
    with pytest.raises(exceptions.VhdTruncated):
        _drain(_GOOD[:length], None)


def test_a_stream_longer_than_announced_is_refused() -> None:
    # The footer is the last sector of what is there, but not of what was to come.
    data = _GOOD[:-512] + bytes(512) + _GOOD[-512:]
    with pytest.raises(exceptions.VhdError, match="bytes where"):
        _drain(data, len(_GOOD))


@settings(max_examples=300)
@given(st.data())
def test_no_damage_makes_anything_but_our_error(data: st.DataObject) -> None:
    # Checksums are made right again, so that damage reaches what is behind them.
    damaged = bytearray(_vhd(gap=1))
    for _number in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 2048), st.integers(0, len(damaged) - 1)))
        damaged[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        damaged[:512] = damaged[-512:] = independent.resum(
            bytes(damaged[:512]), independent.FOOTER_SUM)
    damaged[512:1536] = independent.resum(bytes(damaged[512:1536]), independent.HEADER_SUM)
    vhd = bytes(damaged[:data.draw(st.integers(0, len(damaged)))])
    with contextlib.suppress(exceptions.VhdError):
        _drain(vhd, data.draw(st.sampled_from([None, len(vhd)])))


def test_a_part_that_is_cut_is_named() -> None:
    with pytest.raises(exceptions.VhdTruncated, match="inside the label: 3 of 10 bytes"):
        read_exactly(Trickle(b"abc"), 10, "the label")
