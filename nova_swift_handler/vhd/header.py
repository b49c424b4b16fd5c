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

"""The dynamic header: 1024 bytes that say where the blocks are and who the parent is."""

from __future__ import annotations

import dataclasses
import struct
from typing import Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants, fields
from nova_swift_handler.vhd.locator import Locator, parse_entries

COOKIE = b"cxsparse"
_LAYOUT = struct.Struct(">8sQQIIII16sII512s192s256x")
_CHECKSUM_AT = 36
_FORMAT_VERSION = 0x00010000
_MAX_BLOCK_SIZE = 16 * 1024 * 1024
"""Blocks pass through memory whole; none but 2 MiB and 512 KiB are known to be in use."""

_MAX_ENTRIES = 8 * 1024 * 1024

_NAME_SIZE = 512
_LOCATORS = 8


def check_block_size(block_size: int) -> None:
    """Refuse a block size that a VHD cannot have, or that is too large for memory.

    :raises VhdError: it is one.
    """
    if (block_size < constants.SECTOR * 8 or block_size > _MAX_BLOCK_SIZE
            or block_size & (block_size - 1)):
        raise exceptions.VhdError(
            "the VHD's blocks are said to have %d bytes; a power of two from 4 KiB to "
            "16 MiB can be handled" % block_size)


@dataclasses.dataclass(frozen=True)
class Header:
    """A parsed dynamic header.

    :ivar entries: BAT entries, one a block; the BAT may be longer than the disk.
    :ivar table_offset: where the BAT is, bytes from the start of the file.
    :ivar block_size: bytes of disk data in a block, a power of two.
    :ivar parent_unique_id: the parent's footer ``unique_id``; sixteen zero bytes if none.
    :ivar parent_name: the parent's file name as written in the child.
    :ivar locators: where the file has the parent's path for this or that platform, up to eight.
    """

    entries: int
    table_offset: int = constants.TABLE_OFFSET
    block_size: int = constants.BLOCK_SIZE
    parent_unique_id: bytes = constants.NULL_UUID
    parent_timestamp: int = 0
    parent_name: str = ""
    locators: Tuple[Locator, ...] = ()

    @property
    def bitmap_size(self) -> int:
        """Bytes of the sector bitmap in front of each block, padded to whole sectors."""
        bits = self.block_size // constants.SECTOR
        return -(-bits // (8 * constants.SECTOR)) * constants.SECTOR

    @property
    def table_size(self) -> int:
        """Bytes of the BAT, padded to whole sectors."""
        return -(-self.entries * 4 // constants.SECTOR) * constants.SECTOR

    @property
    def stride(self) -> int:
        """Bytes of a block in the file: bitmap and data."""
        return self.bitmap_size + self.block_size

    def pack(self) -> bytes:
        """Return the 1024 bytes of the header, checksum filled in.

        :raises VhdError: the parent's name does not fit, or there are too many locators.
        """
        name = self.parent_name.encode("utf-16-be", "surrogatepass")
        if len(name) > _NAME_SIZE:
            raise exceptions.VhdError(
                "a VHD has room for %d bytes of its parent's name; %r needs %d as UTF-16"
                % (_NAME_SIZE, self.parent_name, len(name)))
        if len(self.locators) > _LOCATORS:
            raise exceptions.VhdError("a VHD has room for %d parent locators, not %d"
                                      % (_LOCATORS, len(self.locators)))
        data = bytearray(_LAYOUT.pack(
            COOKIE, constants.NOT_PRESENT, self.table_offset, _FORMAT_VERSION, self.entries,
            self.block_size, 0, self.parent_unique_id, self.parent_timestamp, 0,
            name, b"".join(locator.pack() for locator in self.locators)))
        struct.pack_into(">I", data, _CHECKSUM_AT, fields.checksum(data))
        return bytes(data)

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Return the header in the 1024 bytes of *data*.

        :raises VhdError: it is no header, or its sizes are beyond what a VHD can have.
        """
        if len(data) < constants.HEADER_SIZE:
            raise exceptions.VhdTruncated(
                "the VHD ends inside its header: %d of 1024 bytes are there" % len(data))
        (cookie, _next, table_offset, version, entries, block_size, found, parent_id, parent_time,
         _reserved, name, table) = _LAYOUT.unpack(data[:constants.HEADER_SIZE])
        if cookie != COOKIE:
            raise exceptions.VhdError(
                "the VHD is damaged: its dynamic header begins with %r instead of %r"
                % (bytes(cookie), COOKIE))
        blank = bytearray(data[:constants.HEADER_SIZE])
        blank[_CHECKSUM_AT:_CHECKSUM_AT + 4] = bytes(4)
        if fields.checksum(blank) != found:
            raise exceptions.VhdError(
                "the VHD's header is damaged: its checksum is %#010x, its bytes give %#010x"
                % (found, fields.checksum(blank)))
        if version != _FORMAT_VERSION:
            raise exceptions.VhdError(
                "the VHD's header is of version %#x; only 1.0 is understood" % version)
        check_block_size(block_size)
        if entries > _MAX_ENTRIES:
            raise exceptions.VhdError(
                "the VHD's BAT is said to have %d entries; up to %d can be handled"
                % (entries, _MAX_ENTRIES))
        text = name.decode("utf-16-be", "replace").split("\0", 1)[0]
        return cls(entries, table_offset, block_size, bytes(parent_id), parent_time, text,
                   parse_entries(table))
