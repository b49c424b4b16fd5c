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

"""VM: virtual machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import Values
from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.values import now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

_VBD_DEVICES = 255
_VIF_DEVICES = 7


class VM:
    sync_only = (
        "get_boot_record", "get_allowed_VBD_devices", "get_allowed_VIF_devices",
        "query_data_source", "set_is_a_template")

    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, _call: Call, args: Dict[str, Any]) -> str:
        db = self._pool.db
        given = db.schemas["VM"].from_client(args)
        if "name_label" not in given:
            raise ApiError("FIELD_TYPE_ERROR", "name_label")
        metrics = db.insert("VM_metrics", {"install_time": now(), "last_updated": now()})
        return db.insert("VM", {
            **given, "metrics": metrics,
            "allowed_operations": ["start", "start_on", "destroy", "clone", "copy", "snapshot"]})

    def destroy(self, _call: Call, vm: str) -> None:
        """Removes the VM with its VBDs and VIFs; disks stay."""
        db = self._pool.db
        with db.lock:
            record = db.record("VM", vm)
            if record["is_control_domain"]:
                raise ApiError("OPERATION_NOT_ALLOWED", "You cannot destroy a control domain")
            if record["power_state"] != "Halted":
                raise ApiError(
                    "VM_BAD_POWER_STATE", vm, "halted", record["power_state"].lower())
            for vbd in record["VBDs"]:
                db.delete("VBD", vbd)
            for vif in record["VIFs"]:
                db.delete("VIF", vif)
            if db.exists("VM_metrics", record["metrics"]):
                db.delete("VM_metrics", record["metrics"])
            db.delete("VM", vm)

    def snapshot(self, _call: Call, vm: str, new_name: str, ignore_vdis: Any = None) -> str:
        return self._pool.vm_clones.snapshot(vm, new_name)

    def clone(self, _call: Call, vm: str, new_name: str) -> str:
        return self._pool.vm_clones.clone(vm, new_name)

    def copy(self, call: Call, vm: str, new_name: str, sr: str) -> str:
        return self._pool.vm_clones.copy(vm, new_name, sr, call.task)

    def provision(self, _call: Call, vm: str) -> None:
        """What was a template becomes a VM; its disks are there already."""
        db = self._pool.db
        if db.get("VM", vm, "is_a_snapshot"):
            raise ApiError("VM_IS_SNAPSHOT", vm)
        db.update("VM", vm, is_a_template=False)

    def start(self, _call: Call, vm: str, start_paused: bool, force: bool) -> None:
        self._pool.power.start(vm, start_paused)

    def start_on(
        self, _call: Call, vm: str, host: str, start_paused: bool, force: bool,
    ) -> None:
        self._pool.power.start(vm, start_paused, self._pool.host(host))

    def pause(self, _call: Call, vm: str) -> None:
        self._pool.power.pause(vm)

    def unpause(self, _call: Call, vm: str) -> None:
        self._pool.power.unpause(vm)

    def suspend(self, _call: Call, vm: str) -> None:
        self._pool.power.suspend(vm)

    def resume(self, _call: Call, vm: str, start_paused: bool, force: bool) -> None:
        self._pool.power.resume(vm, start_paused)

    def resume_on(
        self, _call: Call, vm: str, host: str, start_paused: bool, force: bool,
    ) -> None:
        self._pool.power.resume(vm, start_paused, self._pool.host(host))

    def clean_shutdown(self, _call: Call, vm: str) -> None:
        self._pool.power.shut_down(vm, clean=True)

    def hard_shutdown(self, _call: Call, vm: str) -> None:
        self._pool.power.shut_down(vm, clean=False)

    def shutdown(self, _call: Call, vm: str) -> None:
        self._pool.power.shut_down(vm, clean=False)

    def clean_reboot(self, _call: Call, vm: str) -> None:
        self._pool.power.reboot(vm, clean=True)

    def hard_reboot(self, _call: Call, vm: str) -> None:
        self._pool.power.reboot(vm, clean=False)

    def power_state_reset(self, _call: Call, vm: str) -> None:
        self._pool.power.power_state_reset(vm)

    def get_allowed_VBD_devices(  # noqa: N802 - XAPI's name
            self, _call: Call, vm: str) -> List[str]:
        return self._free_devices(vm, "VBDs", "VBD", "userdevice", _VBD_DEVICES)

    def get_allowed_VIF_devices(  # noqa: N802 - XAPI's name
            self, _call: Call, vm: str) -> List[str]:
        return self._free_devices(vm, "VIFs", "VIF", "device", _VIF_DEVICES)

    def _free_devices(
        self, vm: str, field: str, cls: str, name: str, limit: int,
    ) -> List[str]:
        db = self._pool.db
        with db.lock:
            taken = {db.get(cls, ref, name) for ref in db.get("VM", vm, field)}
        return [str(number) for number in range(limit) if str(number) not in taken]

    def query_data_source(self, _call: Call, vm: str, data_source: str) -> float:
        """A halted or idle guest: memory is what it was given, everything else rests."""
        record = self._pool.db.record("VM", vm)
        if data_source == "memory":
            return float(record["memory_dynamic_max"])
        return 0.0

    def get_boot_record(self, _call: Call, vm: str) -> Values:
        return self._pool.db.record("VM", vm)

    def set_is_a_template(self, _call: Call, vm: str, value: bool) -> None:
        self._pool.db.update("VM", vm, is_a_template=bool(value))
