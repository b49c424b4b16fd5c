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

"""VHDs written and read by struct alone, from Microsoft's specification (October 2006).

Shares nothing with the package, so that the two cannot make the same mistake.
"""

from __future__ import annotations

import struct
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

SECTOR = 512
MIB2 = 2 * 1024 * 1024
NOTHING = 0xFFFFFFFF
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4

FOOTER_SUM = 64
HEADER_SUM = 36
UID = bytes(range(1, 17))

Bits = List[bool]


class Block(NamedTuple):
    """A block to write or that was read.

    :ivar bitmap: its sector bitmap as it stands in the file, padding included.
    """

    bitmap: bytes
    data: bytes


def resum(part: bytes, at: int) -> bytes:
    """Return a footer or header with the checksum at *at* made right."""
    blank = part[:at] + bytes(4) + part[at + 4:]
    return part[:at] + struct.pack(">I", 0xFFFFFFFF - sum(blank)) + part[at + 4:]


def footer(size: int, kind: int = DYNAMIC, unique_id: bytes = UID,
           data_offset: Optional[int] = None, version: int = 0x10000) -> bytes:
    """Return a footer as Virtual PC would write it."""
    if data_offset is None:
        data_offset = 0xFFFFFFFFFFFFFFFF if kind == FIXED else 512
    part = b"".join((
        b"conectix", struct.pack(">IIQ", 2, version, data_offset), struct.pack(">I", 0x1234567),
        b"vpc ", struct.pack(">I", 0x50003), b"Wi2k", struct.pack(">QQ", size, size),
        struct.pack(">HBB", 0, 0, 0), struct.pack(">I", kind), bytes(4), unique_id, bytes(428)))
    assert len(part) == 512
    return resum(part, FOOTER_SUM)


def header(entries: int, block_size: int = MIB2, table_offset: int = 1536,
           parent_id: bytes = bytes(16), parent_name: str = "", version: int = 0x10000,
           entries_of_locators: bytes = b"") -> bytes:
    """Return a dynamic header."""
    name = parent_name.encode("utf-16-be")
    part = b"".join((
        b"cxsparse", struct.pack(">QQ", 0xFFFFFFFFFFFFFFFF, table_offset),
        struct.pack(">III", version, entries, block_size), bytes(4), parent_id,
        struct.pack(">II", 0, 0), name + bytes(512 - len(name)),
        entries_of_locators + bytes(8 * 24 - len(entries_of_locators)), bytes(256)))
    assert len(part) == 1024
    return resum(part, HEADER_SUM)


