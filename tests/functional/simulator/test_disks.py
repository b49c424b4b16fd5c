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

"""What becomes of records when disks are made, snapshotted, cloned, copied, plugged, destroyed."""

from __future__ import annotations

import threading
import xmlrpc.client
from typing import Any, List

import pytest

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import SimulatedHost
from tests.functional.simulator.test_protocol import failure
from tests.functional.simulator.transfers import wait_until

MIB = 1 << 20


@pytest.fixture
def vdi(host: SimulatedHost, xapi: Any, sr: str) -> Any:
    """A disk with data and every kind of label on it."""
    ref = xapi.VDI.create(vdi_record(
        sr, name_label="root", name_description="a disk", other_config={"image-id": "i"},
        tags=["t"], xenstore_data={"k": "v"}))
    host.control.guest_pattern(xapi.VDI.get_uuid(ref), "a", [[0, 4096], [5 * MIB, MIB]])
    yield ref
    clean(host, xapi, sr)


def clean(host: SimulatedHost, xapi: Any, sr: str) -> None:
    for ref in xapi.VM.get_all():
        if not xapi.VM.get_is_control_domain(ref):
            if xapi.VM.get_power_state(ref) != "Halted":
                xapi.VM.hard_shutdown(ref)
            xapi.VM.destroy(ref)
    for ref in xapi.SR.get_VDIs(sr):
        if xapi.VDI.get_managed(ref):
            xapi.VDI.destroy(ref)
    host.control.gc_run()
    assert xapi.SR.get_VDIs(sr) == []


def make_vm(xapi: Any, vdi: str, mode: str = "RW") -> str:
    vm = xapi.VM.create({"name_label": "vm", "memory_dynamic_max": str(256 * MIB),
                         "is_a_template": False, "affinity": ""})
    xapi.VBD.create({"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": True,
                     "mode": mode, "type": "disk", "empty": False, "other_config": {}})
    return vm


def test_sizes_are_rounded_up_to_blocks(xapi: Any, sr: str) -> None:
    for asked, got in ((1, 2 * MIB), (2 * MIB + 1, 4 * MIB), (6 * MIB, 6 * MIB)):
        ref = xapi.VDI.create(vdi_record(sr, asked))
        assert int(xapi.VDI.get_virtual_size(ref)) == got
        xapi.VDI.destroy(ref)
    assert failure(xapi.VDI.create, vdi_record(sr, (2040 << 30) + 1))[0] == (
        "SR_BACKEND_FAILURE_79")


def test_a_snapshot_inherits_and_says_of_what_it_is(
    host: SimulatedHost, xapi: Any, vdi: str,
) -> None:
    snapshot = xapi.VDI.get_record(xapi.VDI.snapshot(vdi))
    record = xapi.VDI.get_record(vdi)
    for key in ("name_label", "name_description", "other_config", "tags", "xenstore_data"):
        assert snapshot[key] == record[key] and snapshot[key], key
    assert snapshot["is_a_snapshot"] is True
    assert snapshot["snapshot_of"] == vdi
    assert str(snapshot["snapshot_time"]) > "2020"
    assert snapshot["managed"] is True and snapshot["read_only"] is False
    assert [snapshot["uuid"]] == [xapi.VDI.get_uuid(ref) for ref in record["snapshots"]]
    parent = record["sm_config"]["vhd-parent"]
    assert snapshot["sm_config"]["vhd-parent"] == parent
    base = xapi.VDI.get_record(xapi.VDI.get_by_uuid(parent))
    assert (base["name_label"], base["managed"], base["read_only"], base["is_a_snapshot"]) == (
        "base copy", False, True, False)
    assert host.control.guest_sha256(snapshot["uuid"]) == (
        host.control.guest_sha256(record["uuid"]))


