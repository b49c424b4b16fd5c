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

"""A volume's next points: what is sent, what is shared, and what the views give."""

from __future__ import annotations

import io
import pathlib
import uuid
from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource
from tests.unit.vhd import disks, independent
from tests.unit.vhd.independent import Block

from .shop import MIB2, Shop


class Disk:
    """A disk of so many blocks, of which some have bytes, to be changed and written as a VHD."""

    def __init__(self, blocks: int, less: int = 1536) -> None:
        self.size = blocks * MIB2 - less
        self.held: Dict[int, bytes] = {}

    def write(self, number: int, seed: int) -> None:
        data = bytearray(disks.noise(MIB2, seed))
        over = (number + 1) * MIB2 - self.size
        if over > 0:
            data[-over:] = bytes(over)
        self.held[number] = bytes(data)

    def raw(self) -> bytes:
        disk = bytearray(-(-self.size // MIB2) * MIB2)
        for number, data in self.held.items():
            disk[number * MIB2:(number + 1) * MIB2] = data
        return bytes(disk[:self.size])

    def vhd(self, path: pathlib.Path) -> pathlib.Path:
        full = independent.full(MIB2)
        path.write_bytes(independent.build(
            self.size, {number: Block(full, data) for number, data in self.held.items()}))
        return path


@pytest.fixture
def disk() -> Disk:
    made = Disk(20)
    for number in (0, 1, 2, 3, 7, 8, 9, 12, 19):
        made.write(number, number)
    return made


def snapshot(shop: Shop, disk: Disk, path: pathlib.Path, volume: str = "a", **more: Any) -> Point:
    return shop.store(disk.vhd(path / "disk.vhd"), volume, **more)


def read_chain(libvhdi: Any, shop: Shop, ids: List[str], size: int) -> bytes:
    """Return the disk that libvhdi reads of the chain of ``delta.vhd``, base first."""
    parent = None
    opened = []
    for image_id in ids:
        file = libvhdi.file()
        file.open_file_object(io.BytesIO(shop.download(
            "%s/points/%s/delta.vhd" % (shop.names.volume("a"), image_id))))
        if parent is not None:
            file.set_parent(parent)
        opened.append(file)
        parent = file
    assert parent is not None
    assert parent.get_media_size() == size
    return bytes(parent.read_buffer_at_offset(size, 0))


def test_a_second_point_sends_what_changed_and_shares_the_rest(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path, libvhdi: Any) -> None:
    first = snapshot(shop, disk, tmp_path)
    before = disk.raw()
    assert (first.sent_blocks, first.parent, first.sequence) == (9, None, 1)
    disk.write(2, 102)  # changed
    disk.write(15, 115)  # new
    del disk.held[8]  # zero now
    second = snapshot(shop, disk, tmp_path)
    assert (second.sent_blocks, second.parent, second.sequence) == (2, first.image_id, 2)
    assert shop.raw(second.image_id) == disk.raw()
    assert shop.raw(first.image_id) == before
    assert read_chain(libvhdi, shop, [first.image_id], disk.size) == before
    assert read_chain(libvhdi, shop, [first.image_id, second.image_id], disk.size) == disk.raw()
    delta = independent.parse(shop.download(second.path + "/delta.vhd"))
    assert sorted(delta.blocks) == [2, 8, 15]
    whole = bytearray(disk.size)
    independent.apply(shop.download(second.path + "/disk.vhd"), whole)
    assert bytes(whole) == disk.raw()


def test_a_point_without_changes_sends_nothing(shop: Shop, disk: Disk, tmp_path: pathlib.Path,
                                               libvhdi: Any) -> None:
    first = snapshot(shop, disk, tmp_path)
    second = snapshot(shop, disk, tmp_path)
    assert (second.sent_blocks, second.sent_bytes, second.digest) == (0, 0, first.digest)
    assert second.regions == first.regions
    assert read_chain(libvhdi, shop, [first.image_id, second.image_id], disk.size) == disk.raw()


def test_a_disk_that_was_emptied_and_one_that_always_was(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path, libvhdi: Any) -> None:
    first = snapshot(shop, disk, tmp_path)
    disk.held.clear()
    second = snapshot(shop, disk, tmp_path)
    assert (second.sent_blocks, second.blocks, second.segments) == (0, 0, [])
    assert shop.raw(second.image_id) == disk.raw()
    assert read_chain(libvhdi, shop, [first.image_id, second.image_id], disk.size) == disk.raw()
    third = snapshot(shop, disk, tmp_path)
    assert read_chain(libvhdi, shop, [first.image_id, second.image_id, third.image_id],
                      disk.size) == disk.raw()


@pytest.mark.parametrize("blocks, less", [(33, 0), (21, 512), (20, 0)])
def test_a_disk_that_grew_is_whole_in_its_delta_and_shares_all_the_same(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path, libvhdi: Any, blocks: int,
        less: int) -> None:
    snapshot(shop, disk, tmp_path)
    grown = Disk(blocks, less)
    grown.held = disk.held
    grown.write(blocks - 1, 77)
    second = snapshot(shop, grown, tmp_path)
    assert second.sent_blocks == 1
    assert shop.raw(second.image_id) == grown.raw()
    assert read_chain(libvhdi, shop, [second.image_id], grown.size) == grown.raw()
    grown.write(5, 78)
    third = snapshot(shop, grown, tmp_path)
    assert read_chain(libvhdi, shop, [second.image_id, third.image_id], grown.size) == grown.raw()


def test_a_disk_that_shrank(shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    snapshot(shop, disk, tmp_path)
    small = Disk(9, 0)
    small.held = {number: data for number, data in disk.held.items() if number < 9}
    second = snapshot(shop, small, tmp_path)
    assert second.sent_blocks == 0
    assert shop.raw(second.image_id) == small.raw()


def test_the_first_point_of_a_volume_shares_with_the_image_it_was_made_of(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    base = snapshot(shop, disk, tmp_path, "b")
    grown = Disk(30, 0)
    grown.held = dict(disk.held)
    grown.write(25, 25)
    first = snapshot(shop, grown, tmp_path, "a", base_image_id=base.image_id)
    assert (first.sent_blocks, first.parent, first.parent_container) == (
        1, base.image_id, base.container)
    assert shop.raw(first.image_id) == grown.raw()
    held = shop.contents()
    assert names.reference(first.container) in held[base.container]
    # Its own delta.vhd does not lead out of its container.
    parsed = independent.parse(shop.download(first.path + "/delta.vhd"))
    assert parsed.kind == independent.DYNAMIC
    grown.write(1, 99)
    second = snapshot(shop, grown, tmp_path, "a", base_image_id=base.image_id)
    assert (second.sent_blocks, second.parent) == (1, first.image_id)
    assert shop.raw(second.image_id) == grown.raw()


def test_a_volume_made_anew_of_another_image_begins_a_new_lineage(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    base = snapshot(shop, disk, tmp_path, "b")
    former = snapshot(shop, Disk(20), tmp_path, "a", base_image_id=str(uuid.uuid4()))
    disk.write(5, 55)
    point = snapshot(shop, disk, tmp_path, "a", base_image_id=base.image_id)
    assert (point.parent, point.sent_blocks) == (base.image_id, 1)
    assert point.sequence == former.sequence + 1
    assert shop.raw(point.image_id) == disk.raw()


class Cut(DiskSource):
    """A disk that cannot be read beyond some block."""

    def __init__(self, disk: Disk, end: int) -> None:
        self._disk = disk
        self._end = end
        self.virtual_size = disk.size

    def blocks(self, wanted: Optional[Any] = None) -> Blocks:
        for number, data in sorted(self._disk.held.items()):
            if number >= self._end:
                raise exceptions.TransferCut("cut at block %d" % number)
            yield number, bytearray(data)


def test_what_an_upload_that_failed_has_sent_is_not_sent_again(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    image_id = str(uuid.uuid4())
    with pytest.raises(exceptions.TransferCut):
        snapshot(shop, disk, tmp_path, image_id=image_id, source=Cut(disk, 12))
    left = shop.contents()[shop.names.volume("a")]
    assert left and all(name.startswith("data/") for name in left)
    point = snapshot(shop, disk, tmp_path)
    assert point.sent_blocks == 2
    assert shop.raw(point.image_id) == disk.raw()


def test_blocks_of_a_segment_that_is_gone_are_sent_again(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    first = snapshot(shop, disk, tmp_path)
    for segment in first.segments:
        shop.account.delete(segment.container, segment.name)
    second = snapshot(shop, disk, tmp_path)
    assert second.sent_blocks == 9
    assert shop.raw(second.image_id) == disk.raw()


def test_a_parent_that_cannot_be_read_is_done_without(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    first = snapshot(shop, disk, tmp_path)
    shop.account.delete(first.container, first.regions[0].table)
    second = snapshot(shop, disk, tmp_path)
    assert (second.parent, second.sequence, second.sent_blocks) == (None, 2, 9)
    assert shop.raw(second.image_id) == disk.raw()


class Meanwhile(DiskSource):
    """A disk while whose first reading something happens."""

    def __init__(self, disk: Disk, act: Any) -> None:
        self._disk = disk
        self._act = act
        self.virtual_size = disk.size

    def blocks(self, wanted: Optional[Any] = None) -> Blocks:
        act, self._act = self._act, lambda: None
        act()
        for number, data in sorted(self._disk.held.items()):
            if wanted is None or number in wanted:
                yield number, bytearray(data)


def test_two_hosts_store_a_volume_at_once(shop: Shop, disk: Disk, tmp_path: pathlib.Path,
                                          libvhdi: Any) -> None:
    first = snapshot(shop, disk, tmp_path)
    made: List[Point] = []
    other = Disk(20)
    other.held = dict(disk.held)
    other.write(1, 201)

    def meanwhile() -> None:
        made.append(snapshot(shop, other, tmp_path))

    disk.write(2, 202)
    second = snapshot(shop, disk, tmp_path, source=Meanwhile(disk, meanwhile))
    sibling = made[0]
    assert (second.sequence, sibling.sequence) == (2, 2)
    for point, its in ((second, disk), (sibling, other)):
        assert shop.raw(point.image_id) == its.raw()
        assert read_chain(libvhdi, shop, [first.image_id, point.image_id],
                          disk.size) == its.raw()


def test_a_parent_that_vanishes_while_its_child_is_stored(
        shop: Shop, disk: Disk, tmp_path: pathlib.Path, libvhdi: Any) -> None:
    base = snapshot(shop, disk, tmp_path)
    disk.write(3, 303)
    parent = snapshot(shop, disk, tmp_path)

    def meanwhile() -> None:
        for name in shop.contents()[parent.container]:
            if name.startswith("points/%s/" % parent.image_id):
                shop.account.delete(parent.container, name)
        for segment in set(parent.segments) - set(base.segments):
            shop.account.delete(parent.container, segment.name)

    disk.write(4, 404)
    child = snapshot(shop, disk, tmp_path, source=Meanwhile(disk, meanwhile))
    assert shop.raw(child.image_id) == disk.raw()
    assert child.parent is None
    assert read_chain(libvhdi, shop, [child.image_id], disk.size) == disk.raw()


def test_nothing_is_announced_once_all_is_done(shop: Shop, disk: Disk,
                                               tmp_path: pathlib.Path) -> None:
    seen: List[str] = []

    def meanwhile() -> None:
        seen.extend(shop.contents()[shop.names.volume("a")])

    snapshot(shop, disk, tmp_path, source=Meanwhile(disk, meanwhile))
    assert [name for name in seen if name.startswith(names.INTENTS)]
    assert not [name for name in shop.contents()[shop.names.volume("a")]
                if name.startswith(names.INTENTS)]

