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

"""VDIs that nobody was told of are found by the transfer that made them, and no others."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import marked
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .conftest import Clock

SR = "OpaqueRef:sr"
MINE, OTHER = "transfer-1", "transfer-2"
MIB = 1024 ** 2


class Storage:
    """An SR with any number of VDIs."""

    def __init__(self, host: hosts.Host) -> None:
        self.vdis: Dict[str, Dict[str, Any]] = {}
        self.operations: List[Dict[str, str]] = []
        self.looks = 0
        host.methods.update({
            "SR.get_uuid": lambda ref: "sr-uuid", "VDI.create": self.create,
            "VDI.get_record": self.get, "VDI.destroy": self.destroy,
            "VDI.get_by_uuid": lambda uuid: "OpaqueRef:" + uuid,
            "SR.get_current_operations": self.current,
            "VDI.get_all_records_where": self.where,
            "VDI.remove_from_other_config": self.unmark})

    def create(self, record: Dict[str, Any]) -> str:
        return self.add("made", record["other_config"], record["virtual_size"])

    def add(self, uuid: str, other_config: Dict[str, str], size: Any = "1",
            snapshot: bool = False) -> str:
        self.vdis["OpaqueRef:" + uuid] = {
            "uuid": uuid, "other_config": other_config, "virtual_size": size,
            "is_a_snapshot": snapshot}
        return "OpaqueRef:" + uuid

    def get(self, ref: str) -> Dict[str, Any]:
        if ref not in self.vdis:
            raise hosts.Failure("HANDLE_INVALID", "VDI", ref)
        return self.vdis[ref]

    def destroy(self, ref: str) -> str:
        del self.vdis[ref]
        return ""

    def current(self, ref: str) -> Dict[str, str]:
        assert ref == SR
        return self.operations.pop(0) if self.operations else {}

    def where(self, query: str) -> Dict[str, Any]:
        assert query == 'field "SR" = "%s"' % SR
        self.looks += 1
        return self.vdis

    def unmark(self, ref: str, key: str) -> str:
        self.vdis[ref]["other_config"].pop(key, None)
        return ""


@pytest.fixture
def storage(host: hosts.Host, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setattr(marked, "_PAUSE", 0.01)
    return Storage(host)


@pytest.fixture
def brief(storage: Storage, session: sessions.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks passes all the time that there is."""
    monkeypatch.setattr(marked, "time", Clock())
    monkeypatch.setattr(marked, "_PAUSE", session.settings.read_timeout)


def _create(session: sessions.Session) -> str:
    return marked.create(session, MINE, SR, MIB, "name", "", {"k": "v"})


def test_a_vdi_is_marked_until_it_is_handed_over(session: sessions.Session,
                                                 storage: Storage) -> None:
    assert _create(session) == "made"
    record, = storage.vdis.values()
    assert record["other_config"] == {"k": "v", "swift_vhd_transfer": MINE}
    marked.release(session, "made")
    assert record["other_config"] == {"k": "v"}


def test_one_whose_creation_was_not_answered_is_destroyed(
        session: sessions.Session, storage: Storage, host: hosts.Host, raises: Any) -> None:
    def lose(method: str) -> Any:
        if method != "VDI.create":
            return None
        host.before = None
        storage.add("made", {marked.MARK: MINE})
        return b"HTTP/1.1 500 Internal Error\r\nConnection: close\r\n\r\n"

    storage.add("guest", {"k": "v"})
    host.before = lose
    with raises(exceptions.XapiUnreachable, "creating a VDI"):
        _create(session)
    assert list(storage.vdis) == ["OpaqueRef:guest"]


def test_a_refusal_is_told_at_once(session: sessions.Session, storage: Storage,
                                   host: hosts.Host, raises: Any) -> None:
    def fail(record: Any) -> None:
        raise hosts.Failure("SR_BACKEND_FAILURE_44", "", "no space", "")

    host.methods["VDI.create"] = fail
    with raises(exceptions.SrFull, "creating a VDI"):
        _create(session)
    assert storage.looks == 0


def test_other_transfers_vdis_stay(session: sessions.Session, storage: Storage) -> None:
    storage.add("theirs", {marked.MARK: OTHER})
    storage.add("guest", {})
    storage.add("mine", {marked.MARK: MINE})
    assert marked.destroy(session, MINE, SR) == 1
    assert sorted(storage.vdis) == ["OpaqueRef:guest", "OpaqueRef:theirs"]


def test_what_is_being_created_is_waited_for(session: sessions.Session,
                                             storage: Storage, host: hosts.Host) -> None:
    def look(query: str) -> Dict[str, Any]:
        if not storage.operations:  # it has just ended
            storage.add("late", {marked.MARK: MINE})
        return storage.vdis

    host.methods["VDI.get_all_records_where"] = look
    storage.operations = [{"task": "vdi_create"}] * 5
    assert marked.destroy(session, MINE, SR) == 1
    assert storage.vdis == {}


