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

"""The largest disk on a cluster that stitches whole objects only, of segments made up."""

from __future__ import annotations

import logging
import struct
import uuid
from typing import List, Tuple

import pytest

from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.segment import MAX_BLOCKS, STRIDE, Segment, trailer_size
from nova_swift_handler.catalog.views import Views
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import Layout, block_count
from tests.unit.store.memory import MemoryAccount, Object

POOR = Abilities(
    ranges=False, inline_data=False, nested=True, nested_ranges=False, symlinks=False,
    tempurl=False, tempurl_digest="", max_entries=1000, max_manifest=8 * 2 ** 20,
    max_object=5 * 2 ** 30, depth=5)
SIZE = 2040 * 2 ** 30
BLOCKS = block_count(SIZE)
IN_SEGMENT = min(MAX_BLOCKS, 2 ** 28 // STRIDE)
C = "p-volume-a"
IMAGE = str(uuid.uuid4())


def _disk(spare: int) -> Tuple[MemoryAccount, BlockMap, List[Segment]]:
    """Return a full disk, and as many blocks in its segments that are no more the disk's."""
    account = MemoryAccount()
    account.put_container(C, {})
    blocks, stored = BlockMap(BLOCKS), []
    left, block = BLOCKS + spare, 0
    while left:
        count = min(IN_SEGMENT, left)
        left -= count
        segment = Segment(C, "data/u/%06d" % len(stored), "%032x" % len(stored),
                          count * STRIDE + trailer_size(count), count)
        account.objects[C, segment.name] = Object(
            b"", segment.etag, segment.size, account.now, {"content-type": "x"})
        # Each segment keeps what was written anew, until there is no spare block more.
        dead = min(spare, count - 1)
        spare -= dead
        for slot in range(dead, count):
            blocks.set(Place(block, len(stored), slot, bytes(32)))
            block += 1
        stored.append(segment)
    assert block == BLOCKS
    return account, blocks, stored


def test_a_full_disk_that_was_stored_at_once_is_a_vhd() -> None:
    account, blocks, stored = _disk(0)
    made = Views(account, C, POOR).disk(IMAGE, SIZE, blocks, stored, [], [names.DISK_VIEW])
    assert made.size == account.head(C, names.of_point(IMAGE, names.DISK_VIEW)).size
    assert made.size > sum(segment.size for segment in stored)
    head = account.get(C, names.of_point(IMAGE, names.HEAD))
    table_at, = struct.unpack_from(">Q", head, 512 + 16)
    table = struct.unpack_from(">%dI" % BLOCKS, head, table_at)
    assert table[0] * 512 == len(head)
    place = blocks.get(BLOCKS - 1)
    assert place is not None
    assert table[-1] * 512 == len(head) + sum(
        segment.size for segment in stored[:-1]) + place.slot * STRIDE
    assert len(set(table)) == BLOCKS


def test_one_among_many_blocks_that_it_has_no_more_has_no_view_and_is_whole(
        caplog: pytest.LogCaptureFixture) -> None:
    account, blocks, stored = _disk(BLOCKS // 100)
    views = [names.DISK_VIEW, names.DELTA_VIEW]
    with caplog.at_level(logging.WARNING):
        made = Views(account, C, POOR).disk(IMAGE, SIZE, blocks, stored, [], views)
    assert (made.size, made.head) == (0, "")
    assert [record.getMessage() for record in caplog.records if "up to 2 TiB" in
            record.getMessage() and "the point is whole" in record.getMessage()] == [
                record.getMessage() for record in caplog.records]
    assert len(caplog.records) == 2
    assert not [name for _container, name in account.objects if name.startswith(names.POINTS)]
    # What a restore, a boot and Glance's copy are made of is laid out by blocks alone.
    layout = Layout(SIZE, blocks.order(), uuid.UUID(IMAGE).bytes)
    assert layout.length < 2 ** 32 * constants.SECTOR
    assert layout.count == BLOCKS
