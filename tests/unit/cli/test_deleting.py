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

"""A snapshot whose image Glance has, or may have, is not deleted without being told to."""

from __future__ import annotations

import types
from typing import Any, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.cli import deleting
from tests.unit.transfer.world import World
from tests.unit.upkeep.test_housekeep import Cloud, Glance


@pytest.fixture
def cloud() -> Cloud:
    world, glance = World(), Glance()
    ids = [world.upload("a", {0: 10, 1: 11 + number}).image_id for number in range(2)]
    for image_id in ids:
        glance.add(image_id)
    return Cloud(world, glance, ids)


def _delete(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *args: str) -> List[Any]:
    monkeypatch.setattr(deleting.services, "of", lambda command: cloud.services)
    command: Any = deleting.Delete(types.SimpleNamespace(), None)
    _columns, rows = command.take_action(command.get_parser("delete").parse_args(args))
    return list(rows)


def test_one_that_glance_has(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(exceptions.GlanceError, match="would lose its bytes"):
        _delete(cloud, monkeypatch, cloud.ids[0])
    assert cloud.left() == cloud.ids
    assert len(_delete(cloud, monkeypatch, "--with-image", cloud.ids[0])) == 1
    assert cloud.glance.deleted == [cloud.ids[0]]
    assert cloud.left() == cloud.ids[1:]


def test_one_that_glance_has_not(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    del cloud.glance.images[cloud.ids[0]]
    _delete(cloud, monkeypatch, cloud.ids[0])
    assert cloud.left() == cloud.ids[1:]


def test_one_that_glance_may_have_and_not_show(cloud: Cloud,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    del cloud.glance.images[cloud.ids[0]]
    cloud.glance.admin = False
    with pytest.raises(exceptions.GlanceError, match="role 'admin'"):
        _delete(cloud, monkeypatch, cloud.ids[0])
    assert cloud.left() == cloud.ids
    _delete(cloud, monkeypatch, "--with-image", cloud.ids[0])
    assert cloud.left() == cloud.ids[1:]
