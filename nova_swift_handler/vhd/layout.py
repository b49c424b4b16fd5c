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

"""Lay out the VHD streams that this package writes.

They have the shape of XAPI's own exports (xen-api, vhd_format/f.ml): footer copy, header, room
for parent locators, BAT, then each block as bitmap and data without padding, and the footer
again.  So the length is known before the first block is read.  The head's length depends on
nothing but the number of blocks that the disk has and on whether there is a parent.
"""

from __future__ import annotations

import array
import dataclasses
import struct
from typing import Iterable, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants, locator
from nova_swift_handler.vhd.bat import Bat
from nova_swift_handler.vhd.footer import Footer
from nova_swift_handler.vhd.header import Header, check_block_size

FULL_BITMAP = b"\xff" * constants.BITMAP_SIZE
"""The bitmap of a 2 MiB block all of whose sectors are present."""

_ENTRY = struct.Struct(">I")
_LOCATORS_AT = constants.HEADER_OFFSET + constants.HEADER_SIZE
_LOCATORS = ((locator.W2RU, 512), (locator.MACX, 2048))
"""A differencing VHD's locators and the bytes kept for each, in front of the BAT."""

DIFFERENCING_TABLE_OFFSET = _LOCATORS_AT + sum(space for _platform, space in _LOCATORS)
"""Where this package puts the BAT of a differencing VHD, bytes from the start of the file."""