def test_a_clone_is_an_independent_sibling(host: SimulatedHost, xapi: Any, vdi: str) -> None:
    uuid = xapi.VDI.get_uuid(vdi)
    before = host.control.guest_sha256(uuid)
    clone = xapi.VDI.get_record(xapi.VDI.clone(vdi))
    assert clone["is_a_snapshot"] is False and clone["snapshot_of"] == "OpaqueRef:NULL"
    assert clone["other_config"] == {"image-id": "i"}
    assert clone["sm_config"]["vhd-parent"] == xapi.VDI.get_sm_config(vdi)["vhd-parent"]
    host.control.guest_write(clone["uuid"], 0, b"changed")
    assert host.control.guest_sha256(uuid) == before
    assert host.control.guest_sha256(clone["uuid"]) != before


def test_a_copy_is_flat_and_inherits_but_for_sm_config(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    xapi.VDI.snapshot(vdi)
    copy = xapi.VDI.get_record(xapi.VDI.copy(vdi, sr))
    assert "vhd-parent" not in copy["sm_config"]
    assert copy["other_config"] == {"image-id": "i"} and copy["tags"] == ["t"]
    assert len(host.control.chain(copy["uuid"])) == 1
    assert host.control.guest_sha256(copy["uuid"]) == (
        host.control.guest_sha256(xapi.VDI.get_uuid(vdi)))


def test_a_copy_into_a_disk_writes_what_is_allocated_and_clears_nothing(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    control, uuid = host.control, xapi.VDI.get_uuid(vdi)
    fresh = xapi.VDI.create(vdi_record(sr))
    assert xapi.VDI.copy(vdi, sr, "OpaqueRef:NULL", fresh) == fresh
    assert control.guest_sha256(xapi.VDI.get_uuid(fresh)) == control.guest_sha256(uuid)
    used = xapi.VDI.create(vdi_record(sr, 12 * MIB))
    used_uuid = xapi.VDI.get_uuid(used)
    control.guest_pattern(used_uuid, "old", [[0, 12 * MIB]])
    old = control.guest_read(used_uuid, 0, 12 * MIB)
    xapi.VDI.copy(vdi, sr, "OpaqueRef:NULL", used)
    source = control.guest_read(uuid, 0, 10 * MIB)
    copied = control.guest_read(used_uuid, 0, 12 * MIB)
    for block in range(6):  # the source has blocks 0 and 2
        part = slice(block * 2 * MIB, (block + 1) * 2 * MIB)
        assert copied[part] == (source[part] if block in (0, 2) else old[part]), block


def test_a_copy_relative_to_a_base_writes_what_differs(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    control, uuid = host.control, xapi.VDI.get_uuid(vdi)
    base = xapi.VDI.snapshot(vdi)
    control.guest_write(uuid, 7 * MIB, b"new")
    delta = xapi.VDI.copy(vdi, sr, base, "OpaqueRef:NULL")
    [leaf] = control.chain(xapi.VDI.get_uuid(delta))
    got = control.guest_read(leaf["uuid"], 0, 10 * MIB)
    assert got[7 * MIB:7 * MIB + 3] == b"new"
    assert got[:6 * MIB] == bytes(6 * MIB)  # what base has as well is not in it
    whole = xapi.VDI.copy(base, sr)
    assert xapi.VDI.copy(vdi, sr, base, whole) == whole
    assert control.guest_sha256(xapi.VDI.get_uuid(whole)) == control.guest_sha256(uuid)


def test_copies_are_refused_by_what_they_are_made_of(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    null, before = "OpaqueRef:NULL", len(xapi.SR.get_VDIs(sr))
    small = xapi.VDI.create(vdi_record(sr, 2 * MIB))
    assert failure(xapi.VDI.copy, vdi, sr, null, small) == [
        "VDI_TOO_SMALL", small, str(10 * MIB)]
    fixed = xapi.VDI.create(vdi_record(sr))
    xapi.VDI.set_read_only(fixed, True)
    assert failure(xapi.VDI.copy, vdi, sr, null, fixed) == ["VDI_READONLY", fixed]
    assert failure(xapi.VDI.copy, vdi, "OpaqueRef:gone", null, null) == [
        "HANDLE_INVALID", "SR", "OpaqueRef:gone"]
    if host.sr_type == "lvm":
        raw = xapi.VDI.create(vdi_record(sr, 12 * MIB, sm_config={"type": "raw"}))
        base = xapi.VDI.snapshot(vdi)
        assert failure(xapi.VDI.copy, vdi, sr, base, raw) == ["VDI_NOT_SPARSE", raw]
        xapi.VDI.copy(vdi, sr, null, raw)
        uuids = [xapi.VDI.get_uuid(ref) for ref in (raw, vdi)]
        assert host.control.guest_read(uuids[0], 0, 10 * MIB) == (
            host.control.guest_read(uuids[1], 0, 10 * MIB))
        for ref in (raw, base):
            xapi.VDI.destroy(ref)
    xapi.VDI.set_read_only(fixed, False)
    for ref in (small, fixed):
        xapi.VDI.destroy(ref)
    host.control.gc_run()
    assert len(xapi.SR.get_VDIs(sr)) == before


def test_an_operation_under_way_keeps_others_out(xapi: Any, vdi: str, host: SimulatedHost,
                                                 sr: str) -> None:
    host.control.set_fault("slow", direction="copy", seconds_per_mib=0.2)
    task = xapi.Async.VDI.copy(vdi, sr)
    assert wait_until(lambda: xapi.VDI.get_current_operations(vdi) == {task: "copy"})
    assert failure(xapi.VDI.snapshot, vdi) == [
        "OPERATION_NOT_ALLOWED", "Snapshot operation not allowed during copy."]
    assert failure(xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
    assert "destroy" not in xapi.VDI.get_allowed_operations(vdi)
    assert wait_until(lambda: xapi.task.get_status(task) == "success")
    xapi.task.destroy(task)
    assert xapi.VDI.get_current_operations(vdi) == {}
    assert "destroy" in xapi.VDI.get_allowed_operations(vdi)


def test_a_sharable_disk_is_not_snapshotted_and_none_resized_online(xapi: Any, vdi: str,
                                                                    sr: str) -> None:
    assert failure(xapi.VDI.resize_online, vdi, str(20 * MIB)) == [
        "SR_OPERATION_NOT_SUPPORTED", sr]
    xapi.VDI.set_sharable(vdi, True)
    assert failure(xapi.VDI.snapshot, vdi) == ["VDI_IS_SHARABLE", vdi]


def test_snapshots_of_an_idle_disk_do_not_deepen_its_chain(
    host: SimulatedHost, xapi: Any, vdi: str,
) -> None:
    for _ in range(4):
        xapi.VDI.snapshot(vdi)
    assert len(host.control.chain(xapi.VDI.get_uuid(vdi))) == 2
    assert host.control.state()["base_copy"] == 1


def test_a_chain_of_thirty_is_too_long(host: SimulatedHost, xapi: Any, vdi: str) -> None:
    uuid = xapi.VDI.get_uuid(vdi)
    for number in range(29):
        host.control.guest_write(uuid, 0, b"%d" % number)
        xapi.VDI.snapshot(vdi)
    host.control.guest_write(uuid, 0, b"more")
    assert failure(xapi.VDI.snapshot, vdi) == [
        "SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""]


def test_base_copies_are_nobodys_to_use(xapi: Any, vdi: str, sr: str) -> None:
    xapi.VDI.snapshot(vdi)
    base = xapi.VDI.get_by_uuid(xapi.VDI.get_sm_config(vdi)["vhd-parent"])
    for call, arguments in ((xapi.VDI.destroy, ()), (xapi.VDI.snapshot, ()),
                            (xapi.VDI.copy, (sr,))):
        assert failure(call, base, *arguments) == ["VDI_NOT_MANAGED", base]


def test_utilisation_is_stale_until_a_scan(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    before = xapi.VDI.get_physical_utilisation(vdi)
    host.control.guest_pattern(xapi.VDI.get_uuid(vdi), "b", [[7 * MIB, 2 * MIB]])
    assert xapi.VDI.get_physical_utilisation(vdi) == before
    xapi.SR.scan(sr)
    after = int(xapi.VDI.get_physical_utilisation(vdi))
    if host.sr_type == "ext":
        assert after > int(before)
    else:
        assert after == int(before)  # a thick volume has its full size from the start


def test_a_scan_brings_back_a_forgotten_disk_without_its_name(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    uuid = xapi.VDI.get_uuid(vdi)
    xapi.VDI.forget(vdi)
    assert failure(xapi.VDI.get_by_uuid, uuid)[0] == "UUID_INVALID"
    xapi.SR.scan(sr)
    again = xapi.VDI.get_record(xapi.VDI.get_by_uuid(uuid))
    assert again["name_label"] == "" and again["virtual_size"] == str(10 * MIB)


def test_a_disk_grows_but_not_while_it_is_plugged_and_never_shrinks(
    host: SimulatedHost, xapi: Any, vdi: str,
) -> None:
    before = host.control.guest_read(xapi.VDI.get_uuid(vdi), 0, 10 * MIB)
    xapi.VDI.resize(vdi, str(21 * MIB))
    assert xapi.VDI.get_virtual_size(vdi) == str(22 * MIB)
    assert host.control.guest_read(xapi.VDI.get_uuid(vdi), 0, 22 * MIB) == (
        before + bytes(12 * MIB))
    assert failure(xapi.VDI.resize, vdi, str(2 * MIB))[0] == "SR_BACKEND_FAILURE_79"
    vm = make_vm(xapi, vdi)
    xapi.VM.start(vm, False, False)
    assert failure(xapi.VDI.resize, vdi, str(30 * MIB)) == ["VDI_IN_USE", vdi, "resize"]


def test_a_running_vm_holds_its_disk(host: SimulatedHost, xapi: Any, vdi: str, sr: str) -> None:
    vm = make_vm(xapi, vdi)
    [this] = xapi.host.get_all()
    key = "host_%s" % this
    assert key not in xapi.VDI.get_sm_config(vdi)
    xapi.VM.start(vm, False, False)
    assert xapi.VDI.get_sm_config(vdi)[key] == "RW"
    [disk] = host.control.vm_disks("vm")
    assert (disk["device"], disk["currently_attached"]) == ("xvda", True)
    assert failure(xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
    assert failure(xapi.VDI.copy, vdi, sr) == ["VDI_IN_USE", vdi, "copy"]
    other = make_vm(xapi, vdi)
    assert failure(xapi.VM.start, other, False, False)[:2] == ["VDI_IN_USE", vdi]
    assert xapi.VM.get_power_state(other) == "Halted"
    xapi.VDI.snapshot(vdi)  # allowed live
    xapi.VM.hard_shutdown(vm)
    assert key not in xapi.VDI.get_sm_config(vdi)
    xapi.VM.start(other, False, False)


def test_a_vm_goes_through_its_power_states(xapi: Any, vdi: str) -> None:
    vm = make_vm(xapi, vdi)
    steps = [
        (lambda: xapi.VM.start(vm, True, False), "Paused"),
        (lambda: xapi.VM.unpause(vm), "Running"), (lambda: xapi.VM.suspend(vm), "Suspended"),
        (lambda: xapi.VM.resume(vm, False, False), "Running"),
        (lambda: xapi.VM.clean_reboot(vm), "Running"),
        (lambda: xapi.VM.clean_shutdown(vm), "Halted"),
    ]
    for step, state in steps:
        step()
        assert xapi.VM.get_power_state(vm) == state
    assert xapi.VM.get_domid(vm) == "-1"
    assert failure(xapi.VM.pause, vm) == ["VM_BAD_POWER_STATE", vm, "running", "halted"]


def test_a_blocked_operation_is_refused(xapi: Any, vdi: str) -> None:
    vm = make_vm(xapi, vdi)
    xapi.VM.add_to_blocked_operations(vm, "start", "")
    assert failure(xapi.VM.start, vm, False, False) == ["OPERATION_BLOCKED", vm, "start"]
    xapi.VM.remove_from_blocked_operations(vm, "start")
    xapi.VM.start(vm, False, False)


def test_memory_of_running_vms_is_gone(xapi: Any, vdi: str) -> None:
    [this] = xapi.host.get_all()
    free = int(xapi.host.compute_free_memory(this))
    vm = make_vm(xapi, vdi)
    xapi.VM.start(vm, False, False)
    assert int(xapi.host.compute_free_memory(this)) == free - 256 * MIB
    large = xapi.VM.create({"name_label": "large", "memory_dynamic_max": str(1 << 50)})
    assert failure(xapi.VM.start, large, False, False)[0] == "HOST_NOT_ENOUGH_FREE_MEMORY"


def test_destroying_a_disk_takes_its_record_and_its_vbds(xapi: Any, vdi: str) -> None:
    vm = make_vm(xapi, vdi)
    xapi.VDI.destroy(vdi)
    assert failure(xapi.VDI.get_record, vdi) == ["HANDLE_INVALID", "VDI", vdi]
    assert xapi.VM.get_VBDs(vm) == []


def test_injected_failures_come_as_asked(
    host: SimulatedHost, xapi: Any, vdi: str, sr: str,
) -> None:
    host.control.set_fault("vdi_create_fail", times=1)
    assert failure(xapi.VDI.create, vdi_record(sr))[0] == "SR_BACKEND_FAILURE_78"
    xapi.VDI.create(vdi_record(sr))
    host.control.set_fault("rpc_fail", method="VDI.snapshot", code="X", params=["y"])
    assert failure(xapi.VDI.snapshot, vdi) == ["X", "y"]
    host.control.clear_faults()
    host.control.set_fault("sr_full")
    code = "SR_BACKEND_FAILURE_81" if host.sr_type == "ext" else "SR_BACKEND_FAILURE_44"
    assert failure(xapi.VDI.snapshot, vdi)[0] == code
    host.control.clear_faults()
    xapi.VDI.snapshot(vdi)


def test_a_hanging_call_goes_on_when_the_fault_is_cleared(
    host: SimulatedHost, session: Any, xapi: Any, vdi: str,
) -> None:
    host.control.set_fault("hang", direction="rpc", method="VDI.snapshot")
    answers: List[Any] = []
    caller = threading.Thread(target=lambda: answers.append(
        xmlrpc.client.ServerProxy(host.url).VDI.snapshot(session._session, vdi)))
    caller.start()
    xapi.VDI.clone(vdi)  # another method goes through
    assert caller.is_alive() and not answers
    host.control.clear_faults("hang")
    caller.join(20)
    assert answers[0]["Status"] == "Success"


def test_an_iso_sr_takes_files_of_any_size(host: SimulatedHost, xapi: Any) -> None:
    iso_sr = xapi.SR.get_by_uuid(host.ready["iso_sr_uuid"])
    assert xapi.SR.get_type(iso_sr) == "iso" and xapi.SR.get_content_type(iso_sr) == "iso"
    ref = xapi.VDI.create(vdi_record(iso_sr, 12345, sm_config={"path": "cd.iso"}))
    record = xapi.VDI.get_record(ref)
    assert record["virtual_size"] == "12345" and record["location"] == "cd.iso"
    assert failure(xapi.VDI.snapshot, ref) == ["SR_OPERATION_NOT_SUPPORTED", iso_sr]
    xapi.SR.scan(iso_sr)
    assert xapi.VDI.get_read_only(ref) is False
    xapi.VDI.destroy(ref)
