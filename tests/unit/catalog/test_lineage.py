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

"""What a container has to offer its next point."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from typing import Optional

import pytest

from nova_swift_handler.catalog import lineage, names, region, segment
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.segment import Segment, Trailer
from tests.unit.store.memory import MemoryAccount

from . import places

_NAMES = names.Containers("vhd")
_VOLUME = _NAMES.volume("v")
_SIZE = 10 * 2 ** 21


@pytest.fixture
def account() -> MemoryAccount:
    made = MemoryAccount()
    for container in (_NAMES.index, _NAMES.templates, _VOLUME):
        made.put_container(container, {})
    return made


def _segment(account: MemoryAccount, container: str, name: str, seed: int) -> Segment:
    data = bytes([seed]) * 2 ** 21
    trailer = Trailer("v", uuid.UUID(int=seed), _SIZE, [(seed, hashlib.sha256(data).digest())])
    put = account.put(container, name, b"\xff" * 512 + data + trailer.pack())
    return Segment(container, name, put.etag, put.size, 1)


def _point(account: MemoryAccount, sequence: int, seed: int, container: str = _VOLUME,
           base: Optional[str] = None, image_id: str = "") -> Point:
    """Store a point whose one block, of that number, is filled with *seed*."""
    image_id = image_id or str(uuid.UUID(int=sequence))
    stored = [_segment(account, container, "data/%s/000001" % uuid.UUID(int=seed), seed)]
    blocks = BlockMap(10)
    blocks.set(Place(seed, 0, 0, hashlib.sha256(bytes([seed]) * 2 ** 21).digest()))
    table = region.Region.cut(0, blocks, stored).table()
    name = region.name(0, table) + ".table"
    account.put(container, name, table)
    point = places.point(
        container=container, image_id=image_id, sequence=sequence, virtual_size=_SIZE,
        digest=blocks.digest(_SIZE), upload_id=str(uuid.UUID(int=seed)),
        regions=[RegionRef(0, name, [], 1)], segments=stored, base=base)
    account.put(container, names.closing(point.upload_id), b"c")
    account.put_json(container, names.of_point(image_id, names.POINT), point.as_json())
    account.put_json(_NAMES.index, image_id, {
        "image_id": image_id, "kind": "snapshot", "container": container,
        "view": "points/%s/disk.vhd" % image_id})
    return point


def test_an_empty_container_offers_nothing(account: MemoryAccount) -> None:
    found = lineage.of_volume(account, _NAMES, _VOLUME)
    assert (found.parent, found.sequence, found.stored, len(found.blocks), len(found.unused)) == (
        None, 1, [], 0, 0)


def test_the_newest_point_is_the_parent_by_number_and_then_by_id(
        account: MemoryAccount) -> None:
    _point(account, 1, 1)
    _point(account, 3, 3, image_id=str(uuid.UUID(int=0xa)))
    newest = _point(account, 3, 4, image_id=str(uuid.UUID(int=0xb)))
    _point(account, 2, 2)
    found = lineage.of_volume(account, _NAMES, _VOLUME)
    assert (found.parent, found.sequence, found.stored) == (newest, 4, newest.segments)
    assert list(found.blocks.order()) == [4]
    assert len(found.unused) == 0


def test_the_first_point_is_compared_with_the_image_of_its_disk(account: MemoryAccount) -> None:
    image = _point(account, 1, 5, _NAMES.templates)
    found = lineage.of_volume(account, _NAMES, _VOLUME, image.image_id)
    assert (found.parent, found.sequence, found.base) == (image, 1, image.image_id)
    assert found.stored == image.segments


def test_a_disk_made_anew_of_another_image_is_compared_with_that(
        account: MemoryAccount) -> None:
    image = _point(account, 1, 5, _NAMES.templates, image_id=str(uuid.UUID(int=0xc)))
    _point(account, 7, 1)
    found = lineage.of_volume(account, _NAMES, _VOLUME, image.image_id)
    assert (found.parent, found.sequence) == (image, 8)
    own = _point(account, 8, 2, base=image.image_id)
    assert lineage.of_volume(account, _NAMES, _VOLUME, image.image_id).parent == own


def test_a_parent_whose_table_is_gone_is_done_without(account: MemoryAccount) -> None:
    point = _point(account, 4, 1)
    account.delete(_VOLUME, point.regions[0].table)
    found = lineage.of_volume(account, _NAMES, _VOLUME)
    assert (found.parent, found.sequence, len(found.blocks)) == (None, 5, 0)


def test_segments_that_no_point_names_are_offered_by_digest(account: MemoryAccount) -> None:
    point = _point(account, 1, 1)
    left = _segment(account, _VOLUME, "data/dead/000001", 9)
    account.put(_VOLUME, "data/dead/closing", b"c")
    account.put(_VOLUME, "data/iso/000000", bytes(2 ** 21))
    damaged = _segment(account, _VOLUME, "data/dead/000002", 8)
    account.objects[_VOLUME, damaged.name].data = bytes(damaged.size)
    found = lineage.of_volume(account, _NAMES, _VOLUME)
    assert found.stored == [*point.segments, left]
    assert len(found.unused) == 1
    assert found.unused.get(hashlib.sha256(b"\x09" * 2 ** 21).digest()) == (1, 0)
    assert lineage.of_container(account, _VOLUME).stored == [left]


def test_points_are_not_read_where_nothing_is_left(account: MemoryAccount) -> None:
    read = []

    def note(verb: str, container: str, name: str = "") -> None:
        if verb == "GET" and name:
            read.append(name)

    for number in (1, 2):
        _point(account, number, number)
    account.request = note  # type: ignore[method-assign]
    assert lineage.of_container(account, _VOLUME).stored == []
    assert read == []
    left = _segment(account, _VOLUME, "data/%s/000002" % uuid.UUID(int=2), 9)
    assert lineage.of_container(account, _VOLUME).stored == []
    account.put(_VOLUME, "data/dead/closing", b"c")
    assert lineage.of_container(account, _VOLUME).stored == [left]


def test_a_segment_that_vanished_since_it_was_listed_is_passed_over(
        account: MemoryAccount) -> None:
    left = _segment(account, _VOLUME, "data/dead/000001", 9)

    def vanish(verb: str, container: str, name: str = "") -> None:
        if verb == "GET" and name == left.name:
            account.objects.pop((container, name), None)

    account.request = vanish  # type: ignore[method-assign]
    assert lineage.of_container(account, _VOLUME).stored == []


def test_a_trailer_that_says_another_number_of_blocks_is_not_believed(
        account: MemoryAccount) -> None:
    left = _segment(account, _VOLUME, "data/dead/000001", 9)
    body = Trailer("v", uuid.UUID(int=1), _SIZE, []).pack()
    data = account.objects[_VOLUME, left.name].data
    account.objects[_VOLUME, left.name].data = data[:-len(body)] + body
    assert segment.trailer_size(0) == segment.trailer_size(1)
    assert lineage.of_container(account, _VOLUME).stored == []
    assert dataclasses.asdict(left)["blocks"] == 1
