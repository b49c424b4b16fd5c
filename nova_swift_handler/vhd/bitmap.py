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

"""Sector bitmaps: which sectors of a block a VHD holds; the first is the highest bit."""

from __future__ import annotations

from typing import Iterator, Tuple

from nova_swift_handler.vhd import constants


def is_full(bitmap: bytes, sectors: int) -> bool:
    """Tell whether all of the first *sectors* bits are set."""
    whole, rest = divmod(sectors, 8)
    if bitmap[:whole] != b"\xff" * whole:
        return False
    return not rest or bitmap[whole] >> (8 - rest) == (1 << rest) - 1


def runs(bitmap: bytes, sectors: int) -> Iterator[Tuple[int, int, bool]]:
    """Yield (first sector, number of sectors, present) for each run of equal bits."""
    # Python's integers find the next change of bit without looking at each bit in turn.
    bits = int.from_bytes(bitmap[:-(-sectors // 8)], "big") >> (-sectors % 8)
    start = 0
    while start < sectors:
        left = sectors - start
        rest = bits & ((1 << left) - 1)
        present = bool(rest >> (left - 1))
        differing = rest ^ ((1 << left) - 1) if present else rest
        length = left - differing.bit_length()
        yield start, length, present
        start += length


def blank_absent(bitmap: bytes, data: bytearray) -> None:
    """Zero, in the block *data*, the sectors that *bitmap* says are not present."""
    for start, length, present in runs(bitmap, len(data) // constants.SECTOR):
        if not present:
            first, size = start * constants.SECTOR, length * constants.SECTOR
            data[first:first + size] = bytes(size)


def keep_first(bitmap: bytes, sectors: int) -> bytes:
    """Return *bitmap* with only the first *sectors* bits left as they are, the others clear."""
    whole, rest = divmod(sectors, 8)
    if whole >= len(bitmap):
        return bitmap
    return (bitmap[:whole] + bytes([bitmap[whole] & (0xFF00 >> rest & 0xFF)])).ljust(
        len(bitmap), b"\0")


def mark(bitmap: bytearray, first: int, count: int) -> None:
    """Set, in place, the bits of *count* sectors from *first* on."""
    last = first + count
    start, end = first // 8, -(-last // 8)
    bits = ((1 << count) - 1) << (end * 8 - last)
    old = int.from_bytes(bitmap[start:end], "big")
    bitmap[start:end] = (old | bits).to_bytes(end - start, "big")
