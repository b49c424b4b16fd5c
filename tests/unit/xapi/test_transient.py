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

"""Snapshots made to be read: marked as nobody's disk, and never left behind."""

from __future__ import annotations

import logging
import threading
from typing import Any, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import marked, transient
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .records import Storage

MINE = "swift-vhd@here/1"


@pytest.fixture
def storage(host: hosts.Host) -> Storage:
    made = Storage(host)
    made.add("vdi", other_config={marked.MARK: "of-another/2", "kept": "yes"})

    def snapshot(ref: str, _params: Dict[str, str]) -> str:
        taken = dict(made.vdis["vdi"])
        taken.pop("uuid")
        made.add("taken", **{**taken, "is_a_snapshot": True,
                             "other_config": dict(taken["other_config"])})
        return "OpaqueRef:taken"

    def mark(ref: str, key: str, value: str) -> str:
        made.vdis[ref[len("OpaqueRef:"):]]["other_config"][key] = value
        return ""

    host.methods.update({
        "VDI.snapshot": snapshot, "VDI.add_to_other_config": mark,
        "VDI.get_uuid": lambda ref: made.vdis[ref[len("OpaqueRef:"):]]["uuid"]})
    return made


def test_it_says_which_transfer_it_is_for_and_that_it_is_the_snapshot_itself(
        session: sessions.Session, storage: Storage) -> None:
    with transient.snapshot(session, "vdi", MINE) as made:
        assert made == "taken"
        assert storage.vdis["taken"]["other_config"] == {marked.MARK: "taken " + MINE,
                                                         "kept": "yes"}
    assert list(storage.vdis) == ["vdi"]
    assert storage.vdis["vdi"]["other_config"][marked.MARK] == "of-another/2"


def test_it_goes_when_reading_fails(session: sessions.Session, storage: Storage) -> None:
    with pytest.raises(KeyboardInterrupt), transient.snapshot(session, "vdi", MINE):
        raise KeyboardInterrupt
    assert list(storage.vdis) == ["vdi"]


def test_it_goes_when_it_cannot_be_marked(host: hosts.Host, session: sessions.Session,
                                          storage: Storage) -> None:
    def refuse(*_args: Any) -> None:
        raise hosts.Failure("INTERNAL_ERROR", "full")

    host.methods["VDI.add_to_other_config"] = refuse
    with pytest.raises(exceptions.XapiError, match="marking snapshot taken"), transient.snapshot(
            session, "vdi", MINE):
        raise AssertionError
    assert list(storage.vdis) == ["vdi"]


def test_one_that_cannot_be_destroyed_is_told_and_what_was_read_is_good(
        host: hosts.Host, session: sessions.Session, storage: Storage,
        caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_ref: str) -> None:
        raise hosts.Failure("SR_BACKEND_FAILURE_80", "", "Failed to mark VDI hidden", "")

    with transient.snapshot(session, "vdi", MINE):
        host.methods["VDI.destroy"] = refuse
    assert "destroy it by hand" in [record.getMessage() for record in caplog.records
                                    if record.levelno == logging.ERROR][-1]


def test_a_snapshot_that_xapi_refuses_is_told(host: hosts.Host, session: sessions.Session,
                                              storage: Storage) -> None:
    def refuse(*_args: Any) -> None:
        raise hosts.Failure("SR_BACKEND_FAILURE_82", "", "Failed to snapshot VDI", "")

    host.methods["VDI.snapshot"] = refuse
    with pytest.raises(exceptions.XapiError,
                       match="making a snapshot of VDI vdi"), transient.snapshot(
            session, "vdi", MINE):
        raise AssertionError
    assert list(storage.vdis) == ["vdi"]


def test_one_whose_answer_is_lost_is_to_be_looked_for(host: hosts.Host, session: sessions.Session,
                                                      storage: Storage) -> None:
    cut = threading.Event()

    def drop(method: str) -> Any:
        if method == "VDI.snapshot":
            cut.set()
            return b""
        return None

    host.before = drop
    with pytest.raises(exceptions.XapiUnreachable,
                       match="swift-vhd sr show, and destroy it"), transient.snapshot(
            session, "vdi", MINE):
        raise AssertionError
    assert cut.is_set()
