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

"""Read a VHD from a stream that cannot seek, checking all of it on the way."""

from __future__ import annotations

from typing import Any, Dict, Iterator, NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import bitmap as sector_bitmap
from nova_swift_handler.vhd import constants, structure
from nova_swift_handler.vhd.bat import Bat
from nova_swift_handler.vhd.footer import Footer
from nova_swift_handler.vhd.header import Header
from nova_swift_handler.vhd.locator import Collector

_SKIP = 1024 * 1024
_STEP = constants.BLOCK_SIZE


class Block(NamedTuple):
    """A block as it stands in the file.

    :ivar number: which block of the disk it is.
    :ivar bitmap: its sector bitmap, without padding beyond the last whole sector.
    :ivar data: ``block_size`` bytes; what absent sectors hold means nothing.
    """

    number: int
    bitmap: bytes
    data: bytearray

    def normalised(self) -> bytearray:
        """Return the data with absent sectors zeroed (in place)."""
        if not sector_bitmap.is_full(self.bitmap, len(self.data) // constants.SECTOR):
            sector_bitmap.blank_absent(self.bitmap, self.data)
        return self.data


def read_exactly(stream: Any, size: int, what: str) -> bytearray:
    """Read *size* bytes from *stream*, which has ``readinto`` or ``read``.

    :raises VhdTruncated: the stream ended before; *what* names the part in the message.
    """
    # A damaged VHD may claim any size, so memory is taken only as its bytes come.
    data = bytearray(min(size, _STEP))
    done = _fill_from(stream, data, 0)
    while done == len(data) < size:
        data.extend(bytes(min(size - done, _STEP)))
        done = _fill_from(stream, data, done)
    if done < size:
        raise exceptions.VhdTruncated(
            "the VHD ends inside %s: %d of %d bytes are there" % (what, done, size))
    return data


def fill(stream: Any, view: memoryview) -> int:
    """Read into *view* until it is full or *stream* ends; return how many bytes were read."""
    readinto = getattr(stream, "readinto", None)
    done = 0
    while done < len(view):
        if readinto is not None:
            with view[done:] as rest:
                count = readinto(rest)
        else:
            piece = stream.read(len(view) - done)
            count = len(piece)
            view[done:done + count] = piece
        if not count:
            break
        done += count
    return done


def _fill_from(stream: Any, data: bytearray, done: int) -> int:
    with memoryview(data) as view, view[done:] as rest:
        return done + fill(stream, rest)


class StreamReader:
    """Reads a dynamic or differencing VHD front to back.

    The constructor reads footer copy, header and BAT, and checks that they can be believed; then
    :meth:`blocks` may be called once.

    :param stream: object with ``readinto(buffer)`` or ``read(n)``.
    :param length: bytes of the whole VHD where known; every BAT entry must lie within it.
    :raises VhdError: it is no VHD that can be read so; fixed disks have no block list.

    :ivar order: array of the numbers of the blocks the file holds, in the order they lie in it.
    :ivar end: bytes from the start of the file to the end of the last block.
    """

    def __init__(self, stream: Any, length: Optional[int] = None) -> None:
        self._stream = stream
        self._length = length
        self._position = 0
        self._parent = Collector(())
        self.footer = Footer.parse(bytes(self._read(constants.FOOTER_SIZE, "its first footer")))
        if self.footer.disk_type == constants.TYPE_FIXED:
            raise exceptions.VhdError(
                "the VHD is of fixed size and cannot be read as a stream of blocks; convert it "
                "to a dynamic one")
        self._skip_to(self.footer.data_offset, "its header")
        self.header = Header.parse(bytes(self._read(constants.HEADER_SIZE, "its header")))
        structure.check_entries(self.footer, self.header)
        self._parent = Collector(self.header.locators)
        self._skip_to(self.header.table_offset, "its BAT")
        table = self._read(self.header.table_size, "its BAT")
        self.bat = Bat.parse(bytes(table), self.header.entries)
        self.order = structure.check_places(
            self.footer, self.header, self.bat, [(0, self._position, "its head")], length)
        self.end = self._position if not self.order else (
            self.bat[self.order[-1]] * constants.SECTOR + self.header.stride)

    @property
    def differencing(self) -> bool:
        """Whether the VHD says what differs from a parent rather than a whole disk."""
        return self.footer.disk_type == constants.TYPE_DIFFERENCING

    def held(self, size: int) -> Iterator[int]:
        """Give, ascending, the numbers of the pieces of *size* bytes that the file has part of."""
        return self.bat.pieces(self.header.block_size, size, self.footer.virtual_size)

    def parent_paths(self) -> Dict[bytes, str]:
        """Return the parent's path, with slashes, for each platform that the VHD has one for.

        Those are left out that do not lie between its parts, or lie behind what has been read.

        :raises VhdError: one is no path of its platform.
        """
        return self._parent.paths()

    def blocks(self, compact: bool = False) -> Iterator[Block]:
        """Yield each block in the order of :attr:`order`, then check the last footer.

        :param compact: the footer follows the last block at once and nothing is read beyond it,
            as suits a stream whose end is for others to judge.  Else it is the file's last
            sector, wherever that is: tapdisk leaves room in front of it.
        :raises VhdTruncated: the stream ends before the last footer does.
        :raises VhdError: the last footer is not the first one's equal, or bytes follow it.
        """
        for number in self.order:
            self._skip_to(self.bat[number] * constants.SECTOR, "block %d" % number)
            what = "block %d" % number
            bitmap = bytes(self._read(self.header.bitmap_size, what))
            yield Block(number, bitmap, self._read(self.header.block_size, what))
        last = (self._read(constants.FOOTER_SIZE, "its last footer") if compact
                else self._read_to_end())
        if Footer.parse(bytes(last)) != self.footer:
            raise exceptions.VhdError(
                "the VHD's last footer differs from its first: it was changed while it was read, "
                "or is damaged")

    def _read_to_end(self) -> bytes:
        last = b""
        piece = bytearray(_SKIP)
        count = len(piece)
        while count == len(piece):
            count = _fill_from(self._stream, piece, 0)
            self._position += count
            last = (last + bytes(piece[:count]))[-constants.FOOTER_SIZE:]
        if self._length is not None and self._position != self._length:
            raise exceptions.VhdTruncated(
                "the VHD has %d bytes where %d were announced" % (self._position, self._length))
        return last

    def _read(self, size: int, what: str) -> bytearray:
        if self._length is not None and size > self._length - self._position:
            raise exceptions.VhdTruncated(
                "the VHD ends inside %s: %d of %d bytes are there"
                % (what, self._length - self._position, size))
        data = read_exactly(self._stream, size, what)
        self._position += size
        return data

    def _skip_to(self, offset: int, what: str) -> None:
        if offset < self._position:
            raise exceptions.VhdError(
                "the VHD has %s at byte %d, in front of what must come before it" % (what, offset))
        if self._length is not None and offset > self._length:
            raise exceptions.VhdError(
                "the VHD has %s at byte %d, beyond its end at %d" % (what, offset, self._length))
        while self._position < offset:
            start = self._position
            self._parent.see(start, self._read(min(_SKIP, offset - start), what))
