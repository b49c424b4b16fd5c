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

"""Block maps, segments and points made up for tests."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Iterable, List

from nova_swift_handler.catalog import segment
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.segment import Segment


def digest(number: int) -> bytes:
    """Return something like a block's digest."""
    return hashlib.sha256(b"%d" % number).digest()


def segments(counts: Iterable[int]) -> List[Segment]:
    """Return segments of so many blocks each."""
    return [Segment("vhd-volume-v", "data/u/%06d" % number, "%032x" % number,
                    count * segment.STRIDE + segment.trailer_size(count), count)
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


def point(**changes: Any) -> Point:
    """Return a point of one block; *changes* are of its fields."""
    stored = segments([1])
    return dataclasses.replace(Point(
        container="vhd-volume-v", image_id="11111111-2222-3333-4444-555555555555",
        kind="snapshot", volume_id="v", project_id="p", image_created_at="2026-01-01T00:00:00Z",
        stored_at="Thu, 01 Jan 2026 00:00:00 GMT", sequence=3,
        parent="66666666-7777-8888-9999-000000000000", parent_container="vhd-volume-v", base=None,
        virtual_size=10 * 2 ** 30, vhd_size=4 * 2 ** 20, blocks=1, digest="d" * 64,
        origin={"host": "h", "vdi": "u"}, upload_id="99999999-8888-7777-6666-555555555555",
        sent_blocks=1, sent_bytes=stored[0].size, stitching="ranges", head="e" * 32,
        regions=[RegionRef(0, "regions/00000-x.table",
                           [{"name": "regions/00000-x.0", "etag": "e", "size": 5}], 1)],
        segments=stored, writer="nova_swift_handler 0.1.0"), **changes)
