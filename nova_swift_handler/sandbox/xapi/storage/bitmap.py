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

"""Sector bitmaps of one VHD block, as integers.

A block of 2 MiB has 4096 sectors and a bitmap of 512 bytes; sector 0 is the most significant bit
of the first byte (VHD specification, "Block Allocation Table and Data Blocks").  Read big-endian,
the bitmap is one integer with sector 0 as its top bit.
"""

from __future__ import annotations

from typing import Iterator, Tuple

from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, SECTOR

SECTORS = BLOCK // SECTOR
BYTES = SECTORS // 8
FULL = (1 << SECTORS) - 1


def decode(data: bytes) -> int:
    """Return the bitmap stored as ``data``."""
    return int.from_bytes(data, "big")


def encode(bits: int) -> bytes:
    """Return the 512 bytes that store ``bits``."""
    return bits.to_bytes(BYTES, "big")


def span(first: int, end: int) -> int:
    """Return the bitmap of sectors ``first`` .. ``end`` - 1."""
    return ((1 << (end - first)) - 1) << (SECTORS - end)


def runs(bits: int, sectors: int = SECTORS) -> Iterator[Tuple[int, int]]:
    """Yield (first, end) of every run of ones in a bitmap of ``sectors`` sectors."""
    text = format(bits, "0%db" % sectors)
    first = text.find("1")
    while first >= 0:
        end = text.find("0", first)
        if end < 0:
            end = sectors
        yield first, end
        first = text.find("1", end)
