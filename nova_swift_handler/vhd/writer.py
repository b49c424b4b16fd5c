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

"""Write dynamic and differencing VHDs, to streams and to files."""

from __future__ import annotations

import array
from typing import BinaryIO, Iterable, Iterator, Optional, Union

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import bitmap as sector_bitmap
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import Layout, Parent
from nova_swift_handler.vhd.reader import Block, read_exactly

_GAP = 1024 * 1024


def stream(layout: Layout, blocks: Iterable[Block]) -> Iterator[Union[bytes, bytearray]]:
    """Yield the bytes of a VHD from its first to its last.

    Sectors that a bitmap says are not present are zeroed: there are readers that look at no
    bitmap.

    :param blocks: all that *layout* has, in the order it has them.
    :raises VhdError: they are others, come in another order, or are of another size.
    """
    yield layout.head
    position = len(layout.head)
    data_end = layout.length - len(layout.footer)
    header = layout.header
    count = 0
    for block in blocks:
        place = layout.place(block.number)
        if place is None or place < position:
            raise exceptions.VhdError(
                "block %d was to be written at byte %d, but the VHD's layout has it %s"
                % (block.number, position, "not at all" if place is None else "at %d" % place))
        if len(block.bitmap) != header.bitmap_size or len(block.data) != header.block_size:
            raise exceptions.VhdError(
                "block %d was to be written with a bitmap of %d bytes and %d bytes of data, but "
                "the VHD's have %d and %d" % (
                    block.number, len(block.bitmap), len(block.data), header.bitmap_size,
                    header.block_size))
        yield from _zeros(place - position)
        yield block.bitmap
        yield block.normalised()
        position = place + header.stride
        count += 1
    if count != layout.count:
        raise exceptions.VhdError(
            "%d blocks were to be written, but the VHD's layout has %d" % (count, layout.count))
    yield from _zeros(data_end - position)
    yield layout.footer


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield bytes(min(size, _GAP))
        size -= _GAP


class FileWriter:
    """Writes a VHD sector by sector, in any order, to a file that can seek.

    Blocks lie in the file in the order in which they were first written to.  It is no VHD before
    :meth:`finish` has been called.  Takes 4 bytes for each block of the disk.

    :param file: open for reading and writing in binary mode; what it has is lost; not closed
        here.
    :param virtual_size: bytes of the disk.
    :param unique_id: 16 bytes that children may name as their parent.
    :param block_size: bytes of disk data in a block.
    :param parent: whom a differencing VHD differs from; None for a whole disk.  What is never
        written is as the parent has it, or zero.
    :raises VhdError: no VHD can be so.
    """

    def __init__(self, file: BinaryIO, virtual_size: int, unique_id: bytes,
                 block_size: int = constants.BLOCK_SIZE,
                 parent: Optional[Parent] = None) -> None:
        empty = Layout(virtual_size, (), unique_id, block_size, parent)
        self._file = file
        self._virtual_size = virtual_size
        self._unique_id = unique_id
        self._parent = parent
        self._header = empty.header
        self._head_length = len(empty.head)
        # For each block how many lie before it.
        self._slots = array.array("I", [constants.UNUSED]) * self._header.entries
        self._used = 0
        file.seek(0)
        file.truncate()

    def write(self, offset: int, data: Union[bytes, bytearray, memoryview]) -> None:
        """Write *data* to the disk from byte *offset* on; those sectors are then present.

        :param data: whole sectors; zeros are written like all else.
        :raises VhdError: it is not of whole sectors, or not within the disk.
        """
        end = offset + len(data)
        if offset % constants.SECTOR or end % constants.SECTOR:
            raise exceptions.VhdError(
                "%d bytes cannot be written to a VHD at byte %d: it has whole sectors of %d"
                % (len(data), offset, constants.SECTOR))
        if not 0 <= offset <= end <= self._virtual_size:
            raise exceptions.VhdError(
                "%d bytes cannot be written to a VHD at byte %d: its disk has %d"
                % (len(data), offset, self._virtual_size))
        own = self._header.block_size
        with memoryview(data) as view:
            position = offset
            while position < end:
                block, within = divmod(position, own)
                count = min(own - within, end - position)
                with view[position - offset:position - offset + count] as part:
                    self._write_part(block, within, part)
                position += count

    def finish(self) -> None:
        """Write what makes the file a VHD: head and footer.

        More may be written after it, but then it must be called again.

        :raises VhdError: the blocks are so many that a BAT cannot address them.
        """
        stride = self._header.stride
        layout = Layout.placed(
            self._virtual_size,
            ((block, slot * stride) for block, slot in enumerate(self._slots)
             if slot != constants.UNUSED),
            self._used * stride, self._unique_id, self._header.block_size, self._parent)
        self._file.seek(layout.length - len(layout.footer))
        self._file.write(layout.footer)
        self._file.seek(0)
        self._file.write(layout.head)
        self._file.flush()

    def _write_part(self, block: int, within: int, data: memoryview) -> None:
        place = self._place(block)
        self._file.seek(place)
        bits = read_exactly(self._file, self._header.bitmap_size, "a bitmap just written")
        sector_bitmap.mark(bits, within // constants.SECTOR, len(data) // constants.SECTOR)
        self._file.seek(place)
        self._file.write(bits)
        self._file.seek(place + len(bits) + within)
        self._file.write(data)

    def _place(self, block: int) -> int:
        """Return where *block* is in the file, putting it at the end if it is new."""
        stride = self._header.stride
        if self._slots[block] == constants.UNUSED:
            self._slots[block] = self._used
            self._used += 1
            # A footer may have been where the bitmap is now.
            self._file.seek(self._head_length + self._slots[block] * stride)
            self._file.write(bytes(self._header.bitmap_size))
            # A hole where the file system knows them; zeros in any case.
            self._file.seek(self._head_length + self._used * stride - 1)
            self._file.write(b"\0")
        return self._head_length + self._slots[block] * stride
