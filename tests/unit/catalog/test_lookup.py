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

"""Points of a container, whatever else is there."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.vhd import constants
from tests.unit.transfer.world import NAMES, World

from . import places

GOOD = places.point(image_id="good")


class Account:
    """A container with one good point, and what cannot be one."""

    objects = {
        "points/newer/point.json": json.dumps(dict(GOOD.as_json(), format=9)),
        "points/damaged/point.json": "{}",
        "points/good/point.json": json.dumps(GOOD.as_json()),
        "points/good/head": "",
    }

    def listing(self, container, prefix):
        return [{"name": name} for name in [*self.objects, "points/vanished/point.json"]]

    def get_json(self, container, name):
        if name not in self.objects:
            raise exceptions.ObjectMissing("gone")
        return json.loads(self.objects[name])


def test_points_that_cannot_be_read_are_passed_over():
    found = list(lookup.points(Account(), "c"))
    assert [dataclasses.asdict(point) for point in found] == [dataclasses.asdict(GOOD)]


@pytest.fixture(scope="module")
def template() -> World:
    world = World()
    world.upload("a", {0: 10, 1: 11})
    world.upload("a", {0: 10, 1: 21})
    return world


@pytest.fixture
def world(template: World) -> World:
    return template.copied()


def test_an_image_has_the_point_of_its_id_and_no_other(world: World) -> None:
    one, two = world.points()
    assert lookup.find(world.account, NAMES, one.image_id) == one
    name = names.of_point(one.image_id, names.POINT)
    wrong: Dict[str, Any]
    for wrong in ({"image_id": two.image_id}, {"container": NAMES.volume("b")}):
        world.account.put_json(one.container, name, {**one.as_json(), **wrong})
        with pytest.raises(exceptions.PointInvalid, match="says it is image"):
            lookup.find(world.account, NAMES, one.image_id)
    world.account.delete(one.container, name)
    assert lookup.find(world.account, NAMES, one.image_id) is None


def test_tables_are_what_their_names_say(world: World) -> None:
    one, two = world.points()
    lookup.blocks(world.account, one)
    world.account.put(one.container, one.regions[0].table, world.account.get(
        two.container, two.regions[0].table))
    with pytest.raises(exceptions.PointInvalid, match="not the table it was"):
        lookup.blocks(world.account, one)


def test_tables_add_up_to_the_digest(world: World) -> None:
    one, two = world.points()
    for other in ({"regions": two.regions}, {"regions": []}, {"digest": two.digest},
                  {"virtual_size": one.virtual_size + 512}):
        with pytest.raises(exceptions.PointInvalid, match="do not add up"):
            lookup.blocks(world.account, dataclasses.replace(one, **other))  # type: ignore


def test_tables_end_with_the_disk(world: World) -> None:
    one = world.points()[0]
    with pytest.raises(exceptions.PointInvalid, match="beyond the end"):
        lookup.blocks(world.account, dataclasses.replace(
            one, virtual_size=constants.BLOCK_SIZE))


def test_a_point_is_of_the_image_of_its_owner_and_time() -> None:
    point = places.point(project_id="p", image_created_at="2026-01-01T00:00:00Z")
    assert lookup.is_of(point, "p", "2026-01-01T00:00:00Z")
    assert not lookup.is_of(point, "q", "2026-01-01T00:00:00Z")
    assert not lookup.is_of(point, "p", "2026-01-01T00:00:01Z")
    assert not lookup.is_of(point, "", "")
