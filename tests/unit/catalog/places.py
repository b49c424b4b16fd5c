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

"""Block maps and segments made up for tests."""

from __future__ import annotations

import hashlib
from typing import Iterable, List

from nova_swift_handler.catalog import segment
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.segment import Segment


def digest(number: int) -> bytes:
    """Return something like a block's digest."""
    return hashlib.sha256(b"%d" % number).digest()


def segments(counts: Iterable[int]) -> List[Segment]:
    """Return segments of so many blocks each."""
    return [Segment("vhd-volume-v", "data/u/%06d" % number, "%032x" % number,
                    count * segment.STRIDE + segment.TAIL_SIZE + 36 * count, count)
            for number, count in enumerate(counts)]


def scattered(blocks: int, count: int) -> BlockMap:
    """Return a map whose neighbouring blocks never lie together: dealt to *count* segments."""
    result = BlockMap(blocks)
    for number in range(blocks):
        result.set(Place(number, number % count, number // count, digest(number)))
    return result


def packed(blocks: int, per_segment: int) -> BlockMap:
    """Return a map whose neighbouring blocks lie together."""
    result = BlockMap(blocks)
    for number in range(blocks):
        result.set(Place(number, number // per_segment, number % per_segment, digest(number)))
    return result
