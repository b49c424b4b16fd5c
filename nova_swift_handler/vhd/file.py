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

"""Read any place of a VHD that lies in a file that can seek."""

from __future__ import annotations

from typing import BinaryIO, Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import bitmap as sector_bitmap
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.footer import Footer
from nova_swift_handler.vhd.reader import StreamReader, read_exactly


class VhdFile:
    """A fixed, dynamic or differencing VHD, read by position.

    :param file: open for reading in binary mode; not closed here.
    :raises VhdError: it is no VHD, or one whose parts contradict each other.

    :ivar footer: the last footer, equal to the first where there are two.
    :ivar head: the reader of what is in front of the blocks; None if the disk is fixed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        length = file.seek(0, 2)
        if length < constants.FOOTER_SIZE:
            raise exceptions.VhdTruncated(
                "the file has %d bytes, less than a VHD's footer" % length)
        file.seek(length - constants.FOOTER_SIZE)
        self.footer = Footer.parse(bytes(
            read_exactly(file, constants.FOOTER_SIZE, "its last footer")))
        self.head: Optional[StreamReader] = None
        if self.footer.disk_type == constants.TYPE_FIXED:
            if length != self.footer.virtual_size + constants.FOOTER_SIZE:
                raise exceptions.VhdTruncated(
                    "the fixed VHD has %d bytes; its disk of %d bytes and footer need %d"
                    % (length, self.footer.virtual_size,
                       self.footer.virtual_size + constants.FOOTER_SIZE))
            return
        file.seek(0)
        self.head = StreamReader(file, length)
        if self.head.footer != self.footer:
            raise exceptions.VhdError("the VHD's last footer differs from its first")

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk."""
        return self.footer.virtual_size

    def held(self, size: int) -> Iterator[int]:
        """Yield, ascending, the numbers of the pieces of *size* bytes that the file has part of.

        A fixed disk has part of all.
        """
        if self.head is None:
            yield from range(-(-self.virtual_size // size))
            return
        own = self.head.header.block_size
        before = -1
        for block in self.head.bat.allocated():
            last = (block * own + own - 1) // size
            for number in range(max(block * own // size, before + 1), last + 1):
                if number * size < self.virtual_size:
                    yield number
            before = max(before, last)

    def read(self, offset: int, size: int) -> bytearray:
        """Return *size* bytes of the disk from *offset*; what is not held or beyond is zero."""
        result = bytearray(size)
        end = min(offset + size, self.virtual_size)
        if self.head is None:
            self._file.seek(offset)
            count = max(0, end - offset)
            result[:count] = read_exactly(self._file, count, "the fixed disk")
            return result
        own = self.head.header.block_size
        position = offset
        while position < end:
            block, within = divmod(position, own)
            count = min(own - within, end - position)
            if self.head.bat[block] != constants.UNUSED:
                data = self._block(block)
                result[position - offset:position - offset + count] = data[within:within + count]
            position += count
        return result

    def _block(self, block: int) -> bytearray:
        assert self.head is not None
        header = self.head.header
        self._file.seek(self.head.bat[block] * constants.SECTOR)
        what = "block %d" % block
        bitmap = bytes(read_exactly(self._file, header.bitmap_size, what))
        data = read_exactly(self._file, header.block_size, what)
        if not sector_bitmap.is_full(bitmap, header.block_size // constants.SECTOR):
            sector_bitmap.blank_absent(bitmap, data)
        return data
