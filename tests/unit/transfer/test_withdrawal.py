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

"""A complete point is taken back, its image having failed, while another is compared with it."""

from __future__ import annotations

from typing import Any, List

import pytest

from nova_swift_handler.catalog import names, sweep, views
from nova_swift_handler.catalog.point import Point

from .world import DAY, NAMES, Paused, World

A = NAMES.volume("a")
WITHDRAWN = {0: 10, 1: 21, 2: 22, 3: 23}
CHILD = {0: 10, 1: 21, 3: 33, 4: 34}
"""Shares a block with the first point, and another with the one that is withdrawn alone."""


class Refused(Exception):
    """Glance does not want the image."""


@pytest.fixture(scope="module")
def template() -> World:
    world = World()
    world.upload("a", {0: 10, 1: 11, 2: 12})
    return world


def _check(world: World, withdrawn: Point, child: Point) -> None:
    """See that of the two the *child* alone is left, and stays whole when nothing dead is."""
    assert child.image_id in [point.image_id for point in world.points()]
    assert [name for _container, name in world.account.objects
            if withdrawn.image_id in name or name.startswith(names.INTENTS)
            or name == names.closing(withdrawn.upload_id)] == []
    assert views.parent_of(world.account, A, child.image_id) != withdrawn.image_id
    world.check()
    world.account.now += 10 * DAY
    sweep.sweep(world.account, A, 7 * DAY, young=0)
    world.account.expire()
    world.check()
    assert len(world.points()) == 2


def _taken_back(storing: Any) -> None:
    assert not storing.__exit__(Refused, Refused(), None)


def test_another_is_stored_at_any_moment_of_it(template: World) -> None:
    at, compared = 0, 0
    while True:
        at += 1
        world = template.copied()
        children: List[Point] = []

        def other(world: World = world, children: List[Point] = children) -> None:
            children.append(world.upload("a", CHILD, Paused(world.account)))

        paused = Paused(world.account)
        storing = world.storing("a", WITHDRAWN, paused)
        point = storing.__enter__()
        paused.made, paused._at, paused._act = 0, at, other
        _taken_back(storing)
        if paused.made < at:
            break
        compared += children[0].parent == point.image_id
        _check(world, point, children[0])
    assert compared > 5


def test_it_is_taken_back_at_any_moment_of_storing_another(template: World) -> None:
    at, compared = 0, 0
    while True:
        at += 1
        world = template.copied()
        storing = world.storing("a", WITHDRAWN, Paused(world.account))
        point = storing.__enter__()
        paused = Paused(world.account, at, lambda storing=storing: _taken_back(storing))
        child = world.upload("a", CHILD, paused)
        if paused.made < at:
            _taken_back(storing)
        compared += child.parent == point.image_id
        _check(world, point, child)
        if paused.made < at:
            break
    assert compared > 20
