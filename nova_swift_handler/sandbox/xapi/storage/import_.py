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

"""PUT /import_raw_vdi: a VHD (or raw) stream applied on top of an attached disk, as vhd-tool does.

Facts (xen-api ocaml/libs/vhd/vhd_format/f.ml From_input, vhd-tool/src/impl.ml): the stream only
moves forward; sectors are written where the bitmap has ones; the disk is neither wiped nor rolled
back; type, parent, uuid and size are not looked at; the last footer is expected where the
Content-Length says, or the disk's size without one.
"""

from __future__ import annotations

import struct
from typing import Dict, List, Optional, Tuple

from nova_swift_handler.sandbox.xapi.storage import bitmap, errors
from nova_swift_handler.sandbox.xapi.storage import structures as vhd
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, SECTOR, Disk, Progress, Read
from nova_swift_handler.sandbox.xapi.storage.sizes import round_up


class Stream:
    """A forward-only reader; ``position`` in bytes.  EOF and steps back are VDI_IO_ERROR."""

    def __init__(self, read: Read) -> None:
        self._source = read
        self.position = 0

    def read(self, length: int) -> bytes:
        """Return exactly ``length`` bytes."""
        data = self._source(length)
        if len(data) < length:
            pieces = [data]
            missing = length - len(data)
            while missing:
                if not data:
                    raise errors.io_error()
                data = self._source(missing)
                pieces.append(data)
                missing -= len(data)
            data = b"".join(pieces)
        self.position += length
        return data

    def seek(self, position: int) -> None:
        """Skip to ``position``."""
        if position < self.position or position >= 1 << 63:
            raise errors.io_error()
        while self.position < position:
            self.read(min(BLOCK, position - self.position))


def import_vhd(
    target: Disk, read: Read, content_length: Optional[int], progress: Optional[Progress] = None
) -> None:
    """Apply a VHD stream to ``target``."""
    source = Stream(read)
    try:
        footer = vhd.Footer.parse(source.read(vhd.FOOTER_SIZE))
        source.seek(footer.data_offset)
        header = vhd.Header.parse(source.read(vhd.HEADER_SIZE))
        source.seek(header.table_offset)
        blocks = _read_table(source, header.entries)
        for done, (place, block) in enumerate(blocks, 1):
            source.seek(place * SECTOR)
            _apply_block(target, source, block, header.block_size)
            if progress is not None:
                progress(done / len(blocks))
        size = target.virtual_size if content_length is None else content_length
        source.seek((size - 1) & ~511)
        vhd.Footer.parse(source.read(vhd.FOOTER_SIZE))
    except ValueError as exc:
        raise errors.io_error() from exc
    target.flush()


def _read_table(source: Stream, entries: int) -> List[Tuple[int, int]]:
    """Return (sector, block) of the used BAT entries, by sector."""
    found: Dict[int, int] = {}
    size = round_up(4 * entries, SECTOR)
    index = 0
    while size:
        data = source.read(min(size, BLOCK))
        size -= len(data)
        for value in struct.unpack(">%dI" % (len(data) // 4), data):
            if value != vhd.UNUSED and index < entries:
                found[index] = value
            index += 1
    return sorted((place, block) for block, place in found.items())


def _apply_block(target: Disk, source: Stream, block: int, block_size: int) -> None:
    sectors = block_size // SECTOR
    stored = source.read(round_up((sectors + 7) // 8, SECTOR))
    start = block * block_size
    # the bitmap is cut into pieces of the size the disk is written in
    for first in range(0, sectors, bitmap.SECTORS):
        count = min(bitmap.SECTORS, sectors - first)
        bits = _bits(stored, first, count)
        data = source.read(count * SECTOR)
        at = start + first * SECTOR
        for begin, end in bitmap.runs(bits, count):
            if end - begin == count:
                target.pwrite(at, data)
            else:
                target.pwrite(at + begin * SECTOR, data[begin * SECTOR:end * SECTOR])


def _bits(stored: bytes, first: int, count: int) -> int:
    """Return ``count`` bits from bit ``first``, a multiple of 8, the first one topmost."""
    piece = stored[first // 8:first // 8 + (count + 7) // 8]
    return int.from_bytes(piece, "big") >> (len(piece) * 8 - count)


def import_raw(
    target: Disk, read: Read, content_length: Optional[int], progress: Optional[Progress] = None
) -> None:
    """Write ``content_length`` bytes (or a disk full) from the start."""
    source = Stream(read)
    size = target.virtual_size if content_length is None else content_length
    while source.position < size:
        at = source.position
        target.pwrite(at, source.read(min(BLOCK, size - at)))
        if progress is not None:
            progress(source.position / size)
    target.flush()
