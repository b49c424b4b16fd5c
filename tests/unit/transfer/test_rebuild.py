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

"""What a rebuild makes anew of templates, and that to try it changes nothing."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any, Dict, List, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import closing, finding, names, properties, views
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.audit import rebuild
from nova_swift_handler.catalog.audit.remake import Maker
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import lifetime
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.report import Report

from .world import ABILITIES, NAMES, Source, World

A = NAMES.volume("a")
T = NAMES.templates
SET = {"os_type": "linux", "a=b": "two\nlines", "#c": "d"}


def _template(world: World, origin: Dict[str, str]) -> Point:
    image_id = str(uuid.uuid4())
    held = {0: 10, 1: 11}
    world.disks[image_id] = held
    with snapshot.stored(
            world.services, world.account, Subject(
                image_id, "template", image_id, "project", "2026-01-01T00:00:00Z", origin),
            Source(held, 5), T, Report(lambda event: None), for_glance=True) as point:
        return point


@pytest.fixture
def world() -> World:
    return World()


def _rebuild(world: World, container: str, dry_run: bool = False) -> List[rebuild.Outcome]:
    return rebuild.rebuild(world.account, NAMES, ABILITIES, container, dry_run=dry_run,
                           active=lambda image_id: True)


def _state(world: World) -> Dict[object, object]:
    return {key: (value.modified, value.delete_at, value.etag)
            for key, value in world.account.objects.items()}


def test_properties_of_a_template_are_made_anew(world: World) -> None:
    point = _template(world, properties.origin("my template", Attributes(properties=SET)))
    wanted = properties.of_template(point)
    properties.write(world.account, T, "my template", wanted)
    assert _rebuild(world, T) == []
    world.account.delete(T, "my template.properties")
    tried, = _rebuild(world, T, dry_run=True)
    assert (tried.state, tried.what) == (rebuild.TO_MAKE, (finding.PROPERTIES,))
    assert not properties.exists(world.account, T, "my template")
    made, = _rebuild(world, T)
    assert (made.image_id, made.state, made.what) == (
        point.image_id, rebuild.MADE, (finding.PROPERTIES,))
    assert properties.parse(world.account.read(T, "my template.properties")) == wanted == {
        "name": "my template", "id": point.image_id, "kind": "template",
        "size": str(point.vhd_size), "virtual_size": str(point.virtual_size),
        "checksum": "blocks-sha256:" + point.digest, "created_at": point.image_created_at,
        "property.os_type": "linux", "property.a=b": "two\nlines", "property.#c": "d"}
    assert _rebuild(world, T) == []


def test_a_template_of_which_only_data_are_left_is_made_anew_with_them(world: World) -> None:
    point = _template(world, properties.origin("my template", Attributes(properties=SET)))
    for container, name in list(world.account.objects):
        if container == T and not name.startswith(names.DATA):
            world.account.delete(container, name)
    made, = _rebuild(world, T)
    assert (made.image_id, made.state) == (point.image_id, rebuild.MADE)
    assert list(properties.each(world.account, T)) == [properties.of_template(point)]
    assert _rebuild(world, T) == []
    world.check()


def test_a_point_that_is_made_anew_has_properties_that_are_there_left_alone(world: World) -> None:
    point = _template(world, properties.origin("my template", Attributes(properties=SET)))
    properties.write(world.account, T, "renamed", {"id": point.image_id, "name": "renamed"})
    world.account.delete(T, names.of_point(point.image_id, names.POINT))
    assert [each.state for each in _rebuild(world, T)] == [rebuild.MADE]
    assert [each["name"] for each in properties.each(world.account, T)] == ["renamed"]


def test_a_name_that_is_anothers_by_now_stays_so(world: World) -> None:
    one, two = (_template(world, properties.origin("my template", Attributes()))
                for _number in range(2))
    properties.write(world.account, T, "my template", properties.of_template(two))
    made, = _rebuild(world, T)
    assert made.image_id == one.image_id
    assert {each["id"]: each["name"] for each in properties.each(world.account, T)} == {
        one.image_id: one.image_id, two.image_id: "my template"}


def test_a_template_that_does_not_say_what_it_is_called_is_whole(world: World) -> None:
    point = _template(world, {})
    assert _rebuild(world, T) == []
    world.account.delete(T, names.of_point(point.image_id, names.POINT))
    assert [each.state for each in _rebuild(world, T)] == [rebuild.MADE]
    assert list(properties.each(world.account, T)) == []


def test_to_try_it_pardons_nothing(world: World) -> None:
    world.upload("a", {0: 10})
    lost = world.upload("a", {0: 10, 1: 21})
    for segment in lost.segments:
        lifetime.condemn(world.account, A, segment.name, int(world.account.now) + 86400)
    world.account.delete(A, names.of_point(lost.image_id, names.POINT))
    before = _state(world)
    tried = _rebuild(world, A, dry_run=True)
    assert [each.state for each in tried] == [rebuild.TO_MAKE]
    assert _state(world) == before
    assert [each.state for each in _rebuild(world, A)] == [rebuild.MADE]
    assert not [key for key, value in world.account.objects.items() if value.delete_at]
    world.check()


def test_a_point_of_which_nobody_knows_is_made_only_if_all_are_asked_for(world: World) -> None:
    """It may be of an upload that was killed, or of a point that was deleted."""
    point = world.upload("a", {0: 10})
    world.account.delete(NAMES.index, point.image_id)
    world.account.delete(A, names.of_point(point.image_id, names.POINT))
    before = _state(world)

    def again(active: bool = False, everything: bool = False,
              dry_run: bool = False) -> List[str]:
        return [each.state for each in rebuild.rebuild(
            world.account, NAMES, ABILITIES, A, dry_run=dry_run, everything=everything,
            active=lambda image_id: active and image_id == point.image_id)]

    assert again() == [rebuild.CANDIDATE]
    assert _state(world) == before
    assert again(active=True, dry_run=True) == [rebuild.TO_MAKE]
    assert again(everything=True) == [rebuild.MADE]
    assert world.points() == [point]
    world.check()
    world.account.delete(A, names.of_point(point.image_id, names.POINT))
    assert again() == [rebuild.MADE]  # the index has it
    world.check()


def _remembered(world: World) -> Tuple[Point, Maker, BlockMap, List[Segment]]:
    """Return a point, what makes its objects anew, and where its blocks are."""
    point = world.upload("a", {0: 10, 1: 11})
    maker = Maker(world.account, NAMES, ABILITIES, A)
    return (point, maker, *maker.salvaged(point))


def _swapped(blocks: BlockMap) -> BlockMap:
    """Return a map by which two blocks have changed places, and not their digests."""
    one, two = blocks.places()
    result = BlockMap(len(blocks))
    result.set(one._replace(slot=two.slot))
    result.set(two._replace(slot=one.slot))
    return result


def test_what_does_not_add_up_to_the_digest_makes_nothing(world: World) -> None:
    point, maker, blocks, stored = _remembered(world)
    name = names.closing(point.upload_id)
    world.account.put(A, name, closing.pack(point, _swapped(blocks), stored))
    with pytest.raises(exceptions.PointInvalid, match="add up"):
        maker.salvaged(point)
    other = dataclasses.replace(point, sequence=9)
    world.account.put(A, name, closing.pack(other, blocks, stored))
    with pytest.raises(exceptions.PointInvalid, match="tells of another point"):
        maker.salvaged(point)


def test_what_would_not_be_as_it_was_is_told(world: World) -> None:
    point, maker, blocks, stored = _remembered(world)
    with pytest.raises(exceptions.PointInvalid, match="for region 0"):
        maker.regions(point, _swapped(blocks), stored)
    ref, = point.regions
    change: Dict[str, Any]
    field: Dict[str, Any]
    for change in ({"etag": "0" * 32}, {"size": ref.parts[0]["size"] - 1}):
        other = dataclasses.replace(ref, parts=[{**ref.parts[0], **change}])
        with pytest.raises(exceptions.StoreCorrupt, match="otherwise than it was"):
            maker.regions(dataclasses.replace(point, regions=[other]), blocks, stored)
    for field in ({"head": "0" * 32}, {"vhd_size": point.vhd_size + 512}):
        with pytest.raises(exceptions.StoreCorrupt, match="is not what it was"):
            maker.disk(dataclasses.replace(point, **field), blocks, stored)
    maker.regions(point, blocks, stored)
    maker.disk(point, blocks, stored)
    world.check()


def test_a_delta_is_made_anew_of_an_older_point_of_its_size_and_no_other(world: World) -> None:
    world.upload("a", {0: 10})
    small = world.upload("a", {0: 10}, blocks=4)
    last = world.upload("a", {0: 10, 1: 21})
    delta = (A, names.of_point(last.image_id, names.DELTA_VIEW))
    for other in (small, last):
        found = world.account.objects[delta]
        found.headers = {**found.headers, views.PARENT_META.lower(): other.image_id}
        Maker(world.account, NAMES, ABILITIES, A).delta(last)
        assert views.parent_of(world.account, A, last.image_id) not in (
            small.image_id, last.image_id)
        world.check()


@pytest.fixture(scope="module")
def chained() -> World:
    """A volume of three points, each of which shares with the one before."""
    made = World()
    for held in ({0: 10, 1: 11}, {0: 10, 1: 12}, {0: 13, 1: 12, 2: 5}):
        made.upload("a", held)
    return made


def _lost(world: World) -> List[Any]:
    """Return pairs of objects beside the data, one of them a table."""
    beside = [key for key in world.account.objects if key[0] == A and not key[1].startswith(
        names.DATA)]
    return [(table, other) for table in beside if table[1].endswith(".table")
            for other in beside if other[1].startswith(names.POINTS)]


def test_one_run_makes_all_that_was_lost_together(chained: World) -> None:
    """As a point, and the table of its parent that its delta.vhd cannot be made without."""
    pairs = _lost(chained)
    assert len(pairs) > 30
    for pair in pairs:
        world = chained.copied()
        for key in pair:
            del world.account.objects[key]
        first, again = _rebuild(world, A), _rebuild(world, A)
        assert {each.state for each in first} == {rebuild.MADE}, (pair, first)
        assert again == [], (pair, again)
        world.check()


def test_what_cannot_be_made_is_told_once_and_ends_the_run(chained: World) -> None:
    world = chained.copied()
    parent, child, _last = sorted(world.points(), key=lambda point: point.sequence)
    for segment in parent.segments:
        del world.account.objects[segment.container, segment.name]
    for name in (parent.regions[0].table, names.of_point(child.image_id, names.POINT)):
        world.account.delete(A, name)
    found = _rebuild(world, A)
    assert {each.state for each in found} == {rebuild.LOST}
    told = [each.image_id for each in found]
    assert {parent.image_id, child.image_id} <= set(told)
    assert len(told) == len(set(told))
