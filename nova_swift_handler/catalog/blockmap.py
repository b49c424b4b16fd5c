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

"""Where each block of a disk is stored, and what it hashes to."""

from __future__ import annotations

import array
import hashlib
import struct
from typing import Iterator, List, NamedTuple, Optional

from nova_swift_handler.catalog import segment as segments

_NOWHERE = 0xFFFFFFFF
_DIGEST = 32


class Place(NamedTuple):
    """Where a block is.

    :ivar block: its number.
    :ivar segment: index into the list of segments.
    :ivar slot: how many blocks lie before it in the segment.
    :ivar digest: SHA-256 of its 2 MiB.
    """

    block: int
    segment: int
    slot: int
    digest: bytes

    @property
    def offset(self) -> int:
        """Bytes from the start of the segment to the block's bitmap."""
        return self.slot * segments.STRIDE


class BlockMap:
    """The places of a disk's blocks; a block without one is zero.

    Takes 40 bytes a block of the disk whatever is in it: 42 MiB for 2040 GiB.

    :param blocks: how many blocks the disk has.
    """

    def __init__(self, blocks: int) -> None:
        self._segment = array.array("I", [_NOWHERE]) * blocks
        self._slot = array.array("I", [0]) * blocks
        self._digest = bytearray(_DIGEST * blocks)

    def __len__(self) -> int:
        return len(self._segment)

    def set(self, place: Place) -> None:
        """Record where a block is."""
        self._segment[place.block] = place.segment
        self._slot[place.block] = place.slot
        self._digest[place.block * _DIGEST:(place.block + 1) * _DIGEST] = place.digest

    def unset(self, block: int) -> None:
        """Record that a block is zero."""
        self._segment[block] = _NOWHERE

    def resized(self, blocks: int) -> BlockMap:
        """Return the map of the same disk made *blocks* blocks long; this one may be the result.
        """
        if blocks == len(self):
            return self
        result = BlockMap(blocks)
        for place in self.places(0, blocks):
            result.set(place)
        return result

    def used(self) -> List[int]:
        """Return the numbers of the segments that blocks lie in, ascending."""
        numbers = set(self._segment)
        numbers.discard(_NOWHERE)
        return sorted(numbers)

    def has(self, block: int) -> bool:
        """Tell whether a block is not zero."""
        return self._segment[block] != _NOWHERE

    def get(self, block: int) -> Optional[Place]:
        """Return where a block is; None if it is zero."""
        if self._segment[block] == _NOWHERE:
            return None
        digest = bytes(self._digest[block * _DIGEST:(block + 1) * _DIGEST])
        return Place(block, self._segment[block], self._slot[block], digest)

    def places(self, first: int = 0, end: Optional[int] = None) -> Iterator[Place]:
        """Yield the places of the blocks from *first* up to *end*, ascending."""
        for block in range(first, len(self) if end is None else min(end, len(self))):
            place = self.get(block)
            if place is not None:
                yield place

    def order(self) -> Iterator[int]:
        """Yield the numbers of all blocks that are not zero, ascending."""
        return (block for block, segment in enumerate(self._segment) if segment != _NOWHERE)

    def digest(self, virtual_size: int) -> str:
        """Return the disk's digest, see :class:`DiskDigest`."""
        total = DiskDigest(virtual_size)
        for place in self.places():
            total.add(place.block, place.digest)
        return total.hexdigest()


class DiskDigest:
    """A disk's digest, which two disks have in common just if they have the same bytes.

    It is the SHA-256 of the virtual size (u64) and, for each block that is not zero and
    ascending, its number (u32) and SHA-256; so it can be had without reading any.
    """

    def __init__(self, virtual_size: int) -> None:
        self._total = hashlib.sha256(struct.pack(">Q", virtual_size))

    def add(self, block: int, digest: bytes) -> None:
        """Add a block that is not zero, the SHA-256 of its 2 MiB being *digest*."""
        self._total.update(struct.pack(">I", block) + digest)

    def hexdigest(self) -> str:
        """Return the digest of what was added, in hexadecimal."""
        return self._total.hexdigest()
