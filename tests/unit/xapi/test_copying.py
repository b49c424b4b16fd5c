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

"""Flat copies: marked, watched, and never left half-made."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import copying, marked
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .records import GIB, NULL, Storage

TASK = "OpaqueRef:copying"


class Copying:
    """A host whose ``VDI.copy`` goes through these states of its task."""

    def __init__(self, host: hosts.Host, storage: Storage) -> None:
        self.states: List[Dict[str, Any]] = []
        self.cancelled = False
        self.marked_while_copied = ""
        self._storage = storage
        host.methods.update({"Async.VDI.copy": self.copy, "task.get_record": self.state,
                             "task.cancel": self.cancel, "task.destroy": self.destroy})
        self.asked: List[Any] = []
        self.destroyed = False

    def copy(self, *args: str) -> str:
        self.asked.append(args)
        self.marked_while_copied = self._storage.vdis["made"]["other_config"].get(marked.MARK, "")
        return TASK

    def state(self, ref: str) -> Dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"status": "pending", "progress": 0.0, "error_info": [], "result": "", **state}

    def cancel(self, ref: str) -> str:
        self.cancelled = True
        return ""

    def destroy(self, ref: str) -> str:
        self.destroyed = True
        return ""


@pytest.fixture
def storage(host: hosts.Host) -> Storage:
    made = Storage(host)
    made.add("vdi", name_label="disk", name_description="what", other_config={"image-id": "i"})
    return made


@pytest.fixture
def xapi(host: hosts.Host, storage: Storage) -> Copying:
    return Copying(host, storage)


def test_a_copy_is_marked_from_its_first_moment_on_and_inherits_no_config(
        session: sessions.Session, storage: Storage, xapi: Copying) -> None:
    xapi.states = [{"progress": 0.5}, {"status": "success", "progress": 1.0}]
    seen: List[Any] = []
    assert copying.copy(session, "vdi", "transfer-1",
                        progress=lambda *args: seen.append(args)) == "made"
    assert xapi.asked == [("OpaqueRef:vdi", NULL, NULL, "OpaqueRef:made")]
    assert xapi.marked_while_copied == "transfer-1"
    made = storage.vdis["made"]
    assert (made["name_label"], made["name_description"]) == ("disk", "what")
    assert made["other_config"] == {marked.MARK: "transfer-1"}
    assert seen == [(5 * GIB, 10 * GIB), (10 * GIB, 10 * GIB)]
    assert xapi.destroyed and not xapi.cancelled
    marked.release(session, "made")
    assert storage.vdis["made"]["other_config"] == {}


def test_a_failed_copy_is_destroyed(session: sessions.Session, storage: Storage, xapi: Copying,
                                    raises: Any) -> None:
    xapi.states = [{"status": "failure", "error_info": ["SR_BACKEND_FAILURE_46", "", "x", ""]}]
    with raises(exceptions.TaskFailed, "copying VDI vdi to VDI made failed.*FAILURE_46"):
        copying.copy(session, "vdi", "transfer-1")
    assert "made" not in storage.vdis
    assert xapi.destroyed and not xapi.cancelled


def test_a_copy_that_fills_the_sr_is_told_so_and_destroyed(
        session: sessions.Session, storage: Storage, xapi: Copying, raises: Any) -> None:
    storage.sr.update(physical_utilisation=str(100 * GIB - 4096 * 10))
    xapi.states = [{"status": "failure", "error_info": ["VDI_COPY_FAILED", "x"]}]
    with raises(exceptions.SrFull, "VDI_COPY_FAILED.*40960 bytes free"):
        copying.copy(session, "vdi", "transfer-1")
    assert "made" not in storage.vdis


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_interrupted_copy_is_cancelled_and_destroyed(
        session: sessions.Session, storage: Storage, xapi: Copying, error: Any) -> None:
    def check() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise error

    looks: List[int] = []
    xapi.states = [{"progress": 0.1}]
    with pytest.raises(error):
        copying.copy(session, "vdi", "transfer-1", check=check)
    assert xapi.cancelled and xapi.destroyed
    assert "made" not in storage.vdis


def test_a_copy_that_cannot_begin_leaves_nothing(session: sessions.Session, storage: Storage,
                                                 host: hosts.Host, raises: Any) -> None:
    def refuse(*args: str) -> str:
        raise hosts.Failure("VDI_IN_USE", "OpaqueRef:vdi", "copy")

    host.methods["Async.VDI.copy"] = refuse
    with raises(exceptions.XapiError, "VDI_IN_USE"):
        copying.copy(session, "vdi", "transfer-1")
    assert "made" not in storage.vdis


def test_nothing_is_made_where_there_is_no_room(session: sessions.Session, storage: Storage,
                                                xapi: Copying, raises: Any) -> None:
    storage.sr.update(type="lvm", physical_size="0")
    with raises(exceptions.SrFull, "copying VDI vdi needs"):
        copying.copy(session, "vdi", "transfer-1")
    assert not xapi.asked and "made" not in storage.vdis
