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

"""What the doctor makes of figures: room, depths, clocks, versions."""

from __future__ import annotations

import dataclasses
from importlib import metadata
from typing import Any, Dict

import pytest

from nova_swift_handler.doctor import check, clocks, host, nova
from nova_swift_handler.xapi import sizes
from nova_swift_handler.xapi.repository import Repository

GIB = 1024 ** 3
SR = Repository("ref", "uuid", "local", "ext", sizes.FILE, 100 * GIB, 0, 0, False, {})


@pytest.mark.parametrize("taken, state", [
    (0, check.OK), (90 * GIB, check.OK), (90 * GIB + 1, check.WARNING),
    (99 * GIB, check.WARNING), (99 * GIB + 1, check.WRONG), (100 * GIB, check.WRONG),
    (101 * GIB, check.WRONG)])
def test_room(taken: int, state: str) -> None:
    found = host.judge(dataclasses.replace(SR, physical_utilisation=taken))
    assert found.state == state
    assert bool(found.mend) is (state != check.OK)


def test_an_sr_without_a_size() -> None:
    assert host.judge(dataclasses.replace(SR, physical_size=0)).state == check.WRONG


@pytest.mark.parametrize("depths, state", [
    ({}, check.OK), ({"a": 19}, check.OK), ({"a": 1, "b": 20}, check.WARNING),
    ({"a": 29}, check.WARNING), ({"a": 30, "b": 20}, check.WRONG)])
def test_depths(depths: Dict[str, int], state: str) -> None:
    found = host.judge_depths("chains", depths, 20)
    assert found.state == state
    if state != check.OK:
        deepest = max(depths, key=lambda uuid: depths[uuid])
        assert "%s (%d)" % (deepest, depths[deepest]) in found.found


@pytest.mark.parametrize("theirs, state", [
    (1000, check.OK), (1001, check.OK), (999, check.OK), (994, check.OK), (993, check.WARNING),
    (1006, check.OK), (1007, check.WARNING), (930, check.WRONG), (1090, check.WRONG)])
def test_clocks(theirs: int, state: str) -> None:
    """Theirs is cut to whole seconds, and was said between our two."""
    assert clocks.judge("clock", "it", theirs, 1000.0, 1001.5).state == state


@pytest.mark.parametrize("theirs, word", [(500, "behind"), (1500, "ahead of")])
def test_which_clock_is_behind(theirs: int, word: str) -> None:
    found = clocks.judge("clock", "Swift", theirs, 1000.0, 1000.5)
    assert word in found.found
    assert "Swift" in found.mend


@pytest.mark.parametrize("version, state", [
    ("21.2.4", check.OK), ("20.6.1", check.WARNING), ("18.3.0", check.WARNING),
    ("17.0.0", check.WRONG), ("22.0.0", check.WRONG)])
def test_versions_of_nova(monkeypatch: pytest.MonkeyPatch, version: str, state: str) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: {"nova": version}[name])
    site: Any = None
    assert [each.state for each in nova.version(site)] == [state]


def test_a_python_without_nova(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    monkeypatch.setattr(nova.importlib.util, "find_spec", lambda name: None)
    site: Any = None
    for look in (nova.version, nova.in_use, nova.signatures):
        assert [each.state for each in look(site)] == [check.NOT_CHECKED]


@pytest.mark.parametrize("missing", [(), ("os_vif",), ("nova.virt.xenapi.image_handlers",)])
def test_entry_points(monkeypatch: pytest.MonkeyPatch, missing: Any) -> None:
    monkeypatch.setattr(nova, "_entry", lambda group, name: group not in missing)
    site: Any = None
    found = list(nova.entry_points(site))
    assert [each.state == check.WRONG for each in found] == [
        group in missing for group in ("os_vif", "nova.virt.xenapi.image_handlers")]
