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

"""Segments: objects that hold blocks as they stand in a VHD, and say themselves which.

A segment is *count* times (512-byte bitmap of ones, 2 MiB of data), in ascending order of the
blocks' numbers, and then a trailer::

    count x  ( block number u32, SHA-256 of the 2 MiB 32 bytes )
    zeros, so that the segment is a multiple of 512 bytes long
    magic "SVHDSEG1" | version u32 | count u32 | block size u32 | reserved u32
    virtual size u64 | upload id 16 bytes | volume id 64 bytes, zero padded
    SHA-256 of all the trailer before it, 32 bytes

The fixed part is the segment's last 144 bytes.  Numbers are big-endian.  A trailer is shorter
than a block, so a segment's length tells how many blocks it has, and one ranged GET reads it.
Whole sectors, since a VHD may be stitched of whole segments, its BAT passing over the trailers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import uuid
from typing import Any, List, Mapping, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.vhd import constants

STRIDE = constants.BITMAP_SIZE + constants.BLOCK_SIZE
"""Bytes from the start of one block in a segment to the next."""

VERSION = 1
_MAGIC = b"SVHDSEG1"
_ENTRY = struct.Struct(">I32s")
_FIXED = struct.Struct(">8sIIIIQ16s64s")
TAIL_SIZE = _FIXED.size + 32
MAX_BLOCKS = (constants.BLOCK_SIZE - TAIL_SIZE) // _ENTRY.size
"""Blocks of the largest segment; far beyond the 5 GiB that Swift takes as one object."""


def trailer_size(count: int) -> int:
    """Return the bytes of the trailer of a segment of *count* blocks."""
    return -(-(count * _ENTRY.size + TAIL_SIZE) // constants.SECTOR) * constants.SECTOR


def count_of(size: int) -> Optional[int]:
    """Return how many blocks a segment of *size* bytes has; None if none has that size."""
    count = size // STRIDE
    return count if size == count * STRIDE + trailer_size(count) else None


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stored segment, as points name it.

    :ivar container: where it lies.
    :ivar name: the object's name.
    :ivar etag: MD5 of its bytes, as Swift acknowledged it.
    :ivar size: bytes, trailer included.
    :ivar blocks: number of blocks in it.
    """

    container: str
    name: str
    etag: str
    size: int
    blocks: int

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Segment:
        """Return the segment that a point or a table names; unknown fields are passed over.

        :raises KeyError, TypeError: it names none.
        """
        return cls(**{field.name: value[field.name] for field in dataclasses.fields(cls)})

    @property
    def path(self) -> str:
        """The segment as manifests name it."""
        return "/%s/%s" % (self.container, self.name)

    def block(self, slot: int) -> Entry:
        """Return the range of the block with *slot* blocks before it, its bitmap included."""
        return Entry(self.path, self.etag, self.size, slot * STRIDE, (slot + 1) * STRIDE - 1)


@dataclasses.dataclass(frozen=True)
class Trailer:
    """What a segment says of itself.

    :ivar entries: (block number, SHA-256 of its data) in the order they lie in the segment.
    """

    volume_id: str
    upload_id: uuid.UUID
    virtual_size: int
    entries: List[Tuple[int, bytes]]

    def pack(self) -> bytes:
        """Return the trailer's bytes."""
        volume = self.volume_id.encode("utf-8")
        if len(volume) > 64:
            raise exceptions.PointInvalid("the volume id %r is longer than 64 bytes"
                                          % self.volume_id)
        entries = b"".join(_ENTRY.pack(*entry) for entry in self.entries)
        room = trailer_size(len(self.entries)) - TAIL_SIZE
        data = entries.ljust(room, b"\0") + _FIXED.pack(
            _MAGIC, VERSION, len(self.entries), constants.BLOCK_SIZE, 0, self.virtual_size,
            self.upload_id.bytes, volume)
        return data + hashlib.sha256(data).digest()

    @classmethod
    def parse(cls, data: bytes) -> Trailer:
        """Return the trailer at the end of *data*.

        :raises PointInvalid: there is none, or it is damaged, or of another format.
        """
        if len(data) < TAIL_SIZE:
            raise exceptions.PointInvalid(
                "this is no segment: it has %d bytes, less than a trailer" % len(data))
        magic, version, count, block_size, _reserved, virtual_size, upload, volume = (
            _FIXED.unpack_from(data, len(data) - TAIL_SIZE))
        if magic != _MAGIC or version != VERSION or block_size != constants.BLOCK_SIZE:
            raise exceptions.PointInvalid(
                "this is no segment of format %d: magic %r, version %d, block size %d"
                % (VERSION, magic, version, block_size))
        start = len(data) - trailer_size(count)
        if start < 0:
            raise exceptions.PointInvalid("the segment's trailer is cut")
        body = data[start:-32]
        if hashlib.sha256(body).digest() != data[-32:]:
            raise exceptions.PointInvalid("the segment's trailer is damaged")
        entries = [_ENTRY.unpack_from(body, i * _ENTRY.size) for i in range(count)]
        return cls(volume.rstrip(b"\0").decode("utf-8", "replace"), uuid.UUID(bytes=upload),
                   virtual_size, entries)