def test_nothing_is_found_where_nothing_is(session: sessions.Session, storage: Storage) -> None:
    assert marked.destroy(session, MINE, SR) == 0
    assert storage.looks == 2


@pytest.mark.usefixtures("brief")
def test_others_creations_are_not_waited_for_for_ever(session: sessions.Session,
                                                      storage: Storage) -> None:
    storage.operations = [{"task": "vdi_create"}] * 10 ** 6
    assert marked.destroy(session, MINE, SR) == 0
    assert storage.looks == 2


def test_a_host_that_comes_back_in_time_is_asked_again(
        session: sessions.Session, storage: Storage, host: hosts.Host) -> None:
    down = [b"HTTP/1.1 500 Internal Error\r\nConnection: close\r\n\r\n"] * 4
    host.before = lambda method: down.pop() if down else None
    storage.add("mine", {marked.MARK: MINE})
    assert marked.destroy(session, MINE, SR) == 1
    assert not down


@pytest.mark.usefixtures("brief")
def test_a_host_that_does_not_is_told(session: sessions.Session, storage: Storage,
                                      host: hosts.Host, raises: Any) -> None:
    host.before = lambda method: b"HTTP/1.1 500 Internal Error\r\nConnection: close\r\n\r\n"
    with raises(exceptions.XapiUnreachable, "looking for what transfer transfer-1"):
        marked.destroy(session, MINE, SR)
    host.before = None  # so that the session can be ended


# -- transfers that died together with who wanted them ------------------------------------------

@pytest.fixture
def vms(host: hosts.Host) -> Dict[str, str]:
    """Whose the VDIs are: the VM of a VDI's only VBD, by the VDI's reference."""
    having: Dict[str, str] = {}
    host.methods.update({
        "VDI.get_VBDs": lambda ref: ["OpaqueRef:vbd of " + ref] if ref in having else [],
        "VBD.get_record": lambda vbd: {
            "VM": having[vbd[len("OpaqueRef:vbd of "):]], "currently_attached": False,
            "mode": "RW"},
        "VM.get_is_control_domain": lambda vm: vm == "OpaqueRef:dom0"})
    return having


def test_what_a_dead_transfer_left_is_destroyed_and_nothing_else(
        session: sessions.Session, storage: Storage, vms: Dict[str, str]) -> None:
    storage.add("dead", {marked.MARK: "nova-1/dead"})
    storage.add("in-dom0", {marked.MARK: "nova-1/dead"})
    storage.add("alive", {marked.MARK: "nova-1/alive"})
    storage.add("of-another", {marked.MARK: "nova-2/dead"})
    storage.add("of-a-vm", {marked.MARK: "nova-1/dead"})
    storage.add("snapshot", {marked.MARK: "nova-1/dead"}, snapshot=True)
    storage.add("guest", {"nova_disk_type": "root"})
    storage.add("to-read", {marked.MARK: "to-read nova-1/dead"}, snapshot=True)
    storage.add("being-read", {marked.MARK: "being-read nova-1/alive"}, snapshot=True)
    storage.add("read-elsewhere", {marked.MARK: "read-elsewhere nova-2/dead"}, snapshot=True)
    storage.add("snapshot-of-it", {marked.MARK: "to-read nova-1/dead"}, snapshot=True)
    storage.add("clone-of-it", {marked.MARK: "to-read nova-1/dead"})
    storage.add("as-if", {marked.MARK: "as-if nova-1/dead"})
    vms.update({"OpaqueRef:in-dom0": "OpaqueRef:dom0", "OpaqueRef:of-a-vm": "OpaqueRef:vm"})
    assert marked.reap(session, "nova-1", SR, lambda transfer: transfer.endswith("/alive")) == 3
    assert sorted(storage.vdis) == ["OpaqueRef:" + name for name in (
        "alive", "as-if", "being-read", "clone-of-it", "guest", "of-a-vm", "of-another",
        "read-elsewhere", "snapshot", "snapshot-of-it")]


def test_what_was_handed_over_just_now_stays_though_its_transfer_has_ended(
        session: sessions.Session, storage: Storage) -> None:
    """It was listed with its mark; Nova has it by now, and has yet to give it to a VM."""
    storage.add("good", {marked.MARK: "nova-1/ending"})
    storage.add("gone", {marked.MARK: "nova-1/ending"})

    def end(transfer: str) -> bool:
        marked.release(session, "good")
        storage.vdis.pop("OpaqueRef:gone", None)
        return False

    assert marked.reap(session, "nova-1", SR, end) == 0
    assert list(storage.vdis) == ["OpaqueRef:good"]


def test_marks_of_transfers_that_nobody_is_named_in_are_nobodys(
        session: sessions.Session, storage: Storage, vms: Dict[str, str]) -> None:
    storage.add("old", {marked.MARK: "5b0a3a86-57a4-4f1a-8df0-7c9a1f4a5a11"})
    assert marked.reap(session, "nova-1", SR, lambda transfer: False) == 0
    assert list(storage.vdis) == ["OpaqueRef:old"]
