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

"""Find a block's place by its SHA-256."""

from __future__ import annotations

import array
from typing import Optional, Tuple

_DIGEST = 32
_EMPTY = 0xFFFFFFFF
_FIRST = 1024


class DigestTable:
    """Places by SHA-256: a hash table that takes about 50 bytes an entry, not Python's 250.

    The digests are as good as random, so their first bytes serve as the hash.
    """

    def __init__(self) -> None:
        self._digests = bytearray()
        self._segments = array.array("I")
        self._slots = array.array("I")
        self._heads = array.array("I", [_EMPTY]) * _FIRST

    def __len__(self) -> int:
        return len(self._segments)

    def add(self, digest: bytes, segment: int, slot: int) -> None:
        """Record a place; of several for one digest the first counts."""
        position = self._find(digest)
        if self._heads[position] != _EMPTY:
            return
        self._heads[position] = len(self)
        self._digests += digest
        self._segments.append(segment)
        self._slots.append(slot)
        if 2 * len(self) > len(self._heads):
            self._grow()

    def get(self, digest: bytes) -> Optional[Tuple[int, int]]:
        """Return (segment, slot) of a block with *digest*; None if there is none."""
        number = self._heads[self._find(digest)]
        return None if number == _EMPTY else (self._segments[number], self._slots[number])

    def _at(self, number: int) -> bytes:
        return bytes(self._digests[number * _DIGEST:(number + 1) * _DIGEST])

    def _find(self, digest: bytes) -> int:
        mask = len(self._heads) - 1
        position = int.from_bytes(digest[:8], "big") & mask
        while self._heads[position] != _EMPTY and self._at(self._heads[position]) != digest:
            position = (position + 1) & mask
        return position

    def _grow(self) -> None:
        self._heads = array.array("I", [_EMPTY]) * (2 * len(self._heads))
        for number in range(len(self)):
            self._heads[self._find(self._at(number))] = number
