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

"""The block allocation table: where in the file each block of the disk is."""

from __future__ import annotations

import array
import sys
from typing import Iterator, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants


class Bat:
    """A table of one 32-bit sector number a block.

    :param offsets: for each block the sector of the file at which its bitmap begins, or
        ``constants.UNUSED``.
    """

    def __init__(self, offsets: Sequence[int]) -> None:
        self._offsets = array.array("I", offsets)

    @classmethod
    def parse(cls, data: bytes, entries: int) -> Bat:
        """Return the table of *entries* blocks in *data*.

        :raises VhdTruncated: *data* is shorter than the table.
        """
        if len(data) < entries * 4:
            raise exceptions.VhdTruncated(
                "the VHD ends inside its BAT: %d of %d bytes are there"
                % (len(data), entries * 4))
        bat = cls(())
        bat._offsets.frombytes(data[:entries * 4])
        if sys.byteorder == "little":
            bat._offsets.byteswap()
        return bat

    def pack(self) -> bytes:
        """Return the table's bytes, padded to whole sectors with entries of no block."""
        offsets = array.array("I", self._offsets)
        if sys.byteorder == "little":
            offsets.byteswap()
        data = offsets.tobytes()
        return data + b"\xff" * (-len(data) % constants.SECTOR)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, block: int) -> int:
        return self._offsets[block]

    def allocated(self) -> Iterator[int]:
        """Yield the numbers of the blocks that the file holds, ascending."""
        return (block for block, sector in enumerate(self._offsets)
                if sector != constants.UNUSED)

    def pieces(self, block_size: int, size: int, end: int) -> Iterator[int]:
        """Yield, ascending, the numbers of the pieces of *size* bytes that a block has part of.

        :param block_size: bytes of a block.
        :param end: bytes of the disk; pieces beyond it are left out.
        """
        before = -1
        for block in self.allocated():
            last = (block * block_size + block_size - 1) // size
            for number in range(max(block * block_size // size, before + 1), last + 1):
                if number * size < end:
                    yield number
            before = max(before, last)

    def ascending(self) -> bool:
        """Tell whether the blocks lie in the file in the order of their numbers."""
        before = -1
        for block in self.allocated():
            if self._offsets[block] <= before:
                return False
            before = self._offsets[block]
        return True

    def physical_order(self) -> array.array[int]:
        """Return the numbers of the blocks that the file holds in the order they lie in it.

        Four bytes a block, and five times as much for a moment if they are not ascending.
        """
        if self.ascending():
            return array.array("I", self.allocated())
        placed = sorted(self._offsets[block] << 32 | block for block in self.allocated())
        return array.array("I", (each & 0xFFFFFFFF for each in placed))
