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

"""VMs with their disks and interfaces: snapshots, clones, copies."""

from __future__ import annotations

from typing import Any, List

import pytest

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import SimulatedHost
from tests.functional.simulator.test_disks import clean, make_vm
from tests.functional.simulator.test_protocol import failure

MIB = 1 << 20


class Machine:
    """A VM with two written disks, an empty drive and an interface."""

    def __init__(self, host: SimulatedHost, xapi: Any, sr: str):
        self.host, self.xapi = host, xapi
        self.disks = [xapi.VDI.create(vdi_record(sr)) for _ in range(2)]
        for number, vdi in enumerate(self.disks):
            host.control.guest_pattern(xapi.VDI.get_uuid(vdi), "disk %d" % number, [[0, MIB]])
        self.ref = make_vm(xapi, self.disks[0])
        common = {"VM": self.ref, "other_config": {}, "bootable": False}
        xapi.VBD.create({**common, "VDI": self.disks[1], "userdevice": "1", "mode": "RW",
                         "type": "Disk", "empty": False})
        xapi.VBD.create({**common, "userdevice": "3", "mode": "RO", "type": "CD", "empty": True})
        xapi.VIF.create({"VM": self.ref, "network": xapi.network.get_all()[0], "device": "0",
                         "MAC": "", "MTU": "1500", "other_config": {}})

    def disks_of(self, vm: str) -> List[str]:
        """Uuids in the order of the devices, the drive left out."""
        records = [self.xapi.VBD.get_record(vbd) for vbd in self.xapi.VM.get_VBDs(vm)]
        return [self.xapi.VDI.get_uuid(record["VDI"]) for record in sorted(
            records, key=lambda record: record["userdevice"]) if record["type"] == "Disk"]

    def digests(self, vm: str) -> List[str]:
        return [self.host.control.guest_sha256(uuid) for uuid in self.disks_of(vm)]


@pytest.fixture
def machine(host: SimulatedHost, xapi: Any, sr: str) -> Any:
    yield Machine(host, xapi, sr)
    clean(host, xapi, sr)


def test_a_snapshot_of_a_running_vm_keeps_its_disks(machine: Machine, xapi: Any) -> None:
    xapi.VM.start(machine.ref, False, False)
    before = machine.digests(machine.ref)
    snapshot = xapi.VM.snapshot(machine.ref, "then")
    for uuid in machine.disks_of(machine.ref):
        machine.host.control.guest_write(uuid, 5 * MIB, b"later")
    record = xapi.VM.get_record(snapshot)
    assert (record["name_label"], record["power_state"]) == ("then", "Halted")
    assert record["is_a_snapshot"] is True and record["is_a_template"] is True
    assert record["snapshot_of"] == machine.ref
    assert xapi.VM.get_snapshots(machine.ref) == [snapshot]
    assert record["snapshot_info"]["power-state-at-snapshot"] == "Running"
    assert xapi.VM.get_parent(machine.ref) == snapshot
    assert machine.digests(snapshot) == before != machine.digests(machine.ref)
    for vdi, uuid in zip(machine.disks, machine.disks_of(snapshot)):
        assert xapi.VDI.get_snapshot_of(xapi.VDI.get_by_uuid(uuid)) == vdi
    addresses = [xapi.VIF.get_MAC(xapi.VM.get_VIFs(vm)[0]) for vm in (machine.ref, snapshot)]
    assert addresses[0] == addresses[1]
    assert failure(xapi.VM.start, snapshot, False, False)[0] == "VM_IS_TEMPLATE"


def test_a_clone_and_a_copy_are_vms_of_their_own(machine: Machine, xapi: Any, sr: str) -> None:
    for made in (xapi.VM.clone(machine.ref, "new"), xapi.VM.copy(machine.ref, "new", sr)):
        record = xapi.VM.get_record(made)
        assert record["is_a_template"] is False and record["is_a_snapshot"] is False
        assert record["snapshot_of"] == record["parent"] == "OpaqueRef:NULL"
        assert machine.digests(made) == machine.digests(machine.ref)
        macs = {xapi.VIF.get_MAC(xapi.VM.get_VIFs(vm)[0]) for vm in (machine.ref, made)}
        assert len(macs) == 2
        xapi.VM.start(made, False, False)
        assert len(xapi.VM.get_VBDs(made)) == 3


def test_a_template_becomes_a_vm(machine: Machine, xapi: Any) -> None:
    xapi.VM.set_is_a_template(machine.ref, True)
    made = xapi.VM.clone(machine.ref, "instance")
    assert xapi.VM.get_is_a_template(made) is True
    assert xapi.VM.get_other_config(made)["base_template_name"] == "vm"
    xapi.VM.provision(made)
    xapi.VM.start(made, False, False)
    assert xapi.VM.get_power_state(made) == "Running"


def test_a_running_vm_is_not_cloned_and_a_failed_snapshot_leaves_nothing(
    machine: Machine, xapi: Any, sr: str,
) -> None:
    xapi.VDI.set_sharable(machine.disks[1], True)
    before = len(xapi.VM.get_all())
    assert failure(xapi.VM.snapshot, machine.ref, "x")[0] == "VDI_IS_SHARABLE"
    assert len(xapi.VM.get_all()) == before
    assert machine.host.control.state()["snapshot"] == 0
    xapi.VDI.set_sharable(machine.disks[1], False)
    xapi.VM.start(machine.ref, False, False)
    for verb, more in ((xapi.VM.clone, ()), (xapi.VM.copy, (sr,))):
        assert failure(verb, machine.ref, "x", *more) == [
            "VM_BAD_POWER_STATE", machine.ref, "halted", "running"]
