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

"""Points in a Swift that stitches whole objects only, as Ceph's gateway does."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pathlib
import uuid
from typing import Any, Iterator

import pytest

from nova_swift_handler.catalog import changes, lookup, names, relink, views
from nova_swift_handler.catalog.point import WHOLE
from nova_swift_handler.catalog.views import Views
from nova_swift_handler.store import probe
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.transfer import snapshot as snapshots
from nova_swift_handler.transfer.report import Report
from tests.functional.store.conftest import Site
from tests.unit.vhd import independent

from .shop import MIB2, Shop
from .test_deltas import Disk, read_chain, snapshot


@pytest.fixture
def poor_shop(poor_site: Site) -> Iterator[Shop]:
    made = Shop(poor_site, "t%s" % uuid.uuid4().hex[:10])
    made.set_up()
    yield made
    made.tear_down()


@pytest.fixture
def disk() -> Disk:
    made = Disk(20)
    for number in (0, 1, 2, 3, 7, 8, 9, 12, 19):
        made.write(number, number)
    return made


def whole(shop: Shop, path: str, size: int) -> bytes:
    result = bytearray(size)
    independent.apply(shop.download(path), result)
    return bytes(result)


def test_points_are_stored_compared_and_read_by_anybody(
        poor_shop: Shop, disk: Disk, tmp_path: pathlib.Path, libvhdi: Any, qemu_img: Any) -> None:
    shop = poor_shop
    first = snapshot(shop, disk, tmp_path)
    before = disk.raw()
    assert first.stitching == WHOLE
    assert [ref.parts for ref in first.regions] == [[]]
    disk.write(2, 102)
    disk.write(15, 115)
    for number in (7, 8, 9):
        del disk.held[number]
    second = snapshot(shop, disk, tmp_path)
    assert (second.sent_blocks, second.parent) == (2, first.image_id)
    assert shop.raw(first.image_id) == before
    assert shop.raw(second.image_id) == disk.raw()
    assert whole(shop, first.path + "/disk.vhd", disk.size) == before
    assert whole(shop, second.path + "/disk.vhd", disk.size) == disk.raw()
    assert read_chain(libvhdi, shop, [first.image_id, second.image_id], disk.size) == disk.raw()
    assert sorted(independent.parse(shop.download(second.path + "/delta.vhd")).blocks) == [
        2, 7, 8, 9, 15]
    # What Glance reads is the same VHD, of a point whose segments hold nothing else.
    image = tmp_path / "image.vhd"
    image.write_bytes(shop.download("%s/%s" % (shop.names.images, first.image_id)))
    assert image.stat().st_size == first.vhd_size
    assert qemu_img.raw(image) == before


def test_a_delta_is_written_anew_when_its_parent_goes(
        poor_shop: Shop, disk: Disk, tmp_path: pathlib.Path, libvhdi: Any) -> None:
    shop = poor_shop
    first = snapshot(shop, disk, tmp_path)
    disk.write(2, 102)
    snapshot(shop, disk, tmp_path)
    del disk.held[3]
    third = snapshot(shop, disk, tmp_path)
    abilities = probe.abilities(shop.account, shop.names.index)
    for parent in (first, None):
        relink.to(shop.account, Views(shop.account, third.container, abilities), third, parent)
        chain = [first.image_id, third.image_id] if parent else [third.image_id]
        assert read_chain(libvhdi, shop, chain, disk.size) == disk.raw()
        assert views.parent_of(shop.account, third.container, third.image_id) == (
            parent.image_id if parent else None)


def test_glance_gets_no_view_that_holds_what_was_on_the_disk_before(
        poor_shop: Shop, disk: Disk, tmp_path: pathlib.Path) -> None:
    shop = poor_shop
    first = snapshot(shop, disk, tmp_path)
    before = disk.held[1]
    disk.write(1, 101)
    second = snapshot(shop, disk, tmp_path)
    assert before in shop.download(second.path + "/disk.vhd")  # room that no one uses
    offered = shop.contents()[shop.names.images]
    assert first.image_id in offered
    assert second.image_id not in offered
    file, _length = snapshots.published(shop.account, shop.services(), second,
                                        Report(lambda event: None)).open()
    with contextlib.closing(file):
        assert before not in b"".join(iter(lambda: file.read(MIB2), b""))


def test_a_point_whose_views_cannot_be_stitched_is_whole_without_them(
        poor_shop: Shop, disk: Disk, tmp_path: pathlib.Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    # Three segments, and head and footer, are more than such a manifest can name.
    shop = poor_shop
    found = probe.abilities(shop.account, shop.names.index)

    def poorer(*args: Any) -> Abilities:
        return dataclasses.replace(found, nested=False, depth=1, max_entries=4)

    shop = Shop(shop.site, shop.names.prefix, segment_size=3 * MIB2)
    big = Disk(60, 0)
    for number in range(40):
        big.write(number, number)
    monkeypatch.setattr(snapshots.probe, "abilities", poorer)
    point = snapshot(shop, big, tmp_path)
    assert len(point.segments) > 2
    assert point.vhd_size == 0
    held = shop.contents()
    assert not [name for name in held[point.container]
                if name.endswith((names.DISK_VIEW, names.DELTA_VIEW))]
    assert point.image_id not in held[shop.names.images]
    assert shop.raw(point.image_id) == big.raw()
    # Glance gets a copy, put together from the blocks.
    disk_of = snapshots.published(shop.account, shop.services(), point,
                                  Report(lambda event: None))
    assert not disk_of.in_place
    file, length = disk_of.open()
    with contextlib.closing(file):
        data = b"".join(iter(lambda: file.read(MIB2), b""))
    assert len(data) == length
    result = bytearray(big.size)
    independent.apply(io.BytesIO(data).getvalue(), result)
    assert bytes(result) == big.raw()
    # The next point is compared with it all the same.
    big.write(50, 50)
    second = snapshot(shop, big, tmp_path)
    assert (second.sent_blocks, second.parent) == (1, point.image_id)
    assert len(changes.between(shop.account, point, second)) == 1
    assert shop.raw(second.image_id) == big.raw()
    assert lookup.complete(shop.account, second)
