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

They have the shape of XAPI's own exports (xen-api, vhd_format/f.ml): footer copy, header, one
sector kept for a parent locator, BAT, then each block as bitmap and data without padding, and
the footer again.  So the length is known before the first block is read.
"""

from __future__ import annotations

import array
from typing import Iterable

from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.bat import Bat
from nova_swift_handler.vhd.footer import Footer
from nova_swift_handler.vhd.header import Header

FULL_BITMAP = b"\xff" * constants.BITMAP_SIZE
"""The bitmap of a 2 MiB block all of whose sectors are present."""


def block_count(virtual_size: int, block_size: int = constants.BLOCK_SIZE) -> int:
    """Return how many blocks a disk of *virtual_size* bytes has."""
    return -(-virtual_size // block_size)


class Layout:
    """A VHD that holds the blocks *order*, in that order.

    :param virtual_size: bytes of the disk.
    :param order: numbers of the blocks.
    :param unique_id: 16 bytes that children may name as their parent.
    :param block_size: bytes of disk data in a block.

    :ivar head: the bytes in front of the first block.
    :ivar footer: the 512 bytes behind the last block.
    :ivar length: bytes of the whole VHD.
    """

    def __init__(self, virtual_size: int, order: Iterable[int], unique_id: bytes,
                 block_size: int = constants.BLOCK_SIZE) -> None:
        header = Header(block_count(virtual_size, block_size), block_size=block_size)
        stride = (header.bitmap_size + block_size) // constants.SECTOR
        first = (constants.TABLE_OFFSET + header.table_size) // constants.SECTOR
        offsets = array.array("I", [constants.UNUSED]) * header.entries
        count = 0
        for number in order:
            offsets[number] = first + count * stride
            count += 1
        self.footer = Footer(virtual_size, constants.TYPE_DYNAMIC, unique_id).pack()
        gap = bytes(constants.TABLE_OFFSET - constants.HEADER_OFFSET - constants.HEADER_SIZE)
        self.head = self.footer + header.pack() + gap + Bat(offsets).pack()
        self.length = len(self.head) + count * stride * constants.SECTOR + len(self.footer)
