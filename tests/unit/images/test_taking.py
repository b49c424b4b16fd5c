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

"""A name goes to one of several who want it at the same time, whatever the order of requests."""

from __future__ import annotations

import types
import uuid
from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, properties
from nova_swift_handler.images import named, taking, template
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import alive
from nova_swift_handler.transfer.jobs import operator, transfer_id
from tests.unit.store.memory import MemoryAccount
from tests.unit.transfer.stepped import Stepper
from tests.unit.transfer.world import NAMES, World

CONTAINER = NAMES.templates
NAME = "debian 12"


class Images:
    """Glance, as far as it is told of a failure or a change."""

    def __init__(self) -> None:
        self.deleted: List[str] = []
        self.names: Dict[str, str] = {}

    def delete(self, image_id: str) -> None:
        self.deleted.append(image_id)

    def get(self, image_id: str) -> Any:
        return types.SimpleNamespace(id=image_id, created_at="then")

    def change(self, image_id: str, wanted: Dict[str, Any]) -> None:
        self.names[image_id] = wanted["name"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(taking, "_PAUSE", 0.0)
    return World()


def _values(image_id: str, name: str = NAME) -> Dict[str, str]:
    return {"id": image_id, "name": name, "created_at": "then"}


def _create(account: Account, image_id: str, images: Images) -> str:
    with template.described(account, CONTAINER, NAME, _values(image_id),
                            images):  # type: ignore[arg-type]
        pass
    return image_id


def _services(account: MemoryAccount, images: Images) -> Any:
    return types.SimpleNamespace(
        containers=NAMES, credentials=types.SimpleNamespace(session=lambda: None),
        account=lambda session: account, images=lambda user, session: images)


def _queue(world: World) -> List[str]:
    return [name for container, name in world.account.objects if name.startswith(names.TAKING)]


@pytest.mark.parametrize("seed", range(60))
def test_one_of_several_who_store_under_a_name_gets_it(world: World, seed: int) -> None:
    images, ids = Images(), [str(uuid.uuid4()) for _each in range(2 + seed % 2)]
    found = Stepper(world.account, seed).run(*[
        lambda account, image_id=each: _create(account, image_id, images) for each in ids])
    won = [each for each in found if isinstance(each, str)]
    lost = [each for each in found if not isinstance(each, str)]
    assert len(won) == 1
    assert all(isinstance(each, exceptions.NameRefused) and "choose another name" in str(each)
               for each in lost)
    assert properties.read(world.account, CONTAINER, NAME) == _values(won[0])
    assert sorted(images.deleted) == sorted(set(ids) - set(won))
    assert _queue(world) == []


@pytest.mark.parametrize("seed", range(40))
def test_a_name_that_is_being_taken_is_not_given_to_another_by_a_change(
        world: World, seed: int) -> None:
    images, new, old = Images(), str(uuid.uuid4()), str(uuid.uuid4())
    properties.write(world.account, CONTAINER, "old", _values(old, "old"))

    def rename(account: MemoryAccount) -> str:
        named.change(_services(account, images), named.TEMPLATE, "old",
                     template.Attributes(), name=NAME)
        return old

    found = Stepper(world.account, seed).run(
        rename, lambda account: _create(account, new, images))
    won = [each for each in found if isinstance(each, str)]
    assert len(won) == 1, found
    assert properties.read(world.account, CONTAINER, NAME)["id"] == won[0]  # type: ignore[index]
    # Glance was not told of a name that something else has.
    assert images.names == ({old: NAME} if won == [old] else {})
    assert (properties.read(world.account, CONTAINER, "old") is None) is (won == [old])
    assert _queue(world) == []


@pytest.mark.parametrize("number", ["choosing", "0000000001"])
def test_what_a_killed_command_has_left_in_the_queue_is_passed_over(
        world: World, number: str) -> None:
    entry = "%s%s-%s" % (names.taking(NAME), number, uuid.uuid4())
    world.account.put_json(CONTAINER, entry, {"by": transfer_id(operator())})
    _create(world.account, str(uuid.uuid4()), Images())


def _left(world: World, mark: str) -> None:
    world.account.put_json(CONTAINER, "%s0000000001-%s" % (names.taking(NAME), uuid.uuid4()), {
        "by": mark}, headers={"X-Delete-After": str(taking.LIFETIME)})


@pytest.mark.parametrize("elsewhere", [True, False])
def test_one_who_may_be_at_it_is_waited_for_and_then_the_name_is_refused(
        world: World, elsewhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "_PATIENCE", 0.0)
    mark = transfer_id("swift-vhd@elsewhere" if elsewhere else operator())
    images, image_id = Images(), str(uuid.uuid4())
    with alive.announced(mark):
        _left(world, mark)
        with pytest.raises(exceptions.NameRefused, match="vanishes within 15 minutes"):
            _create(world.account, image_id, images)
    assert images.deleted == [image_id]
    assert len(_queue(world)) == 1
    assert not properties.exists(world.account, CONTAINER, NAME)
    world.account.now += taking.LIFETIME + 1
    _create(world.account, image_id, images)


def test_who_was_stopped_in_its_turn_does_not_write(world: World,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "_TURN", -1.0)
    with pytest.raises(exceptions.TransferFailed, match="say the command again"):
        _create(world.account, str(uuid.uuid4()), Images())
    assert not properties.exists(world.account, CONTAINER, NAME)


@pytest.mark.parametrize("failure", [None, exceptions.StoreError("PUT failed")])
def test_a_failure_removes_no_properties_of_something_else(
        world: World, failure: Optional[Exception]) -> None:
    """As where a listing came too late, and both thought to be alone."""
    images, mine, others = Images(), str(uuid.uuid4()), _values(str(uuid.uuid4()))
    with pytest.raises(type(failure) if failure else exceptions.NameRefused), template.described(
            world.account, CONTAINER, NAME, _values(mine),
            images) as check_held:  # type: ignore[arg-type]
        properties.write(world.account, CONTAINER, NAME, others)
        if failure:
            raise failure
        check_held()
    assert properties.read(world.account, CONTAINER, NAME) == others
    assert images.deleted == [mine]


def test_what_is_described_already_as_the_same_image_s_is_no_obstacle(world: World) -> None:
    """As by a rebuilding that saw it without properties."""
    image_id = str(uuid.uuid4())
    properties.write(world.account, CONTAINER, NAME, _values(image_id))
    _create(world.account, image_id, Images())
