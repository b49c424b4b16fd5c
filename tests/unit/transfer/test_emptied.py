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

"""A volume's container goes when it is empty, and never under a snapshot that begins just then."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import emptied, names, sweep
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.store.account import Stored
from tests.unit.store.memory import MemoryAccount

from .world import DAY, NAMES, Paused, World

GRACE = 7 * DAY
A = NAMES.volume("a")
ACL = "x-container-read"


def _look_after(world: World, account: Optional[MemoryAccount] = None,
                dry_run: bool = False) -> bool:
    """Do to volume a's container what housekeeping does."""
    account = account or world.account
    try:
        if sweep.sweep(account, A, GRACE, young=0, dry_run=dry_run).live:
            return False
    except exceptions.ObjectMissing:
        return False
    return emptied.remove(account, A, GRACE, dry_run)


@pytest.fixture(scope="module")
def template() -> World:
    """Volume a had a point, which was deleted and swept long ago; volume b has one."""
    world = World()
    world.account.there[NAMES.images][ACL] = "glance"
    point = world.upload("a", {0: 10, 1: 11})
    world.upload("b", {0: 20})
    record.keep(world.account, record.Verdict(A, [], 0, []), record.How())
    world.delete(point)
    world.account.now += DAY
    sweep.sweep(world.account, A, GRACE, young=0)
    world.account.expire()
    world.account.now += 10 * DAY
    return world


@pytest.fixture
def world(template: World) -> World:
    return template.copied()


def _there(world: World) -> List[str]:
    return [name for container, name in world.account.objects if container == A]


def test_an_empty_one_goes(world: World) -> None:
    assert sorted(_there(world)) == [sweep.STATE, record.NAME]
    assert _look_after(world, dry_run=True)
    assert sorted(_there(world)) == [sweep.STATE, record.NAME]
    assert _look_after(world)
    assert A not in world.account.there
    assert _there(world) == []
    assert not emptied.remove(world.account, A, GRACE)
    world.check()
    world.upload("a", {0: 30})
    world.check()
    assert world.account.there[A][ACL] == "glance"


def test_one_with_a_point_stays(world: World) -> None:
    world.upload("a", {})
    assert not _look_after(world)
    assert not emptied.remove(world.account, A, GRACE)
    world.check()
    assert len(world.points()) == 2


@pytest.mark.parametrize("name", [names.intent("u"), names.SWEEPS + "s", "of-somebody-else",
                                  names.reference("b"), names.segment("u", 0)])
def test_one_with_anything_in_it_stays_as_it_is(world: World, name: str) -> None:
    world.account.put_json(A, name, {"kind": "upload", "image_id": "i"})
    before = sorted(_there(world))
    assert not emptied.remove(world.account, A, GRACE)
    assert sorted(_there(world)) == before


def test_a_young_one_stays(world: World) -> None:
    made = float(world.account.there[A]["x-timestamp"])
    world.account.now = made + GRACE - 1
    assert not emptied.remove(world.account, A, GRACE)
    world.account.now = made + GRACE
    assert emptied.remove(world.account, A, GRACE)


@pytest.mark.parametrize("state", [None, {"points": ["p"]}, {}, [], "x"])
def test_one_of_which_it_is_not_known_that_there_was_no_point_stays(
        world: World, state: Any) -> None:
    world.account.delete(A, sweep.STATE)
    if state is not None:
        world.account.put_json(A, sweep.STATE, state)
    assert not emptied.remove(world.account, A, GRACE)
    assert A in world.account.there


def test_one_whose_listing_is_late_stays(world: World) -> None:
    class Late(Paused):
        def listing(self, *args: Any, **kwargs: Any) -> Iterator[Dict[str, Any]]:
            return iter([row for row in super().listing(*args, **kwargs)
                         if row["name"] in (sweep.STATE, record.NAME)])

    world.upload("a", {0: 10})
    world.account.put_json(A, sweep.STATE, {"points": []})
    assert not emptied.remove(Late(world.account), A, GRACE)
    world.check()
    assert sweep.STATE in _there(world)


def _survived(world: World) -> None:
    world.check()
    assert sorted(point.container for point in world.points()) == [A, NAMES.volume("b")]
    assert world.account.there[A][ACL] == "glance"
    world.account.now += 10 * DAY
    assert not _look_after(world)
    world.account.expire()
    world.check()


def test_a_snapshot_begins_at_any_moment_of_it(template: World) -> None:
    at = 0
    while True:
        at += 1
        world = template.copied()
        paused = Paused(world.account, at, lambda world=world: world.upload(
            "a", {0: 30, 2: 32}, Paused(world.account)))
        _look_after(world, paused)
        if paused.made < at:
            break
        _survived(world)
    assert at > 10


def test_it_goes_at_any_moment_of_a_snapshot(template: World) -> None:
    at, went = 0, []
    while True:
        at += 1
        world = template.copied()
        paused = Paused(world.account, at, lambda world=world: went.append(
            _look_after(world, Paused(world.account))))
        world.upload("a", {0: 30, 2: 32}, paused)
        if paused.made < at:
            break
        _survived(world)
    assert at > 20
    # Before it is announced, and not after.
    assert went == sorted(went, reverse=True)
    assert went.count(True) >= 5


def test_a_proxy_that_takes_objects_for_a_container_that_is_gone(world: World) -> None:
    class Cached(Paused):
        lost = 0

        def _put(self, container: str, *args: Any) -> Stored:
            if container not in self.there and not self.lost:
                self.lost += 1
                return Stored("", 0)
            return super()._put(container, *args)

        def request(self, verb: str, container: str, name: str = "") -> None:
            if verb == "PUT" and name.startswith(names.INTENTS) and not self.lost:
                assert _look_after(world, Paused(world.account))

    cached = Cached(world.account)
    world.upload("a", {0: 30}, cached)
    assert cached.lost == 1
    _survived(world)


def test_a_container_that_keeps_vanishing_is_told_of(world: World) -> None:
    class Vanishing(Paused):
        def request(self, verb: str, container: str, name: str = "") -> None:
            if verb == "PUT" and container == A and name:
                self.there.pop(A, None)

    with pytest.raises(exceptions.ObjectMissing):
        world.upload("a", {0: 30}, Vanishing(world.account))


def test_where_nothing_was_set_up_it_is_said_what_to_run(world: World) -> None:
    for name in (NAMES.index, NAMES.images):
        del world.account.there[name]
    with pytest.raises(exceptions.ObjectMissing, match="swift-vhd setup"):
        world.upload("c", {0: 30})
    assert NAMES.volume("c") not in world.account.there
