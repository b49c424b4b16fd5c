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

"""The collector coalesces base copies, and records follow it."""

from __future__ import annotations

from typing import Any, List, Set

import pytest

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import SimulatedHost
from tests.functional.simulator.test_disks import clean, make_vm
from tests.functional.simulator.transfers import wait_until

MIB = 1 << 20


class Disk:
    """A disk whose guest writes something new before every snapshot."""

    def __init__(self, host: SimulatedHost, xapi: Any, sr: str):
        self.host, self.xapi = host, xapi
        self.ref = xapi.VDI.create(vdi_record(sr, 64 * MIB))
        self.uuid = xapi.VDI.get_uuid(self.ref)
        self._writes = 0

    def write(self) -> None:
        self.host.control.guest_pattern(
            self.uuid, "write %d" % self._writes, [[self._writes * 4 * MIB, 3 * MIB]])
        self._writes += 1

    def snapshot(self) -> str:
        self.write()
        return self.xapi.VDI.snapshot(self.ref)

    @property
    def sha256(self) -> str:
        return self.host.control.guest_sha256(self.uuid)

    @property
    def parent(self) -> Any:
        """The uuid in vhd-parent, None without."""
        return self.xapi.VDI.get_sm_config(self.ref).get("vhd-parent")


@pytest.fixture
def disk(host: SimulatedHost, xapi: Any, sr: str) -> Any:
    yield Disk(host, xapi, sr)
    host.control.gc_background(None)
    clean(host, xapi, sr)


def uuids(xapi: Any, sr: str) -> Set[str]:
    return {xapi.VDI.get_uuid(ref) for ref in xapi.SR.get_VDIs(sr)}


def kinds(host: SimulatedHost) -> List[str]:
    return [action["kind"] for action in host.control.gc_run(host.ready["sr_uuid"])]


def test_the_base_of_a_kept_snapshot_stays(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    disk.snapshot()
    disk.write()
    before = uuids(xapi, sr)
    assert kinds(host) == []
    assert uuids(xapi, sr) == before


def test_a_disk_whose_snapshot_went_absorbs_its_base_and_keeps_its_uuid(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    snapshot = disk.snapshot()
    disk.write()
    base, content = disk.parent, disk.sha256
    xapi.VDI.destroy(snapshot)
    assert kinds(host) == ["leaf-coalesce"]
    assert uuids(xapi, sr) == {disk.uuid}
    assert disk.parent is None and disk.sha256 == content
    assert base not in uuids(xapi, sr)
    assert xapi.VDI.get_record(disk.ref)["managed"] is True


def test_a_base_between_two_kept_ones_is_merged_into_its_parent(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    first = disk.snapshot()
    lowest = disk.parent
    second = disk.snapshot()
    middle = disk.parent
    disk.snapshot()
    contents = {ref: host.control.guest_sha256(xapi.VDI.get_uuid(ref))
                for ref in (disk.ref, first)}
    xapi.VDI.destroy(first)
    xapi.VDI.destroy(second)
    actions = host.control.gc_run(host.ready["sr_uuid"])
    assert {uuid for action in actions for uuid in action["removed"]} >= {middle}
    assert lowest in uuids(xapi, sr), "the parent keeps its uuid"
    assert middle not in uuids(xapi, sr), "the record is forgotten"
    assert disk.sha256 == contents[disk.ref]
    known = uuids(xapi, sr)
    for ref in xapi.SR.get_VDIs(sr):
        parent = xapi.VDI.get_sm_config(ref).get("vhd-parent")
        assert parent is None or parent in known


def test_what_nobody_needs_is_pruned(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    snapshot = disk.snapshot()
    for ref in (snapshot, disk.ref):
        xapi.VDI.destroy(ref)
    assert host.control.state()["base_copy"] == 1
    assert "prune" in kinds(host)
    assert uuids(xapi, sr) == set()
    disk.ref = xapi.VDI.create(vdi_record(sr))


def test_a_running_guests_disk_is_coalesced_live(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    vm = make_vm(xapi, disk.ref)
    xapi.VM.start(vm, False, False)
    snapshot = disk.snapshot()
    disk.write()
    content = disk.sha256
    xapi.VDI.destroy(snapshot)
    assert kinds(host) == ["leaf-coalesce"]
    disk.write()
    assert disk.sha256 != content
    assert len(host.control.chain(disk.uuid)) == 1


@pytest.mark.parametrize("setting", ["gc", "coalesce"])
def test_an_sr_can_forbid_collection(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str, setting: str,
) -> None:
    xapi.VDI.destroy(disk.snapshot())
    xapi.SR.add_to_other_config(sr, setting, "false")
    assert kinds(host) == []
    xapi.SR.remove_from_other_config(sr, setting)
    assert kinds(host) == ["leaf-coalesce"]


def test_a_disk_can_forbid_its_leaf_coalesce(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    xapi.VDI.destroy(disk.snapshot())
    xapi.VDI.add_to_other_config(disk.ref, "leaf-coalesce", "false")
    assert kinds(host) == []
    xapi.VDI.remove_from_other_config(disk.ref, "leaf-coalesce")
    assert kinds(host) == ["leaf-coalesce"]


def test_the_leaf_coalesce_plugin_works_on_lvm_only(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    xapi.VDI.destroy(disk.snapshot())
    vm = make_vm(xapi, disk.ref)
    arguments = {"vm_uuid": xapi.VM.get_uuid(vm)}
    [this] = xapi.host.get_all()

    def run() -> str:
        return xapi.host.call_plugin(this, "coalesce-leaf", "leaf-coalesce", arguments)

    if host.sr_type == "ext":  # disks that are not on LVM are passed over
        assert run() == "VM has no leaf-coalesceable VDIs"
        assert disk.parent is not None
        return
    xapi.VM.start(vm, False, False)
    assert run() == "Success"
    assert disk.parent is None
    assert xapi.VM.get_power_state(vm) == "Running"  # again: it was suspended meanwhile
    assert run() == "VM has no leaf-coalesceable VDIs"


def test_in_the_background_a_kick_is_enough(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    host.control.gc_background(3600)
    assert len(host.control.chain(disk.uuid)) == 1
    xapi.VDI.destroy(disk.snapshot())
    assert wait_until(lambda: disk.parent is None)


def test_without_the_background_nothing_happens_by_itself(
    host: SimulatedHost, xapi: Any, disk: Disk, sr: str,
) -> None:
    xapi.VDI.destroy(disk.snapshot())
    xapi.SR.scan(sr)
    assert disk.parent is not None
    assert kinds(host) == ["leaf-coalesce"]
