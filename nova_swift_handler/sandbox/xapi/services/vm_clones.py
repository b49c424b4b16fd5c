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

"""VM.snapshot, VM.clone and VM.copy: a VM's record anew, on new disks (xapi_vm_clone.ml)."""

from __future__ import annotations

import contextlib
import secrets
import uuid as uuids
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import Values, new_ref
from nova_swift_handler.sandbox.xapi.rpc.values import EPOCH, NULL, now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: What a new VM does not have of the old one, besides its disks and interfaces.
_FRESH = {
    "power_state": "Halted", "allowed_operations": [], "current_operations": {},
    "blocked_operations": {}, "resident_on": NULL, "scheduled_to_be_resident_on": NULL,
    "domid": -1, "is_default_template": False, "transportable_snapshot_id": "",
    "is_control_domain": False, "last_booted_record": "", "suspend_VDI": NULL,
}


class VmClones:
    def __init__(self, pool: Pool):
        self._pool = pool

    def snapshot(self, vm: str, name: str) -> str:
        """A snapshot of a VM in any state, its disks as they are at one moment each."""
        return self._make(vm, name, "snapshot", self._pool.disks.snapshot)

    def clone(self, vm: str, name: str) -> str:
        """A new VM on clones of the disks.  Raises VM_BAD_POWER_STATE unless it is halted."""
        self._check_halted(vm)
        return self._make(vm, name, "clone", self._pool.disks.clone)

    def copy(self, vm: str, name: str, sr: str, task: str) -> str:
        """A new VM on full copies, on ``sr`` or (no valid ref) where the disks are."""
        self._check_halted(vm)

        def copy(vdi: str) -> str:
            target = sr if self._pool.db.exists("SR", sr) else self._pool.db.get("VDI", vdi, "SR")
            return self._pool.copies.copy(vdi, target, NULL, NULL, task)
        return self._make(vm, name, "copy", copy)

    def _check_halted(self, vm: str) -> None:
        state = self._pool.db.get("VM", vm, "power_state")
        if state != "Halted":
            raise ApiError("VM_BAD_POWER_STATE", vm, "halted", state.lower())

    def _make(self, vm: str, name: str, operation: str, disk: Callable[[str], str]) -> str:
        db = self._pool.db
        made: List[str] = []
        with self._operation(vm, operation):
            vbds = [db.record("VBD", vbd) for vbd in db.get("VM", vm, "VBDs")]
            vdis: Dict[str, str] = {}
            try:
                for vbd in vbds:
                    if vbd["type"] == "Disk" and vbd["VDI"] != NULL:
                        vdis[vbd["VDI"]] = disk(vbd["VDI"])
                        made.append(vdis[vbd["VDI"]])
            except BaseException:
                for vdi in made:
                    self._pool.disks.destroy(vdi)
                raise
            with db.lock:
                new = self._record(vm, name, operation)
                for vbd in vbds:
                    old: str = vbd["VDI"]
                    self._attach("VBD", vbd, new, VDI=vdis.get(old, old))
                for vif in [db.record("VIF", vif) for vif in db.get("VM", vm, "VIFs")]:
                    self._attach("VIF", vif, new, **self._address(vif, operation))
        return new

    @contextlib.contextmanager
    def _operation(self, vm: str, name: str) -> Iterator[None]:
        for task, current in self._pool.db.get("VM", vm, "current_operations").items():
            raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, current, task)
        with self._pool.disks.operation("VM", vm, name, new_ref()):
            yield

    def _record(self, vm: str, name: str, operation: str) -> str:
        db = self._pool.db
        old = db.record("VM", vm)
        snapshot = operation == "snapshot"
        fields = {item.name: old[item.name] for item in db.schemas["VM"].stored
                  if item.name != "uuid"}
        config = {key: value for key, value in old["other_config"].items()
                  if key not in ("default_template", "xensource_internal")}
        if not snapshot:
            config["mac_seed"] = str(uuids.uuid4())
        if old["is_a_template"]:
            config.setdefault("base_template_name", old["name_label"])
        info = {"power-state-at-snapshot": old["power_state"],
                **({"disk-snapshot-type": "crash_consistent"} if snapshot else {})}
        new = db.insert("VM", {
            **fields, **_FRESH, "name_label": name, "other_config": config,
            "is_a_template": snapshot or old["is_a_template"], "is_a_snapshot": snapshot,
            "snapshot_of": vm if snapshot else NULL, "snapshot_info": info,
            "snapshot_time": now() if snapshot else EPOCH,
            "parent": old["parent"] if snapshot else NULL,
            "metrics": db.insert("VM_metrics", {"install_time": now(), "last_updated": now()}),
            "guest_metrics": NULL,
            "allowed_operations": ["clone", "copy", "destroy", "export", "provision"]})
        if snapshot:
            db.update("VM", vm, parent=new)
        return new

    def _attach(self, cls: str, old: Values, vm: str, **changes: str) -> None:
        db = self._pool.db
        fields = {item.name: old[item.name] for item in db.schemas[cls].stored
                  if item.name != "uuid"}
        db.insert(cls, {**fields, "VM": vm, "currently_attached": False, "current_operations": {},
                        **changes})

    def _address(self, vif: Values, operation: str) -> Values:
        """A snapshot keeps the addresses that were not asked for, too."""
        if operation == "snapshot" or not vif["MAC_autogenerated"]:
            return {}
        return {"MAC": ":".join("%02x" % octet for octet in (2, *secrets.token_bytes(5)))}
