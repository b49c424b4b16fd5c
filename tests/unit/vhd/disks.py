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

"""Seeded disks."""

from __future__ import annotations

import random
from typing import Dict, Iterable

from . import independent

MIB2 = independent.MIB2


def noise(size: int, seed: int) -> bytes:
    """Return *size* bytes that do not repeat."""
    return random.Random(seed).getrandbits(size * 8).to_bytes(size, "big") if size else b""


def disk(size: int, filled: Iterable[int], seed: int = 1, block_size: int = MIB2) -> bytes:
    """Return a disk of *size* bytes whose blocks *filled* have data and whose others are zero."""
    data = bytearray(size)
    for number in filled:
        start = number * block_size
        count = min(block_size, size - start)
        data[start:start + count] = noise(count, seed * 1000 + number)
    return bytes(data)


def cut(raw: bytes, block_size: int = MIB2) -> Dict[int, bytes]:
    """Return the blocks of a disk that are not zero, each padded to a whole one."""
    blocks = {}
    for start in range(0, len(raw), block_size):
        piece = raw[start:start + block_size]
        if piece.count(0) != len(piece):
            blocks[start // block_size] = piece + bytes(block_size - len(piece))
    return blocks