def block_count(virtual_size: int, block_size: int = constants.BLOCK_SIZE) -> int:
    """Return how many blocks a disk of *virtual_size* bytes has."""
    return -(-virtual_size // block_size)


@dataclasses.dataclass(frozen=True)
class Parent:
    """What a differencing VHD says of its parent.

    :ivar unique_id: the 16 bytes of the parent's footer.
    :ivar name: its path with slashes, relative to the child's, such as ``../1/delta.vhd``.
        Readers differ in where they look for it: the header's name has it as it is (the vhd-lib
        of Xen Orchestra finds no name with backslashes), a locator as Windows has it, another as
        a URL.
    """

    unique_id: bytes
    name: str


class Layout:
    """A VHD that holds the blocks *order*, in that order.

    :param virtual_size: bytes of the disk.
    :param order: numbers of the blocks, each once.
    :param unique_id: 16 bytes that children may name as their parent.
    :param block_size: bytes of disk data in a block.
    :param parent: whom a differencing VHD differs from; None for a whole disk.
    :raises VhdError: it cannot be: a block that the disk does not have or that is there twice,
        a place that no BAT can name, a parent's name that is too long.

    :ivar head: the bytes in front of the first block.
    :ivar footer: the 512 bytes behind the last block.
    :ivar length: bytes of the whole VHD.
    :ivar header: what the head says of blocks and parent.
    :ivar count: how many blocks the VHD holds.
    """

    head: bytes
    footer: bytes
    length: int
    header: Header
    count: int

    def __init__(self, virtual_size: int, order: Iterable[int], unique_id: bytes,
                 block_size: int = constants.BLOCK_SIZE,
                 parent: Optional[Parent] = None) -> None:
        check_block_size(block_size)
        stride = Header(0, block_size=block_size).stride
        places = ((number, at * stride) for at, number in enumerate(order))
        self._lay_out(virtual_size, places, None, unique_id, block_size, parent)

    @classmethod
    def placed(cls, virtual_size: int, places: Iterable[Tuple[int, int]], data_length: int,
               unique_id: bytes, block_size: int = constants.BLOCK_SIZE,
               parent: Optional[Parent] = None) -> Layout:
        """Return the layout of a VHD whose blocks lie where they happen to.

        :param places: (number of the block, bytes from the head's end to its bitmap), in any
            order; between the blocks may be room that no one uses.
        :param data_length: bytes between head and footer.
        :raises VhdError: see the class; or two blocks overlap, or one lies beyond *data_length*,
            or a place is no multiple of 512.
        """
        check_block_size(block_size)
        layout = cls.__new__(cls)
        layout._lay_out(virtual_size, places, data_length, unique_id, block_size, parent)
        return layout

    def place(self, number: int) -> Optional[int]:
        """Return where block *number* goes, bytes from the VHD's start to its bitmap.

        None if the VHD has no such block.
        """
        if not 0 <= number < self.header.entries:
            return None
        sector, = _ENTRY.unpack_from(self.head, self.header.table_offset + number * _ENTRY.size)
        return None if sector == constants.UNUSED else int(sector) * constants.SECTOR

    def _lay_out(self, virtual_size: int, places: Iterable[Tuple[int, int]],
                 data_length: Optional[int], unique_id: bytes, block_size: int,
                 parent: Optional[Parent]) -> None:
        for each in (unique_id, parent.unique_id if parent is not None else unique_id):
            if len(each) != len(constants.NULL_UUID):
                raise exceptions.VhdError(
                    "a VHD's unique id has 16 bytes, not the %d of %r" % (len(each), each))
        entries = block_count(virtual_size, block_size)
        header, room = _header_of(entries, block_size, parent)
        kind = constants.TYPE_DYNAMIC if parent is None else constants.TYPE_DIFFERENCING
        self.header = header
        self.footer = Footer(virtual_size, kind, unique_id).pack()
        head_length = header.table_offset + header.table_size
        offsets = array.array("I", [constants.UNUSED]) * entries
        self.count = 0
        end = 0
        ascending = True
        for number, at in places:
            if not 0 <= number < entries:
                raise exceptions.VhdError(
                    "block %d cannot be laid out: the disk of %d bytes has %d"
                    % (number, virtual_size, entries))
            if offsets[number] != constants.UNUSED:
                raise exceptions.VhdError("block %d cannot be laid out twice" % number)
            sector, rest = divmod(head_length + at, constants.SECTOR)
            if rest or at < 0 or sector >= constants.UNUSED:
                raise exceptions.VhdError(
                    "block %d cannot be laid out at byte %d: a BAT counts whole sectors, up to "
                    "2 TiB" % (number, head_length + at))
            offsets[number] = sector
            self.count += 1
            ascending = ascending and at >= end
            end = max(end, at + header.stride)
        bat = Bat(offsets)
        if not ascending:
            _check_apart(bat, header.stride)
        if data_length is None:
            data_length = end
        if end > data_length or data_length % constants.SECTOR:
            raise exceptions.VhdError(
                "blocks that end at byte %d cannot be laid out in %d bytes"
                % (end, data_length))
        self.head = self.footer + header.pack() + room + bat.pack()
        self.length = len(self.head) + data_length + len(self.footer)


def _header_of(entries: int, block_size: int, parent: Optional[Parent]) -> Tuple[Header, bytes]:
    """Return the header, and what is between it and the BAT."""
    if parent is None:
        return (Header(entries, block_size=block_size),
                bytes(constants.TABLE_OFFSET - _LOCATORS_AT))
    room = b""
    locators = []
    for platform, space in _LOCATORS:
        path = locator.encode(platform, parent.name)
        if len(path) > space:
            raise exceptions.VhdError(
                "the VHD has room for %d bytes of its parent's path for platform %s; %r needs %d"
                % (space, platform.decode("ascii"), parent.name, len(path)))
        locators.append(locator.Locator(platform, space, len(path), _LOCATORS_AT + len(room)))
        room += path.ljust(space, b"\0")
    return Header(entries, DIFFERENCING_TABLE_OFFSET, block_size, parent.unique_id,
                  parent_name=parent.name, locators=tuple(locators)), room


def _check_apart(bat: Bat, stride: int) -> None:
    before = 0
    for number in bat.physical_order():
        start = bat[number] * constants.SECTOR
        if start < before:
            raise exceptions.VhdError(
                "block %d cannot be laid out at byte %d, inside another" % (number, start))
        before = start + stride
