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

"""At no moment of a deletion, killed or not, is anything else less than whole."""

from __future__ import annotations

import itertools
from typing import Any, List

import pytest

from nova_swift_handler.catalog import deletion, names, properties
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store.manifest import Entry

from .world import ABILITIES, NAMES, Killed, Mortal, Paused, World

A = NAMES.volume("a")


@pytest.fixture(scope="module")
def template() -> World:
    world = World()
    world.upload("a", {0: 10, 1: 11, 2: 12})
    world.upload("a", {0: 10, 1: 21})
    third = world.upload("a", {0: 10, 1: 31, 4: 34})
    world.upload("a", {0: 10, 1: 31, 4: 34, 6: 46}, blocks=7)
    world.upload("b", {0: 10, 3: 43}, base=third.image_id)
    return world


def _points(world: World) -> List[Point]:
    return sorted(world.points(), key=lambda point: (point.container, point.sequence))


def _traces(world: World, point: Point) -> List[Any]:
    return [key for key in world.account.objects
            if point.image_id in key[1] or key[1] == names.closing(point.upload_id)
            or key[1].startswith(names.INTENTS)]


@pytest.mark.parametrize("number", range(5))
def test_at_every_request_all_complete_points_are_whole(template: World, number: int) -> None:
    at = 0
    while True:
        at += 1
        world = template.copied()
        point = _points(world)[number]
        paused = Paused(world.account, at, world.check)
        world.delete(point, paused)
        world.check()
        assert not _traces(world, point)
        assert len(world.points()) == 4
        if paused.made < at:
            return


@pytest.mark.parametrize("number", range(5))
def test_killed_at_every_request_it_harms_nobody_and_is_finished_by_repeating(
        template: World, number: int) -> None:
    at = 0
    while True:
        at += 1
        world = template.copied()
        point = _points(world)[number]
        mortal = Mortal(world.account, at)
        try:
            world.delete(point, mortal)
        except Killed:
            world.check()
            world.delete(point)
            world.check()
            assert [key for key in _traces(world, point)
                    if not key[1].startswith(names.INTENTS)] == []
            continue
        return


def test_points_go_in_any_order(template: World) -> None:
    for order in itertools.permutations(range(5), 3):
        world = template.copied()
        points = _points(world)
        for number in order:
            world.delete(points[number])
        world.check()
        assert len(world.points()) == 2


def test_a_point_without_its_index_entry_is_found(template: World) -> None:
    world = template.copied()
    point = _points(world)[1]
    world.account.delete(NAMES.index, point.image_id)
    assert deletion.find(world.account, NAMES, point.image_id) == point
    assert deletion.find(world.account, NAMES, "another") is None


def test_a_broken_link_is_mended(template: World) -> None:
    world = template.copied()
    _first, second, third, _grown, _other = _points(world)
    for container, name in list(world.account.objects):
        if second.image_id in name:
            world.account.delete(container, name)
    assert deletion.relink_broken(world.account, ABILITIES, A, dry_run=True) == [third.image_id]
    with pytest.raises(AssertionError, match="which is gone"):
        world.check()
    assert deletion.relink_broken(world.account, ABILITIES, A) == [third.image_id]
    assert deletion.relink_broken(world.account, ABILITIES, A) == []
    world.check()


def test_an_iso_goes_with_its_properties_and_leaves_its_data_to_the_sweep() -> None:
    world = World()
    stored = world.account.put(NAMES.isos, "data/one/000000", b"an ISO")
    properties.write(world.account, NAMES.isos, "mine", {"id": "i"})
    properties.write(world.account, NAMES.isos, "other", {"id": "j"})
    view = world.account.put_manifest(NAMES.isos, "points/i/disk.iso", [
        Entry("/%s/data/one/000000" % NAMES.isos, stored.etag, stored.size)])
    world.account.put_manifest(NAMES.images, "i", [
        Entry("/%s/points/i/disk.iso" % NAMES.isos, view.etag, view.size)])
    world.account.put_json(NAMES.index, "i", {})
    for _again in range(2):
        deletion.delete_iso(world.account, NAMES, "i")
        assert sorted(name for _container, name in world.account.objects) == [
            ".abilities", "data/one/000000", "other.properties"]
