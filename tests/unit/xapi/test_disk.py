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

"""VDIs: made, read back, and destroyed for good."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .conftest import Clock

VDI = "8c1b28c0-5a3f-4b6e-9f0a-000000000001"
REF = "OpaqueRef:" + VDI
GIB = 1024 ** 3


class Disks:
    """One SR with at most one VDI, as a host shows it."""

    def __init__(self, host: hosts.Host) -> None:
        self.record: Dict[str, Any] = {}
        self.shrink = 0
        self.vbds: Dict[str, Dict[str, Any]] = {}
        self.busy = 0
        host.methods.update({
            "SR.get_uuid": lambda ref: "sr-uuid", "VDI.create": self.create,
            "VDI.get_record": self.get, "VDI.destroy": self.destroy,
            "VDI.get_by_uuid": self.by_uuid, "VDI.get_VBDs": lambda ref: list(self.vbds),
            "VBD.get_record": lambda ref: self.vbds[ref],
            "VM.get_is_control_domain": lambda ref: ref == "OpaqueRef:dom0",
            "VBD.unplug": self.unplug, "VBD.destroy": lambda ref: self.vbds.pop(ref) and ""})

    def create(self, record: Dict[str, Any]) -> str:
        size = int(record["virtual_size"])
        self.record = dict(record, uuid=VDI, virtual_size=str(size - self.shrink))
        return REF

    def get(self, ref: str) -> Dict[str, Any]:
        if not self.record:
            raise hosts.Failure("HANDLE_INVALID", "VDI", ref)
        return self.record

    def by_uuid(self, name: str) -> str:
        if not self.record:
            raise hosts.Failure("UUID_INVALID", "VDI", name)
        return REF

    def destroy(self, ref: str) -> str:
        self.get(ref)
        self.busy -= 1
        if self.busy >= 0 or any(vbd["currently_attached"] for vbd in self.vbds.values()):
            raise hosts.Failure("VDI_IN_USE", ref, "destroy")
        self.record = {}
        return ""

    def unplug(self, ref: str) -> str:
        self.vbds[ref]["currently_attached"] = False
        return ""

    def attach(self, vm: str) -> None:
        self.vbds["OpaqueRef:vbd"] = {"VM": vm, "currently_attached": True, "mode": "RW"}


@pytest.fixture
def sr(host: hosts.Host) -> Disks:
    return Disks(host)


def make(session: sessions.Session) -> str:
    return disks.create_vdi(session, "OpaqueRef:s", 8 * GIB, "name", "what it is", {"k": "v"})


def test_a_disk_is_made_as_nova_can_use_it(session: sessions.Session, sr: Disks) -> None:
    assert make(session) == VDI
    assert {key: sr.record[key] for key in (
        "name_label", "name_description", "SR", "virtual_size", "type", "sharable", "read_only",
        "other_config", "sm_config")} == {
            "name_label": "name", "name_description": "what it is", "SR": "OpaqueRef:s",
            "virtual_size": str(8 * GIB), "type": "user", "sharable": False, "read_only": False,
            "other_config": {"k": "v"}, "sm_config": {}}
    assert disks.virtual_size(session, VDI) == 8 * GIB


def test_a_disk_made_too_small_is_destroyed_again(session: sessions.Session, sr: Disks,
                                                  raises: Any) -> None:
    sr.shrink = 512
    with raises(exceptions.XapiError, "SR sr-uuid failed.*only"):
        make(session)
    assert sr.record == {}


def test_a_disk_whose_uuid_cannot_be_read_is_destroyed_again(
        session: sessions.Session, sr: Disks, host: hosts.Host, raises: Any) -> None:
    def fail(ref: str) -> None:
        raise hosts.Failure("INTERNAL_ERROR", "x")

    host.methods["VDI.get_record"] = fail
    with raises(exceptions.XapiError, "INTERNAL_ERROR"):
        make(session)
    assert sr.record == {}


def test_no_room_for_a_disk_is_sr_full(session: sessions.Session, sr: Disks, host: hosts.Host,
                                       raises: Any) -> None:
    def fail(record: Any) -> None:
        raise hosts.Failure("SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")

    host.methods["VDI.create"] = fail
    with raises(exceptions.SrFull, "SR sr-uuid"):
        make(session)


def test_destroying_waits_until_a_transfer_has_let_go(session: sessions.Session,
                                                      sr: Disks) -> None:
    make(session)
    sr.busy = 3
    disks.destroy_vdi(session, VDI, timeout=60)
    assert sr.record == {}


def test_destroying_what_is_gone_is_success(session: sessions.Session, sr: Disks) -> None:
    disks.destroy_vdi(session, VDI)


def test_a_disk_that_vanishes_meanwhile_is_destroyed(session: sessions.Session, sr: Disks,
                                                     host: hosts.Host) -> None:
    def vanish(ref: str) -> List[str]:
        sr.record = {}
        return []

    make(session)
    sr.busy = 1
    host.methods["VDI.get_VBDs"] = vanish
    disks.destroy_vdi(session, VDI, timeout=60)


def test_an_attachment_that_dom0_forgot_is_removed(
        session: sessions.Session, sr: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "time", Clock())
    make(session)
    sr.attach("OpaqueRef:dom0")
    disks.destroy_vdi(session, VDI, timeout=60)
    assert (sr.record, sr.vbds) == ({}, {})


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", None])
@pytest.mark.parametrize("method", ["VDI.get_by_uuid", "VDI.destroy"])
def test_destroying_waits_for_a_host_that_is_being_restarted(
        session: sessions.Session, sr: Disks, host: hosts.Host, method: str,
        answer: Optional[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what broke the transfer; the disk would stay on the SR."""
    down = [answer] * 12

    def unavailable(called: str) -> Optional[bytes]:
        if not down or called != method:
            return None
        if down.pop() is None:
            raise hosts.Failure("HOST_STILL_BOOTING")
        return answer

    make(session)
    monkeypatch.setattr(disks, "time", Clock())
    host.before = unavailable
    disks.destroy_vdi(session, VDI, timeout=60)
    assert sr.record == {}


def test_destroying_a_disk_of_a_host_that_stays_away_ends(
        session: sessions.Session, sr: Disks, host: hosts.Host, raises: Any,
        monkeypatch: pytest.MonkeyPatch) -> None:
    make(session)
    monkeypatch.setattr(disks, "time", Clock())
    host.before = lambda called: b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
    with raises(exceptions.XapiUnreachable, f"destroying VDI {VDI} failed"):
        disks.destroy_vdi(session, VDI, timeout=2)
    host.before = None


def test_a_disk_of_a_running_vm_is_refused_at_once_and_stays_attached(
        session: sessions.Session, sr: Disks, host: hosts.Host, raises: Any) -> None:
    make(session)
    sr.attach("OpaqueRef:guest")
    with raises(exceptions.XapiError, f"destroying VDI {VDI} failed.*VDI_IN_USE"):
        disks.destroy_vdi(session, VDI, timeout=60)
    assert [method for method, _ in host.calls].count("VDI.destroy") == 1
    assert sr.vbds["OpaqueRef:vbd"]["currently_attached"] is True


def test_a_disk_busy_for_too_long_is_an_error(session: sessions.Session, sr: Disks,
                                              raises: Any) -> None:
    make(session)
    sr.busy = 10 ** 6
    with raises(exceptions.XapiError, "VDI_IN_USE"):
        disks.destroy_vdi(session, VDI, timeout=0.5)
