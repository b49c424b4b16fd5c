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

"""The fixed structures of a VHD file: footer, dynamic header, parent locators, batmap header.

Sources: Microsoft's Virtual Hard Disk Image Format Specification 1.0; for what tapdisk adds
(``hidden``, "tdbatmap") blktap's include/vhd.h.  All integers are big-endian.
"""

from __future__ import annotations

import dataclasses
import struct
import time
from typing import List, Tuple

DYNAMIC = 3
DIFFERENCING = 4
UNUSED = 0xFFFFFFFF
ALL_ONES = 0xFFFFFFFFFFFFFFFF
EPOCH = 946684800  # VHD times count seconds from 2000-01-01 UTC
FOOTER_SIZE = 512
HEADER_SIZE = 1024

#: creator of tapdisk's files; readers that know it take the size from the footer, not from CHS
TAPDISK = b"tap\0"
TAPDISK_VERSION = 0x00010003

LOCATOR_MACX = 0x4D616358
LOCATOR_W2KU = 0x57326B75
LOCATOR_W2RU = 0x57327275
_LOCATOR_CODES = frozenset([
    0, 0x57693272, 0x5769326B, LOCATOR_W2RU, LOCATOR_W2KU, 0x4D616320, LOCATOR_MACX])

_FOOTER = struct.Struct(">8sIIQI4sIIQQIII16sBB426x")
_HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
_LOCATOR = struct.Struct(">IIIIQ")
_BATMAP = struct.Struct(">8sQIIIB483x")
_BATMAP_VERSION = 0x00010002


def checksum(data: bytes) -> int:
    """One's complement of the sum of all bytes (the checksum field counted as zeros)."""
    return ~sum(data) & 0xFFFFFFFF


def timestamp(seconds: float) -> int:
    """Return a Unix time as VHD time."""
    return max(0, int(seconds) - EPOCH)


def geometry(size: int) -> int:
    """Return the CHS geometry for ``size`` bytes (specification, appendix)."""
    sectors = min(size // 512, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
        cylinder_heads = sectors // per_track
    else:
        per_track = 17
        cylinder_heads = sectors // per_track
        heads = max((cylinder_heads + 1023) // 1024, 4)
        if cylinder_heads >= heads * 1024 or heads > 16:
            per_track, heads = 31, 16
            cylinder_heads = sectors // per_track
        if cylinder_heads >= heads * 1024:
            per_track, heads = 63, 16
            cylinder_heads = sectors // per_track
    return (cylinder_heads // heads) << 16 | heads << 8 | per_track


@dataclasses.dataclass
class Footer:
    """A VHD footer; sizes in bytes, ``time`` in VHD time."""

    size: int
    kind: int
    uuid: bytes
    original_size: int = 0
    time: int = 0
    creator: bytes = TAPDISK
    creator_version: int = TAPDISK_VERSION
    creator_os: int = 0
    data_offset: int = FOOTER_SIZE
    saved: int = 0
    hidden: int = 0

    def pack(self) -> bytes:
        """Return the 512 bytes."""
        fields = [
            b"conectix", 2, 0x00010000, self.data_offset, self.time, self.creator,
            self.creator_version, self.creator_os, self.original_size or self.size, self.size,
            geometry(self.size), self.kind, 0, self.uuid, self.saved, self.hidden]
        fields[12] = checksum(_FOOTER.pack(*fields))
        return _FOOTER.pack(*fields)

    @classmethod
    def parse(cls, data: bytes) -> Footer:
        """Parse and check as vhd-tool does (cookie, version, type, checksum) or ValueError."""
        if len(data) != FOOTER_SIZE:
            raise ValueError("footer cut short")
        (cookie, _features, version, data_offset, time_, creator, creator_version, creator_os,
         original, size, _chs, kind, stored, uuid, saved, hidden) = _FOOTER.unpack(data)
        if cookie != b"conectix" or version != 0x00010000 or kind not in (2, 3, 4):
            raise ValueError("not a VHD footer")
        if stored != checksum(data[:64] + bytes(4) + data[68:]):
            raise ValueError("footer checksum")
        return cls(size, kind, uuid, original, time_, creator, creator_version, creator_os,
                   data_offset, saved, hidden)


@dataclasses.dataclass
class Locator:
    """One parent locator entry; ``space`` as stored (tapdisk: bytes, vhd-tool: sectors)."""

    code: int
    space: int
    length: int
    offset: int


@dataclasses.dataclass
class Header:
    """A dynamic disk header; ``table_offset`` in bytes, ``entries`` BAT entries."""

    table_offset: int
    entries: int
    block_size: int
    parent_uuid: bytes = bytes(16)
    parent_time: int = 0
    parent_name: str = ""
    locators: List[Locator] = dataclasses.field(default_factory=list)

    def pack(self) -> bytes:
        """Return the 1024 bytes."""
        locators = b"".join(
            _LOCATOR.pack(item.code, item.space, item.length, 0, item.offset)
            for item in self.locators)
        fields = [
            b"cxsparse", ALL_ONES, self.table_offset, 0x00010000, self.entries, self.block_size,
            0, self.parent_uuid, self.parent_time, 0, self.parent_name.encode("utf-16-be")[:512],
            locators]
        fields[6] = checksum(_HEADER.pack(*fields))
        return _HEADER.pack(*fields)

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Parse and check as vhd-tool does, or ValueError."""
        if len(data) != HEADER_SIZE:
            raise ValueError("header cut short")
        (cookie, data_offset, table_offset, version, entries, block_size, stored, parent_uuid,
         parent_time, _reserved, name, locators) = _HEADER.unpack(data)
        if cookie != b"cxsparse" or data_offset != ALL_ONES or version != 0x00010000:
            raise ValueError("not a dynamic disk header")
        if block_size < 512 or block_size & (block_size - 1):
            raise ValueError("block size")
        found = []
        for index in range(8):
            code, space, length, _zero, offset = _LOCATOR.unpack_from(locators, index * 24)
            if code not in _LOCATOR_CODES:
                raise ValueError("parent locator")
            if code:
                found.append(Locator(code, space, length, offset))
        if stored != checksum(data[:36] + bytes(4) + data[40:]):
            raise ValueError("header checksum")
        text = name.decode("utf-16-be", "replace").split("\0")[0]
        return cls(table_offset, entries, block_size, parent_uuid, parent_time, text, found)


def parent_locators(name: str, offset: int) -> Tuple[List[Locator], bytes]:
    """Return the three locators tapdisk writes for a parent in the same directory.

    ``offset``: where the returned 1536 bytes of locator texts go.  As libvhd does, the space
    field counts bytes, not sectors.
    """
    windows = (".\\" + name).encode("utf-16-le")
    texts = [
        (LOCATOR_MACX, b"file://./" + name.encode()),
        (LOCATOR_W2KU, windows),
        (LOCATOR_W2RU, windows)]
    locators = []
    area = b""
    for index, (code, text) in enumerate(texts):
        locators.append(Locator(code, 512, len(text), offset + 512 * index))
        area += text.ljust(512, b"\0")
    return locators, area


def batmap_header(offset: int, sectors: int, batmap_sum: int) -> bytes:
    """Return the sector before a batmap; ``batmap_sum``: the sum of the batmap's bytes."""
    return _BATMAP.pack(
        b"tdbatmap", offset, sectors, _BATMAP_VERSION, ~batmap_sum & 0xFFFFFFFF, 0)


def now() -> int:
    """Return the current VHD time."""
    return timestamp(time.time())
