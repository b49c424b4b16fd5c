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

import contextlib
import itertools
from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, names, properties, sweep, views
from nova_swift_handler.catalog.audit import rebuild
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store.manifest import Entry

from .world import ABILITIES, DAY, NAMES, Killed, Mortal, Paused, World

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


def _damage(world: World, child: Point, how: str) -> None:
    """Let *child* be so damaged that it cannot be relinked."""
    account = world.account
    if how == "point.json":
        account.put(A, names.of_point(child.image_id, names.POINT), b"{")
    elif how == "table":
        own = {ref.table for ref in child.regions}
        for table in own:
            account.put(A, table, b"damaged")
    else:
        account.delete(A, child.segments[-1].name)


def _etags(world: World) -> Dict[Any, str]:
    """Return what is there, but for what a view that could not be written was to consist of."""
    return {key: value.etag for key, value in world.account.objects.items()
            if "/delta.vhd.parts/" not in key[1]}


DAMAGE = ["point.json", "table", "segment"]


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_child_keeps_its_parent_unless_forced(template: World, how: str) -> None:
    world = template.copied()
    first, second, third, grown, _other = _points(world)
    _damage(world, third, how)
    before = _etags(world)
    with pytest.raises(exceptions.PointInvalid, match="--force") as caught:
        world.delete(second)
    assert "%s/points/%s" % (A, third.image_id) in str(caught.value)
    assert _etags(world) == before
    done = deletion.delete(world.account, NAMES, ABILITIES, second, force=True)
    assert (done.relinked, done.unlinked) == ([], [third.image_id])
    assert not _traces(world, second)
    kept = {name for _container, name in _etags(world)
            if name.startswith(names.of_point(third.image_id, ""))}
    assert {key[1] for key in before if key[1].startswith(
        names.of_point(third.image_id, ""))} - kept == {
            names.of_point(third.image_id, names.DELTA_VIEW)}
    assert grown in world.points()
    assert first in world.points()


@pytest.mark.parametrize("damaged", [False, True])
def test_its_image_goes_when_nothing_stands_in_the_way_and_first(template: World,
                                                                 damaged: bool) -> None:
    world = template.copied()
    _first, second, third, *_others = _points(world)
    if damaged:
        _damage(world, third, "table")
    seen: List[bool] = []

    def withdraw() -> None:
        seen.append(second in world.points())
        raise exceptions.GlanceError("it is protected by now")

    before = _etags(world)
    with pytest.raises(exceptions.PointInvalid if damaged else exceptions.GlanceError):
        deletion.delete(world.account, NAMES, ABILITIES, second, withdraw=withdraw)
    assert seen == ([] if damaged else [True])
    assert {key for key in before if second.image_id in key[1]} <= set(_etags(world))
    assert second in world.points()
    if not damaged:
        world.check()


@pytest.mark.parametrize("how", ["point.json", "table"])
def test_a_damaged_child_is_mended_after_its_parent_was_deleted_by_force(
        template: World, how: str) -> None:
    world = template.copied()
    _first, second, third, _grown, _other = _points(world)
    _damage(world, third, how)
    deletion.delete(world.account, NAMES, ABILITIES, second, force=True)
    world.account.now += 20 * DAY
    with contextlib.suppress(exceptions.PointInvalid):  # as long as it is not known what it needs
        sweep.sweep(world.account, A, 7 * DAY, young=0)
    world.account.expire()
    made = rebuild.rebuild(world.account, NAMES, ABILITIES, A, active=lambda image_id: True)
    assert {each.state for each in made} == {rebuild.MADE}
    assert len(world.points()) == 4
    assert views.parent_of(world.account, A, third.image_id) == _first.image_id
    world.check()


def test_swift_not_answering_is_no_damage(template: World) -> None:
    class Failing(Paused):
        def request(self, verb: str, container: str, name: str = "") -> None:
            if (verb, name) == ("PUT", names.of_point(third.image_id, names.DELTA_VIEW)):
                raise exceptions.StoreUnreachable("503")

    world = template.copied()
    _first, second, third, _grown, _other = _points(world)
    with pytest.raises(exceptions.StoreUnreachable):
        deletion.delete(Failing(world.account), NAMES, ABILITIES, second, force=True)
    world.check()
    assert len(world.points()) == 5


def test_a_link_that_cannot_be_mended_keeps_no_other_from_it(template: World) -> None:
    world = template.copied()
    _first, second, third, _grown, _other = _points(world)
    _damage(world, second, "table")
    for point in (second, third):
        world.account.delete(A, names.of_point(point.image_id, names.DELTA_VIEW))
    with pytest.raises((exceptions.PointInvalid, exceptions.StoreError)):
        deletion.relink_broken(world.account, ABILITIES, A)
    assert (A, names.of_point(third.image_id, names.DELTA_VIEW)) in world.account.objects
