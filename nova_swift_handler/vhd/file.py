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

import heapq
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import bitmap as sector_bitmap
from nova_swift_handler.vhd import constants, structure
from nova_swift_handler.vhd.bat import Bat
from nova_swift_handler.vhd.footer import COOKIE, Footer
from nova_swift_handler.vhd.header import Header
from nova_swift_handler.vhd.locator import Collector
from nova_swift_handler.vhd.reader import fill, read_exactly


class Extent(NamedTuple):
    """A piece of the disk that the file either holds or not.

    :ivar start: its first byte, from the start of the disk.
    :ivar end: the byte behind its last.
    :ivar place: where the file has it, bytes from the file's start; None if it does not.
    """

    start: int
    end: int
    place: Optional[int]


class VhdFile:
    """A fixed, dynamic or differencing VHD, read by position.

    Takes 4 bytes for each block of the disk (4 MiB for 2040 GiB).

    :param file: open for reading in binary mode; not closed here.
    :raises VhdError: it is no VHD, or one whose parts contradict each other.

    :ivar footer: the last footer, equal to the first where there are two.
    :ivar header: None if the disk is fixed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, 2)
        if self._length < constants.FOOTER_SIZE:
            raise exceptions.VhdTruncated(
                "the file has %d bytes, less than a VHD's footer" % self._length)
        end = self._length - constants.FOOTER_SIZE
        if (self._part(0, len(COOKIE), "its first footer") == COOKIE
                and self._part(end, len(COOKIE), "its last footer") != COOKIE):
            raise exceptions.VhdTruncated(
                "the file begins as a VHD does, and does not end with a footer: it is cut off, or "
                "something was appended to it; fetch it again")
        self.footer = self._footer(end, "its last footer")
        self.header: Optional[Header] = None
        self._bat = Bat(())
        if self.footer.disk_type != constants.TYPE_FIXED:
            self.header = self._open_blocks()
        elif self._length != self.footer.virtual_size + constants.FOOTER_SIZE:
            raise exceptions.VhdTruncated(
                "the fixed VHD has %d bytes; its disk of %d bytes and footer need %d"
                % (self._length, self.footer.virtual_size,
                   self.footer.virtual_size + constants.FOOTER_SIZE))

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk."""
        return self.footer.virtual_size

    @property
    def differencing(self) -> bool:
        """Whether the VHD says what differs from a parent rather than a whole disk."""
        return self.footer.disk_type == constants.TYPE_DIFFERENCING

    def parent_paths(self) -> Dict[bytes, str]:
        """Return the parent's path, with slashes, for each platform that the VHD has one for.

        :raises VhdError: one is no path of its platform, or lies beyond the file's end.
        """
        locators = self.header.locators if self.header is not None else ()
        found = Collector(locators)
        for locator in sorted(locators, key=lambda each: each.offset):
            found.see(locator.offset, self._part(locator.offset, locator.length,
                                                 "its parent's path"))
        return found.paths()

    def held(self, size: int) -> Iterator[int]:
        """Give, ascending, the numbers of the pieces of *size* bytes that the file has part of.

        A fixed disk has part of all.
        """
        if self.header is None:
            return iter(range(-(-self.virtual_size // size)))
        return self._bat.pieces(self.header.block_size, size, self.virtual_size)

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """Yield, ascending, what the file has of the disk from byte *start* up to *end*.

        Exact to the sector bitmap.  Nothing is said of what lies beyond the disk's end.

        :raises VhdTruncated: the file has become shorter since it was opened.
        """
        end = min(end, self.virtual_size)
        if self.header is None:
            if start < end:
                yield Extent(start, end, start)
            return
        own = self.header.block_size
        while start < end:
            block = start // own
            stop = min(end, (block + 1) * own)
            if self._bat[block] == constants.UNUSED:
                yield Extent(start, stop, None)
            else:
                yield from self._in_block(self.header, block, start, stop)
            start = stop

    def load(self, place: int, view: memoryview) -> None:
        """Fill *view* with what the file has from byte *place* on.

        :raises VhdTruncated: the file has become shorter since it was opened.
        """
        self._file.seek(place)
        count = fill(self._file, view)
        if count < len(view):
            raise exceptions.VhdTruncated(
                "the VHD ends at byte %d, inside its blocks: it has changed while it was read"
                % (place + count))

    def read(self, offset: int, size: int) -> bytearray:
        """Return *size* bytes of the disk from *offset*; what is not held or beyond is zero.

        :raises VhdTruncated: the file has become shorter since it was opened.
        """
        return overlay([self], offset, size)

    def _in_block(self, header: Header, block: int, start: int, end: int) -> Iterator[Extent]:
        at = self._bat[block] * constants.SECTOR
        data_at = at + header.bitmap_size - block * header.block_size
        self._file.seek(at)
        bitmap = bytes(read_exactly(self._file, header.bitmap_size, "block %d" % block))
        # Whole bytes of the bitmap, as few as will do; in them the disk begins at sector *first*.
        first = block * header.block_size // constants.SECTOR
        skipped = (start // constants.SECTOR - first) // 8
        first += skipped * 8
        sectors = -(-end // constants.SECTOR) - first
        for run, length, present in sector_bitmap.runs(bitmap[skipped:], sectors):
            run_start = max(start, (first + run) * constants.SECTOR)
            run_end = min(end, (first + run + length) * constants.SECTOR)
            if run_start < run_end:
                yield Extent(run_start, run_end, data_at + run_start if present else None)

    def _open_blocks(self) -> Header:
        """Read the header and the BAT; check that all parts of the file agree."""
        if self._footer(0, "its first footer") != self.footer:
            raise exceptions.VhdError("the VHD's last footer differs from its first")
        at = self.footer.data_offset
        header = Header.parse(bytes(self._part(at, constants.HEADER_SIZE, "its header")))
        structure.check_entries(self.footer, header)
        self._bat = Bat.parse(bytes(self._part(
            header.table_offset, header.entries * 4, "its BAT")), header.entries)
        structure.check_places(self.footer, header, self._bat, sorted((
            (0, constants.FOOTER_SIZE, "its first footer"),
            (at, at + constants.HEADER_SIZE, "its header"),
            (header.table_offset, header.table_offset + header.entries * 4, "its BAT"),
        )), self._length)
        return header

    def _footer(self, offset: int, what: str) -> Footer:
        return Footer.parse(bytes(self._part(offset, constants.FOOTER_SIZE, what)))

    def _part(self, offset: int, size: int, what: str) -> bytearray:
        if offset + size > self._length:
            raise exceptions.VhdTruncated(
                "the VHD ends inside %s: %d of %d bytes are there"
                % (what, max(0, self._length - offset), size))
        self._file.seek(offset)
        return read_exactly(self._file, size, what)


def overlay(files: Sequence[VhdFile], offset: int, size: int) -> bytearray:
    """Return *size* bytes from *offset* of the disk that *files* make, the first on top.

    What none of them holds is zero.

    :raises VhdTruncated: a file has become shorter since it was opened.
    """
    result = bytearray(size)
    missing: List[Tuple[int, int]] = [(offset, offset + size)]
    with memoryview(result) as view:
        for file in files:
            below: List[Tuple[int, int]] = []
            for first, last in missing:
                for start, end, place in file.extents(first, last):
                    if place is not None:
                        with view[start - offset:end - offset] as part:
                            file.load(place, part)
                    elif below and below[-1][1] == start:
                        below[-1] = (below[-1][0], end)
                    else:
                        below.append((start, end))
            missing = below
    return result


def held(files: Sequence[VhdFile], size: int) -> Iterator[int]:
    """Yield, ascending, the numbers of the pieces of *size* bytes that any of *files* has."""
    before = -1
    for number in heapq.merge(*(file.held(size) for file in files)):
        if number != before:
            yield number
        before = number
