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

"""One VHD file as tapdisk leaves it, in a file that grows (ext) or a volume that does not (lvm).

Layout (blktap vhd/lib/libvhd.c, drivers/block-vhd.c): footer copy, header, BAT, "tdbatmap" header
and batmap, three parent locators if differencing, blocks, footer.  A block is its bitmap sector
and 2 MiB of data, placed so that the data start on 4 KiB; its bitmap has ones for the sectors
ever written.  The batmap has ones for blocks whose bitmap is all ones.  In a file the last footer
follows the data and moves as they grow; in a volume it is the volume's last sector.

A VhdFile serves any number of readers and writers; writers take turns.  Order on disk: data,
bitmap, BAT, so that a killed process leaves a readable file.
"""

from __future__ import annotations

import array
import os
import sys
import threading
from typing import Callable, Dict, List, Optional

from nova_swift_handler.sandbox.xapi.storage import bitmap, errors, files
from nova_swift_handler.sandbox.xapi.storage import structures as vhd
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, SECTOR
from nova_swift_handler.sandbox.xapi.storage.layout import (
    TABLE,
    Layout,
    Parent,
    metadata,
    parent_of,
)
from nova_swift_handler.sandbox.xapi.storage.sizes import round_up

_BITMAPS_KEPT = 4096


def _no_limit(_amount: int) -> None:
    pass