def bitmap_size(block_size: int) -> int:
    """Return the bytes of the bitmap in front of each block, whole sectors."""
    return -(-(block_size // SECTOR) // 4096) * SECTOR


def bitmap(bits: Bits) -> bytes:
    """Return a bitmap with padding; the first sector is the highest bit of the first byte."""
    padded = bits + [False] * (-len(bits) % 4096)
    return bytes(sum(bit << (7 - index) for index, bit in enumerate(padded[start:start + 8]))
                 for start in range(0, len(padded), 8))


def full(block_size: int) -> bytes:
    """Return the bitmap of a block all of whose sectors are present."""
    return bitmap([True] * (block_size // SECTOR))


def build(size: int, blocks: Dict[int, Block], kind: int = DYNAMIC, block_size: int = MIB2,
          unique_id: bytes = UID, parent_id: bytes = bytes(16), parent_name: str = "",
          gap: int = 0, order: Optional[List[int]] = None, entries: Optional[int] = None,
          locators: Sequence[Tuple[bytes, int, bytes]] = ()) -> bytes:
    """Return a whole dynamic or differencing VHD.

    :param gap: sectors left free in front of each block and of the last footer.
    :param order: in which order the blocks lie in the file; ascending if None.
    :param entries: length of the BAT; as many as the disk needs if None.
    :param locators: platform, what the field of the space says, and path of each; they lie
        between BAT and blocks, a sector each.
    """
    if entries is None:
        entries = -(-size // block_size)
    table = [NOTHING] * entries
    table_bytes = -(-entries * 4 // SECTOR) * SECTOR
    at = 1536 + table_bytes
    body = b""
    placed = b""
    for platform, space, path in locators:
        placed += struct.pack(">4sIIIQ", platform, space, len(path), 0, at)
        body += path.ljust(SECTOR, b"\0")
        at += SECTOR
    for number in sorted(blocks) if order is None else order:
        block = blocks[number]
        assert len(block.bitmap) == bitmap_size(block_size), "bitmap"
        assert len(block.data) == block_size, "data"
        at += gap * SECTOR
        table[number] = at // SECTOR
        piece = bytes(gap * SECTOR) + block.bitmap + block.data
        at += len(piece) - gap * SECTOR
        body += piece
    end = footer(size, kind, unique_id)
    packed = struct.pack(">%dI" % entries, *table)
    return b"".join((
        end, header(entries, block_size, 1536, parent_id, parent_name,
                    entries_of_locators=placed),
        packed + b"\xff" * (table_bytes - len(packed)), body, bytes(gap * SECTOR), end))


class Parsed(NamedTuple):
    """A VHD that was read and whose every structure was found right."""

    size: int
    kind: int
    unique_id: bytes
    block_size: int
    blocks: Dict[int, Block]


def parse(vhd: bytes) -> Parsed:
    """Read a dynamic or differencing VHD; an AssertionError says what is wrong with it."""
    first, last = vhd[:512], vhd[-512:]
    assert first == last, "the two footers differ"
    assert first[:8] == b"conectix"
    assert resum(first, FOOTER_SUM) == first, "footer checksum"
    head_at, = struct.unpack_from(">Q", first, 16)
    size, = struct.unpack_from(">Q", first, 48)
    kind, = struct.unpack_from(">I", first, 60)
    assert kind in (DYNAMIC, DIFFERENCING)
    head = vhd[head_at:head_at + 1024]
    assert head[:8] == b"cxsparse"
    assert resum(head, HEADER_SUM) == head, "header checksum"
    table_at, = struct.unpack_from(">Q", head, 16)
    _version, entries, block_size = struct.unpack_from(">III", head, 24)
    assert entries * block_size >= size, "the BAT is shorter than the disk"
    table = struct.unpack_from(">%dI" % entries, vhd, table_at)
    used: List[Tuple[int, int]] = [(0, 512), (head_at, head_at + 1024),
                                   (table_at, table_at + entries * 4)]
    blocks = {}
    for number, sector in enumerate(table):
        if sector == NOTHING:
            continue
        start = sector * SECTOR
        data_at = start + bitmap_size(block_size)
        end = data_at + block_size
        assert end <= len(vhd) - 512, "a block lies beyond the last footer"
        assert number * block_size < size, "a block lies beyond the disk"
        used.append((start, end))
        blocks[number] = Block(vhd[start:data_at], vhd[data_at:end])
    used.sort()
    for (_start, end), (start, _end) in zip(used, used[1:]):
        assert end <= start, "two structures overlap"
    return Parsed(size, kind, first[68:84], block_size, blocks)


def apply(vhd: bytes, disk: bytearray) -> None:
    """Write onto *disk* just the sectors that the VHD holds; grow nothing."""
    parsed = parse(vhd)
    assert parsed.size <= len(disk), "the VHD's disk is larger than what it is written to"
    for number, block in parsed.blocks.items():
        for index in range(parsed.block_size // SECTOR):
            if block.bitmap[index // 8] >> (7 - index % 8) & 1:
                at = number * parsed.block_size + index * SECTOR
                sector = block.data[index * SECTOR:(index + 1) * SECTOR]
                if at + SECTOR <= parsed.size:
                    disk[at:at + SECTOR] = sector
