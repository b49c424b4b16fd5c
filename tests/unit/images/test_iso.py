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

"""An ISO is what its properties say, or is not stored."""

from __future__ import annotations

import hashlib
import os
import pathlib
import types
from typing import Any, Iterator, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import intent, names, sweep
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.images import iso
from tests.unit.transfer.world import NAMES, Paused, World

MIB = 2 ** 20
IMAGE: Any = types.SimpleNamespace(id="0a0a0a0a-1111-2222-3333-444444444444", created_at="2026")


@pytest.fixture
def path(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    made = tmp_path / "tools.iso"
    made.write_bytes(bytes(0x8001) + b"CD001" + os.urandom(18 * MIB))
    os.utime(made, (1, 1))  # so that no clock is too coarse to see a change
    yield made


def _prepared(world: World, account: Any, path: pathlib.Path) -> Any:
    return iso.prepared(world.services, account, IMAGE, "tools", str(path), Attributes(),
                        lambda done, total: None, False)


def _left(world: World) -> List[str]:
    return [name for container, name in world.account.objects
            if container == NAMES.isos or name == IMAGE.id]


def test_what_is_stored_is_the_file(path: pathlib.Path) -> None:
    world = World()
    with _prepared(world, world.account, path) as (values, _published):
        data = world.account.read(NAMES.isos, names.of_point(IMAGE.id, names.ISO_VIEW))
        assert data == path.read_bytes()
        assert values["checksum"] == "sha256:" + hashlib.sha256(data).hexdigest()
        assert values["size"] == str(len(data))


@pytest.mark.parametrize("at", range(3, 6))
@pytest.mark.parametrize("change", ["bytes", "longer", "shorter"])
def test_a_file_that_changes_while_it_is_stored_is_refused(
        path: pathlib.Path, change: str, at: int) -> None:
    """It is read twice: the digest would not be that of what is stored.

    The requests are those that store its three parts.
    """
    world = World()

    def act() -> None:
        with open(path, "r+b") as file:
            if change == "shorter":
                file.truncate(17 * MIB)
            else:
                file.seek(-9, os.SEEK_END)
                file.write(b"x" * (9 if change == "bytes" else 900))

    account = Paused(world.account, at, act)
    with pytest.raises(exceptions.ImageUnsupported, match="was changed while it was read"), (
            _prepared(world, account, path)):
        pytest.fail("it was stored")
    assert _left(world) == []


def test_an_iso_whose_storing_was_stopped_for_hours_stays_though_it_was_swept_meanwhile(
        path: pathlib.Path) -> None:
    at = 0
    while True:
        at += 1
        world = World()
        paused = Paused(world.account, at)

        def stopped(world: World = world, paused: Paused = paused) -> None:
            world.account.now += intent.LIFETIME + 1
            paused.now = world.account.now
            sweep.sweep(world.account, NAMES.isos, sweep.LEAST_GRACE, young=0)

        paused._act = stopped
        with _prepared(world, paused, path):
            pass
        world.account.expire()
        assert world.account.read(
            NAMES.isos, names.of_point(IMAGE.id, names.ISO_VIEW)) == path.read_bytes()
        if paused.made < at:
            return
