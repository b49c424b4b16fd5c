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

"""Machines of one host name are told apart, and none is taken for another after a restart."""

from __future__ import annotations

import pathlib
import types
from typing import Any, Callable, Dict, List

import pytest

from nova_swift_handler.images import begun
from nova_swift_handler.transfer import jobs, leftovers, machine
from nova_swift_handler.xapi import marked

Machine = Callable[[str, str], None]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Machine:
    """Be on the machine of an id, in a network namespace; all have one host name."""
    monkeypatch.setattr(jobs.socket, "gethostname", lambda: "compute")

    def be(machine_id: str, namespace: str = "net:[1]") -> None:
        path = tmp_path / "machine-id"
        path.write_text(machine_id + "\n")
        link = tmp_path / "net"
        link.unlink(missing_ok=True)
        link.symlink_to(namespace)
        monkeypatch.setattr(machine, "_IDS", (str(tmp_path / "none"), str(path)))
        monkeypatch.setattr(machine, "_NAMESPACE", str(link))

    return be


ONE, OTHER = "1" * 32, "2" * 32


def test_machines_and_containers_of_one_name_are_told_apart(on: Machine) -> None:
    found = []
    for place in ((ONE, "net:[1]"), (OTHER, "net:[1]"), (ONE, "net:[2]")):
        on(*place)
        found.append(jobs.operator())
    assert len(set(found)) == 3
    assert all(each.startswith("swift-vhd@compute+") and "/" not in each for each in found)
    assert not any(ONE in each or OTHER in each for each in found)
    on(ONE, "net:[1]")
    assert jobs.operator() == found[0]


@pytest.mark.parametrize("content", ["", "uninitialized", "\xe4"])
def test_a_machine_without_an_id_has_one_until_it_is_started_again(
        on: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path,
        content: str) -> None:
    on(content)
    boot = tmp_path / "boot"
    monkeypatch.setattr(machine, "_IDS", (*machine._IDS, str(boot)))
    nothing = machine.identity()
    boot.write_text("3d1219c7-c4c5-404a-aa1f-6d2a48adfda4\n")
    assert machine.identity() == machine.identity() != nothing


class Images:
    """Glance with one image that is queued."""

    def __init__(self, mark: str) -> None:
        self.deleted: List[str] = []
        self._mark = mark

    def every(self, **filters: str) -> List[Any]:
        return [self.get("an-image")]

    def get(self, image_id: str) -> Any:
        return types.SimpleNamespace(id=image_id, name="name", owner="project", status="queued",
                                     properties={begun.MARK: self._mark})

    def delete(self, image_id: str) -> None:
        self.deleted.append(image_id)


@pytest.mark.parametrize("where", ["here", "elsewhere", "a former release"])
def test_only_what_was_begun_on_this_machine_is_taken_for_abandoned(
        on: Machine, where: str, caplog: pytest.LogCaptureFixture) -> None:
    on(OTHER if where == "elsewhere" else ONE)
    mark = jobs.transfer_id("swift-vhd@compute" if where == "a former release"
                            else jobs.operator())
    on(ONE)
    images = Images(mark)
    begun.remove_abandoned(images, "name", "project")  # type: ignore[arg-type]
    assert images.deleted == (["an-image"] if where == "here" else [])
    if where != "here":
        assert mark in caplog.text and "delete it" in caplog.text


def test_vdis_that_a_former_release_has_left_are_told_and_stay(
        on: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    on(ONE)
    left: Dict[str, str] = {
        "former": "swift-vhd@compute/1", "another's": "swift-vhd@elsewhere/1",
        "mine": jobs.operator() + "/1"}
    destroyed: List[str] = []
    monkeypatch.setattr(marked, "_marked", lambda *args: list(left.items()))
    monkeypatch.setattr(marked, "_is_still_of", lambda *args: True)
    monkeypatch.setattr(marked.disks, "belongs_to_vm", lambda session, uuid: False)
    monkeypatch.setattr(marked.disks, "destroy_vdi",
                        lambda session, uuid, **more: destroyed.append(uuid))
    with leftovers.transfer(object(), "sr"):  # type: ignore[arg-type]
        pass
    assert destroyed == ["mine"]
    assert "former" in caplog.text and "another's" not in caplog.text
