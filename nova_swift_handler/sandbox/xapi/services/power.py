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

"""Starting, stopping and freezing VMs (xen-api's xapi_vm.ml and xapi_vm_lifecycle.ml)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import new_ref
from nova_swift_handler.sandbox.xapi.rpc.values import NULL, now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

_OPERATIONS = {
    "Halted": ["changing_VCPUs", "changing_memory_limits", "clone", "copy", "destroy", "export",
               "provision", "snapshot", "start", "start_on"],
    "Running": ["clean_reboot", "clean_shutdown", "hard_reboot", "hard_shutdown", "pause",
                "pool_migrate", "snapshot", "suspend"],
    "Paused": ["hard_reboot", "hard_shutdown", "snapshot", "unpause"],
    "Suspended": ["hard_shutdown", "resume", "resume_on", "snapshot"],
}


class Power:
    def __init__(self, pool: Pool):
        self._pool = pool

    @contextlib.contextmanager
    def _from(self, vm: str, operation: str, states: Sequence[str]) -> Iterator[None]:
        """Run the block if the VM is in one of the states; no other operation may start then."""
        db = self._pool.db
        with db.lock:
            if db.get("VM", vm, "is_control_domain"):
                raise ApiError("OPERATION_NOT_ALLOWED", "This is a control domain")
            if db.get("VM", vm, "is_a_template"):
                raise ApiError("VM_IS_TEMPLATE", vm)
            if operation in db.get("VM", vm, "blocked_operations"):
                raise ApiError("OPERATION_BLOCKED", vm, operation)
            for task, current in db.get("VM", vm, "current_operations").items():
                raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, current, task)
            state = db.get("VM", vm, "power_state")
            if state not in states:
                raise ApiError(
                    "VM_BAD_POWER_STATE", vm, states[0].lower(), state.lower())
            db.update("VM", vm, current_operations={new_ref(): operation})
        try:
            yield
        finally:
            with db.lock:
                if db.exists("VM", vm):
                    state = db.get("VM", vm, "power_state")
                    db.update("VM", vm, current_operations={},
                              allowed_operations=_OPERATIONS[state])

    def start(self, vm: str, paused: bool, host: Optional[Host] = None) -> None:
        """Without ``host``, on the best of those that can."""
        with self._from(vm, "start", ["Halted"]):
            self._boot(vm, paused, host or self._choose(vm))

    def resume(self, vm: str, paused: bool, host: Optional[Host] = None) -> None:
        with self._from(vm, "resume", ["Suspended"]):
            self._boot(vm, paused, host or self._choose(vm))

    def _choose(self, vm: str) -> Host:
        """A host that sees all the VM's disks: its favourite, else the one with most memory.

        Too little memory is found out when the VM starts.  Raises NO_HOSTS_AVAILABLE.
        """
        able = [host for host in self._pool.hosts if not self._unseen(vm, host)
                and self._pool.db.get("host", host.ref, "enabled")]
        if not able:
            raise ApiError("NO_HOSTS_AVAILABLE")
        affinity = self._pool.db.get("VM", vm, "affinity")
        needed = self._pool.db.get("VM", vm, "memory_dynamic_max")
        return max(able, key=lambda host: (
            self.free_memory(host) >= needed, host.ref == affinity, self.free_memory(host)))

    def _unseen(self, vm: str, host: Host) -> List[str]:
        """The SRs of the VM's disks that a host does not see."""
        db = self._pool.db
        with db.lock:
            vdis = [db.get("VBD", vbd, "VDI") for vbd in db.get("VM", vm, "VBDs")]
            srs = [db.get("VDI", vdi, "SR") for vdi in vdis if vdi != NULL]
        return [sr for sr in srs if not host.sees(sr)]

    def _boot(self, vm: str, paused: bool, host: Host) -> None:
        db = self._pool.db
        for sr in self._unseen(vm, host):
            raise ApiError("VM_REQUIRES_SR", vm, sr)
        needed = db.get("VM", vm, "memory_dynamic_max")
        free = self.free_memory(host)
        if needed > free:
            raise ApiError("HOST_NOT_ENOUGH_FREE_MEMORY", needed, free)
        plugged = []
        try:
            for vbd in db.get("VM", vm, "VBDs"):
                self._pool.attachments.plug(vbd, host)
                plugged.append(vbd)
        except BaseException:
            for vbd in plugged:
                self._pool.attachments.unplug(vbd)
            raise
        with db.lock:
            for vif in db.get("VM", vm, "VIFs"):
                db.update("VIF", vif, currently_attached=True)
            db.update(
                "VM", vm, power_state="Paused" if paused else "Running",
                resident_on=host.ref, domid=self._pool.next_domid(),
                domain_type="hvm" if db.get("VM", vm, "HVM_boot_policy") else "pv")
            db.insert("console", {
                "VM": vm, "location": "%s/console?uuid=%s" % (
                    host.url, db.get("VM", vm, "uuid"))})
            metrics = db.get("VM", vm, "metrics")
            db.update(
                "VM_metrics", metrics, memory_actual=needed, start_time=now(),
                VCPUs_number=db.get("VM", vm, "VCPUs_at_startup"))

    def pause(self, vm: str) -> None:
        with self._from(vm, "pause", ["Running"]):
            self._pool.db.update("VM", vm, power_state="Paused")

    def unpause(self, vm: str) -> None:
        with self._from(vm, "unpause", ["Paused"]):
            self._pool.db.update("VM", vm, power_state="Running")

    def suspend(self, vm: str) -> None:
        """The memory image is not simulated: no suspend VDI is made."""
        with self._from(vm, "suspend", ["Running"]):
            self._release(vm, "Suspended")

    def shut_down(self, vm: str, clean: bool) -> None:
        states = ["Running"] if clean else ["Running", "Paused", "Suspended"]
        with self._from(vm, "clean_shutdown" if clean else "hard_shutdown", states):
            self._release(vm, "Halted")

    def reboot(self, vm: str, clean: bool) -> None:
        """The domain changes, its disks and interfaces come back as they were."""
        states = ["Running"] if clean else ["Running", "Paused"]
        with self._from(vm, "clean_reboot" if clean else "hard_reboot", states):
            db = self._pool.db
            db.update("VM", vm, power_state="Running", domid=self._pool.next_domid())
            db.update("VM_metrics", db.get("VM", vm, "metrics"), start_time=now())

    def power_state_reset(self, vm: str) -> None:
        if self._pool.db.get("VM", vm, "power_state") != "Halted":
            self._release(vm, "Halted")

    def _release(self, vm: str, state: str) -> None:
        db = self._pool.db
        for vbd in db.get("VM", vm, "VBDs"):
            if db.get("VBD", vbd, "currently_attached"):
                self._pool.attachments.unplug(vbd)
        with db.lock:
            for vif in db.get("VM", vm, "VIFs"):
                db.update("VIF", vif, currently_attached=False)
            for console in db.get("VM", vm, "consoles"):
                db.delete("console", console)
            db.update("VM", vm, power_state=state, resident_on=NULL, domid=-1)

    def free_memory(self, host: Host) -> int:
        """Bytes of a host not given to any domain, dom0 included."""
        db = self._pool.db
        with db.lock:
            used = sum(
                db.get("VM", vm, "memory_dynamic_max")
                for vm in db.referrers("VM", "resident_on", host.ref))
            return db.get("host_metrics", host.metrics, "memory_total") - used