class VhdFile:
    """An open VHD file; see the module for its rules."""

    def __init__(
        self, path: str, fixed: bool, reserve: Callable[[int], None] = _no_limit
    ) -> None:
        """Open ``path``.

        ``fixed``: it is a volume.  Otherwise ``reserve(n)`` is called before the file grows by
        ``n`` bytes (negative: has shrunk) and raises StorageError when the SR is full.
        """
        self.path = path
        self._fixed = fixed
        self._reserve = reserve
        self.mutex = threading.RLock()
        self._bitmaps: Dict[int, int] = {}
        self._fd = files.open_file(path)
        try:
            self._load()
        except ValueError as exc:
            os.close(self._fd)
            raise errors.backend_failure(46, "%s: %s" % (os.path.basename(path), exc)) from exc

    def _load(self) -> None:
        self.length = os.fstat(self._fd).st_size
        self.footer = vhd.Footer.parse(files.read(self._fd, vhd.FOOTER_SIZE, 0))
        if self.footer.kind not in (vhd.DYNAMIC, vhd.DIFFERENCING):
            raise ValueError("a fixed disk")
        self.header = vhd.Header.parse(
            files.read(self._fd, vhd.HEADER_SIZE, self.footer.data_offset))
        if self.header.block_size != BLOCK:
            raise ValueError("block size")
        self.layout = Layout(self.header.entries, self.differencing)
        self._load_tables()

    def _load_tables(self) -> None:
        """Read of BAT and batmap what the disk's current size needs."""
        used = min((self.size + BLOCK - 1) // BLOCK, self.header.entries)
        self.bat = array.array("I")
        self.bat.frombytes(files.read(self._fd, 4 * used, self.header.table_offset))
        if sys.byteorder == "little":
            self.bat.byteswap()
        self._batmap: Optional[bytearray] = None
        if (self.footer.creator == vhd.TAPDISK and self.footer.creator_version >= 0x00010002
                and self.header.table_offset == TABLE):
            self._batmap = bytearray(
                files.read(self._fd, self.layout.batmap_bytes, self.layout.batmap))
            self._batmap_sum = sum(self._batmap)
        ends = [self.layout.end]
        ends += [item.offset + SECTOR for item in self.header.locators]
        ends += [entry * SECTOR + SECTOR + BLOCK for entry in self.bat if entry != vhd.UNUSED]
        self._end = max(ends)

    def close(self) -> None:
        """Close the descriptor; nobody may be using it."""
        os.close(self._fd)

    # -- what it is ---------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Virtual size."""
        return self.footer.size

    @property
    def differencing(self) -> bool:
        """Whether sectors never written come from a parent."""
        return self.footer.kind == vhd.DIFFERENCING

    @property
    def empty(self) -> bool:
        """Whether no block is allocated."""
        return not self.allocated()

    @property
    def physical_size(self) -> int:
        """Bytes up to the data's end, a footer included (vhd-util query -s)."""
        return self._end + vhd.FOOTER_SIZE

    def allocated(self) -> List[int]:
        """Indices of the blocks in the BAT."""
        return [index for index, entry in enumerate(self.bat) if entry != vhd.UNUSED]

    def written(self, block: int) -> int:
        """Return the bitmap of a block; 0 where it is not allocated or beyond the disk."""
        if block >= len(self.bat) or self.bat[block] == vhd.UNUSED:
            return 0
        if self._batmap is not None and self._batmap[block >> 3] & (0x80 >> (block & 7)):
            return bitmap.FULL
        bits = self._bitmaps.get(block)
        if bits is None:
            with self.mutex:
                bits = bitmap.decode(
                    files.read(self._fd, bitmap.BYTES, self.bat[block] * SECTOR))
                self._keep(block, bits)
        return bits

    def _keep(self, block: int, bits: int) -> None:
        if len(self._bitmaps) >= _BITMAPS_KEPT:
            self._bitmaps.clear()
        self._bitmaps[block] = bits

    # -- data ---------------------------------------------------------------------------------

    def read(self, block: int, first: int, end: int) -> bytes:
        """Return sectors ``first`` .. ``end`` - 1 of an allocated block as they are stored."""
        start = (self.bat[block] + 1 + first) * SECTOR
        return files.read(self._fd, (end - first) * SECTOR, start)

    def write(self, block: int, first: int, data: bytes) -> None:
        """Write whole sectors of a block, allocating it if need be."""
        mask = bitmap.span(first, first + len(data) // SECTOR)
        with self.mutex:
            entry = self.bat[block]
            if entry == vhd.UNUSED:
                place = self._new_place()
                files.write(self._fd, data, (place + 1 + first) * SECTOR)
                files.write(self._fd, bitmap.encode(mask), place * SECTOR)
                self._keep(block, mask)
                self._set_entry(block, place)
                bits = mask
            else:
                files.write(self._fd, data, (entry + 1 + first) * SECTOR)
                before = self.written(block)
                bits = before | mask
                if bits == before:
                    return
                files.write(self._fd, bitmap.encode(bits), entry * SECTOR)
                self._keep(block, bits)
            if bits == bitmap.FULL:
                self._mark_full(block)

    def _new_place(self) -> int:
        """Make room for a block; return the sector its bitmap goes to."""
        start = round_up(self._end + SECTOR, 4096) - SECTOR
        end = start + SECTOR + BLOCK
        self._make_room(end)
        self._end = end
        return start // SECTOR

    def _make_room(self, end: int) -> None:
        """Let the data end at ``end``: move the last footer, or fail as a full device does."""
        length = end + vhd.FOOTER_SIZE
        if self._fixed:
            if length > self.length:
                raise errors.io_error()
            return
        self._reserve(length - self.length)
        try:
            files.write(self._fd, self.footer.pack(), end)
        except errors.StorageError:
            self._reserve(self.length - length)
            raise
        self.length = length

    def _set_entry(self, block: int, place: int) -> None:
        offset = self.header.table_offset + 4 * block
        files.write(self._fd, place.to_bytes(4, "big"), offset)
        self.bat[block] = place

    def _mark_full(self, block: int) -> None:
        if self._batmap is None:
            return
        bit = 0x80 >> (block & 7)
        if self._batmap[block >> 3] & bit:
            return
        self._batmap_sum += bit
        value = self._batmap[block >> 3] | bit
        files.write(self._fd, bytes([value]), self.layout.batmap + (block >> 3))
        self._write_batmap_header()
        self._batmap[block >> 3] = value

    def _write_batmap_header(self) -> None:
        layout = self.layout
        sectors = layout.batmap_bytes // SECTOR
        files.write(
            self._fd, vhd.batmap_header(layout.batmap, sectors, self._batmap_sum),
            layout.batmap_header)

    # -- metadata -----------------------------------------------------------------------------

    def identity(self) -> Parent:
        """Return what a child records of this file."""
        return Parent(
            os.path.basename(self.path), self.footer.uuid,
            vhd.timestamp(os.fstat(self._fd).st_mtime))

    def _write_footers(self) -> None:
        data = self.footer.pack()
        files.write(self._fd, data, 0)
        files.write(self._fd, data, self.length - vhd.FOOTER_SIZE)

    def set_hidden(self, hidden: bool) -> None:
        """Mark a base copy (tapdisk's own footer field)."""
        with self.mutex:
            self.footer.hidden = int(hidden)
            self._write_footers()

    def set_parent(self, parent: Parent) -> None:
        """Hang a differencing file on another parent."""
        with self.mutex:
            self.header.parent_name = parent.name
            self.header.parent_uuid = parent.uuid
            self.header.parent_time = parent.time
            if self._batmap is not None:
                locators, area = vhd.parent_locators(parent.name, self.layout.locators)
                files.write(self._fd, area, self.layout.locators)
                self.header.locators = locators
            files.write(self._fd, self.header.pack(), self.footer.data_offset)

    def set_length(self, length: int) -> None:
        """Inflate or deflate the volume; never below ``physical_size``."""
        with self.mutex:
            if length == self.length:
                return
            if length < self.physical_size:
                raise errors.io_error()
            if length > self.length:  # the old footer lies where data may come
                files.write(self._fd, bytes(vhd.FOOTER_SIZE), self.length - vhd.FOOTER_SIZE)
            try:
                os.ftruncate(self._fd, length)
            except OSError as exc:
                raise errors.io_error() from exc
            self.length = length
            files.write(self._fd, self.footer.pack(), length - vhd.FOOTER_SIZE)

    def set_size(self, size: int) -> None:
        """Change the virtual size; a file's BAT grows if it must, pushing blocks to the end."""
        with self.mutex:
            entries = (size + BLOCK - 1) // BLOCK
            if entries > self.header.entries:
                if self._fixed or self._batmap is None:
                    raise errors.backend_failure(79, "resize operation failed")
                self._grow_tables(entries)
            self.footer.size = size
            self._write_footers()
            self._load_tables()

    def _grow_tables(self, entries: int) -> None:
        layout = Layout(entries, self.differencing)
        for block in self.allocated():
            if self.bat[block] * SECTOR < layout.end:
                data = files.read(self._fd, SECTOR + BLOCK, self.bat[block] * SECTOR)
                self._end = max(self._end, layout.end)
                place = self._new_place()
                files.write(self._fd, data, place * SECTOR)
                self._set_entry(block, place)
        if layout.end > self._end:
            self._make_room(layout.end)
            self._end = layout.end
        table = array.array("I", self.bat)
        if sys.byteorder == "little":
            table.byteswap()
        assert self._batmap is not None
        batmap = bytes(self._batmap[:(len(self.bat) + 7) // 8])
        self.header.entries = entries
        files.write(self._fd, metadata(
            layout, self.header, parent_of(self.header), table.tobytes(), batmap), TABLE)
        files.write(self._fd, self.header.pack(), self.footer.data_offset)
        self.layout = layout
