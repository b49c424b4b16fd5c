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

"""Points deleted in any order leave the others whole, and their chain a chain."""

from __future__ import annotations

import itertools
import pathlib
from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account

from .shop import Shop
from .test_deltas import Disk, read_chain, snapshot


class History:
    """A volume's points, and the bytes that each disk had."""

    def __init__(self, shop: Shop, path: pathlib.Path) -> None:
        self.shop = shop
        self.path = path
        self.disk = Disk(8)
        self.points: List[Point] = []
        self.raw: Dict[str, bytes] = {}
        for number in range(5):
            self.disk.write(number, number)

    def snapshot(self, volume: str = "a", **more: Any) -> Point:
        point = snapshot(self.shop, self.disk, self.path, volume, **more)
        self.points.append(point)
        self.raw[point.image_id] = self.disk.raw()
        return point

    def delete(self, point: Point, account: Any = None) -> deletion.Deleted:
        account = account or self.shop.account
        return deletion.delete(account, self.shop.names,
                               probe.abilities(account, self.shop.names.index), point)

    def check(self, libvhdi: Any, gone: List[Point]) -> None:
        """Compare everything that is left with what it should be."""
        left = [point for point in self.points if point not in gone]
        for point in left:
            assert self.shop.raw(point.image_id) == self.raw[point.image_id]
        chain: List[str] = []
        for point in left:
            if point.container == self.shop.names.volume("a"):
                chain.append(point.image_id)
                assert read_chain(libvhdi, self.shop, chain,
                                  point.virtual_size) == self.raw[point.image_id]
        names_left = self.shop.contents()
        for point in gone:
            assert self.shop.find(point.image_id) is None
            for container, objects in names_left.items():
                assert not [name for name in objects if point.image_id in name], container
            assert names.closing(point.upload_id) not in names_left[point.container]


@pytest.fixture
def history(shop: Shop, tmp_path: pathlib.Path) -> History:
    made = History(shop, tmp_path)
    made.snapshot()
    made.disk.write(1, 101)
    del made.disk.held[2]
    made.snapshot()
    made.disk.write(1, 201)
    made.disk.write(6, 206)
    made.snapshot()
    return made


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_points_deleted_in_any_order(history: History, libvhdi: Any, order: Any) -> None:
    gone = []
    for number in order:
        gone.append(history.points[number])
        history.delete(gone[-1])
        history.check(libvhdi, gone)


def test_deleting_moves_no_data(history: History, libvhdi: Any) -> None:
    before = history.shop.contents()[history.points[0].container]
    deleted = history.delete(history.points[1])
    assert deleted.relinked == [history.points[2].image_id]
    after = history.shop.contents()[history.points[0].container]

    def kept(objects: List[str]) -> List[str]:
        return [name for name in objects if name.startswith((names.DATA, names.REGIONS))]

    assert kept(after) == [name for name in kept(before)
                           if name != names.closing(history.points[1].upload_id)]
    assert not [name for name in after if name.startswith(names.INTENTS)]


def test_points_of_other_containers_stay_whole(history: History, libvhdi: Any) -> None:
    base = history.points[-1]
    history.disk.write(7, 307)
    history.snapshot("b", base_image_id=base.image_id)
    gone = history.points[:3]
    for point in gone:
        history.delete(point)
    history.check(libvhdi, gone)


def test_a_child_of_another_size_stays_a_whole_disk(history: History, libvhdi: Any) -> None:
    grown = Disk(12)
    grown.held = dict(history.disk.held)
    history.disk = grown
    history.snapshot()
    assert history.delete(history.points[2]).relinked == []
    last = history.points[-1]
    assert read_chain(libvhdi, history.shop, [last.image_id], grown.size) == grown.raw()


def test_a_deletion_is_repeated_in_peace(history: History, libvhdi: Any) -> None:
    point = history.points[1]
    history.delete(point)
    assert history.delete(point) == deletion.Deleted([], 0, [])
    history.check(libvhdi, [point])


def test_a_child_whose_new_parent_cannot_be_read_becomes_a_whole_disk(
        history: History, libvhdi: Any) -> None:
    first, second, third = history.points
    for region in first.regions:
        history.shop.account.delete(first.container, region.table)
    history.delete(second)
    assert history.shop.raw(third.image_id) == history.raw[third.image_id]
    assert read_chain(libvhdi, history.shop, [third.image_id],
                      third.virtual_size) == history.raw[third.image_id]


def test_what_glance_keeps_of_its_own_under_the_same_name_stays(history: History) -> None:
    point = history.points[2]
    images = history.shop.names.images
    history.shop.account.put(images, point.image_id, b"uploaded to Glance")
    history.delete(point)
    assert history.shop.account.get(images, point.image_id) == b"uploaded to Glance"


class Killed(Exception):
    pass


class Mortal(Account):
    """An account whose caller is killed before its n-th request."""

    def __init__(self, connection: Any, left: int) -> None:
        super().__init__(connection)
        self._left = left

    def _live(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self._live()
        return super().put(*args, **kwargs)

    def put_manifest(self, *args: Any, **kwargs: Any) -> Any:
        self._live()
        return super().put_manifest(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        self._live()
        return super().delete(*args, **kwargs)


def test_a_deletion_killed_at_any_write_harms_nobody_and_can_be_repeated(
        history: History, libvhdi: Any) -> None:
    first, second, third = history.points
    for killed_at in range(1, 40):
        try:
            history.delete(second, Mortal(history.shop.site.connection(), killed_at))
            break
        except Killed:
            for point in (first, third):
                assert history.shop.raw(point.image_id) == history.raw[point.image_id]
    else:
        pytest.fail("a deletion never ends")
    assert killed_at >= 8
    history.delete(second)
    for row in list(history.shop.account.listing(first.container, names.INTENTS)):
        history.shop.account.delete(first.container, row["name"])  # of those killed
    history.check(libvhdi, [second])


def test_a_link_that_a_killed_deletion_left_broken_is_mended(
        history: History, libvhdi: Any) -> None:
    first, second, third = history.points
    for name in history.shop.contents()[second.container]:
        if name.startswith("points/%s/" % second.image_id):
            history.shop.account.delete(second.container, name)
    abilities = probe.abilities(history.shop.account, history.shop.names.index)
    account, container = history.shop.account, second.container
    assert deletion.relink_broken(account, abilities, container, True) == [third.image_id]
    assert deletion.relink_broken(account, abilities, container) == [third.image_id]
    assert deletion.relink_broken(account, abilities, container) == []
    assert read_chain(libvhdi, history.shop, [first.image_id, third.image_id],
                      third.virtual_size) == history.raw[third.image_id]


def test_a_child_that_cannot_be_read_keeps_its_parent(history: History) -> None:
    _first, second, third = history.points
    history.shop.account.put_json(third.container, names.of_point(third.image_id, names.POINT),
                                  dict(third.as_json(), format=99))
    with pytest.raises(exceptions.PointInvalid, match="format 99"):
        history.delete(second)
    assert history.shop.raw(second.image_id) == history.raw[second.image_id]
