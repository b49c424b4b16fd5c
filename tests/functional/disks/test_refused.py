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

"""What cannot be done is refused clearly, and leaves nothing behind."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import beforehand, copying
from nova_swift_handler.xapi import disk as disks

from .conftest import MIB, SIZE, Disk, Place


@pytest.fixture(autouse=True)
def nothing_is_left(place: Place) -> Iterator[None]:
    """Tasks, attachments, VDIs and sessions are as many after a test's act as before it."""
    counted: List[Any] = []
    place.before = lambda: counted.append(place.control.state())  # type: ignore[attr-defined]
    yield
    assert counted, "the test did not say when its act begins"
    assert place.control.state() == counted[-1]


def acts(place: Place) -> None:
    """Say that what comes now shall leave nothing."""
    place.before()  # type: ignore[attr-defined]


def refused(place: Place, act: Callable[[Any], Any], code: str, *phrases: str) -> None:
    acts(place)
    with place.session() as session, pytest.raises(exceptions.XapiError) as caught:
        act(session)
    assert caught.value.code == code
    for phrase in phrases:
        assert phrase in str(caught.value)


def test_a_copy_of_a_disk_in_use(place: Place, disk: Disk) -> None:
    place.vm(disk.uuid)
    refused(place, lambda session: copying.copy(session, disk.uuid, "t"), "VDI_IN_USE",
            f"copying VDI {disk.uuid}", "copy a snapshot")


def test_flattening_a_disk_in_use_by_the_command(place: Place, disk: Disk) -> None:
    place.vm(disk.uuid)
    acts(place)
    code, out, err = place.run("sr", "coalesce", "--flatten", disk.uuid)
    assert (code, out) == (4, "")
    assert "copy a snapshot of it, or shut the VM down" in err


def test_a_snapshot_of_a_base_copy(place: Place, disk: Disk) -> None:
    place.branch("snapshot", disk.uuid)
    base = place.forest().chain(disk.uuid)[1].uuid
    refused(place, lambda session: beforehand.snapshot(session, base), "VDI_NOT_MANAGED",
            "hidden base copy", "swift-vhd sr chain")
    refused(place, lambda session: copying.copy(session, base, "t"), "VDI_NOT_MANAGED",
            "hidden base copy")


def test_a_disk_that_is_not_there(place: Place, disk: Disk) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    refused(place, lambda session: beforehand.snapshot(session, nowhere), "UUID_INVALID", nowhere)
    refused(place, lambda session: copying.copy(session, nowhere, "t"), "UUID_INVALID", nowhere)


def test_a_raw_volume(place: Place, disk: Disk) -> None:
    ref = place.call("VDI.create", {
        "name_label": "raw", "SR": place.sr_ref, "virtual_size": str(SIZE), "type": "user",
        "sharable": False, "read_only": False, "other_config": {}, "sm_config": {"type": "raw"}})
    raw = str(place.call("VDI.get_uuid", ref))
    refused(place, lambda session: beforehand.snapshot(session, raw), "NOT_IMPLEMENTED",
            "raw volume", "vdi-copy")


def test_a_chain_too_deep(place: Place) -> None:
    disk = Disk(place, 4 * MIB)
    while place.forest().depth(disk.uuid) < 29:
        depth = place.forest().depth(disk.uuid)
        with place.session() as session:
            beforehand.snapshot(session, disk.uuid)
        disk.write(str(depth), (depth * 4096, 4096))
        place.branch("snapshot", disk.uuid)
        disk.write(str(depth), (depth * 4096, 4096))
    refused(place, lambda session: beforehand.snapshot(session, disk.uuid), beforehand.TOO_DEEP,
            "29 VHDs", "limit is 30", "swift-vhd sr coalesce --wait", "--flatten")
    # What it advises helps.
    [row] = place.value("sr", "coalesce", "--flatten", disk.uuid)
    flat = row["Result"].replace("VDI ", "")
    assert place.content(flat) == bytes(disk.content)
    place.branch("snapshot", flat)
    # XAPI itself takes one more, and then no other.
    place.branch("snapshot", disk.uuid)
    disk.write("last", (0, 4096))
    acts(place)
    with pytest.raises(exceptions.XapiError, match="too long") as caught:
        place.branch("snapshot", disk.uuid)
    assert caught.value.code == beforehand.TOO_DEEP


def test_a_copy_that_xapi_refuses(place: Place, disk: Disk) -> None:
    place.control.set_fault("rpc_fail", method="VDI.copy", code="SR_BACKEND_FAILURE_46")
    refused(place, lambda session: copying.copy(session, disk.uuid, "t"), "SR_BACKEND_FAILURE_46",
            f"copying VDI {disk.uuid}")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_copy_that_is_interrupted(place: Place, disk: Disk, kind: Any) -> None:
    def interrupt() -> None:
        raise kind

    acts(place)
    with place.session() as session, pytest.raises(kind):
        copying.copy(session, disk.uuid, "t", check=interrupt)


def test_a_copy_onto_an_sr_that_is_not_there(place: Place, disk: Disk) -> None:
    acts(place)
    code, _out, err = place.run("sr", "coalesce", "--flatten", disk.uuid, "--to", "nowhere")
    assert code == 11
    assert "looking up SR nowhere failed" in err and "swift-vhd sr list" in err


def test_the_leaf_plugin_on_a_file_sr_and_for_no_vm(place: Place, disk: Disk) -> None:
    vm = place.vm(disk.uuid)
    acts(place)
    code, _out, err = place.run("sr", "coalesce", "--leaf", vm)
    assert (code, "LVM SRs only" in err) == ((4, True) if place.kind == "ext" else (0, False))
    code, _out, err = place.run("sr", "coalesce", "--leaf", "nobody")
    assert code == 11 and "looking up VM nobody" in err


def test_a_vdi_of_another_sr(place: Place, disk: Disk) -> None:
    acts(place)
    with place.session() as session:
        disks.get_record(session, disk.uuid)
    code, _out, err = place.run("sr", "chain", place.sr_uuid, "--vdi", "nowhere")
    assert code == 11 and f"it is not on SR {place.sr_uuid}" in err
