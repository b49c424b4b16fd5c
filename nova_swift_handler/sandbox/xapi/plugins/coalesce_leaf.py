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

"""SM's plugin that coalesces a VM's leaves at once (sm, scripts/plugins/coalesce-leaf).

It looks at disks on LVM alone and passes over others; it runs on the SR's master, and a running
VM is suspended meanwhile.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin, PluginError, required
from nova_swift_handler.sandbox.xapi.rpc.values import NULL

SUCCESS = "Success"
NOTHING_TO_DO = "VM has no leaf-coalesceable VDIs"
FORCE = "force"


class CoalesceLeaf(Plugin):
    def plain(self) -> Dict[str, Callable[[Mapping[str, str]], str]]:
        return {"leaf-coalesce": self._leaf_coalesce, "test": self._test}

    def _leaf_coalesce(self, args: Mapping[str, str]) -> str:
        """Both answers mean that all went well, unless notes follow the second: an exception."""
        db = self.pool.db
        vms = db.find("VM", uuid=required(args, "vm_uuid"))
        if not vms:
            raise PluginError("VM not found")
        notes: List[str] = []
        found = {sr: self._leaves(sr, vdis) for sr, vdis in self._disks(vms[0], notes).items()}
        found = {sr: leaves for sr, leaves in found.items() if leaves}
        if not found:
            if notes:
                raise PluginError("\n".join([NOTHING_TO_DO, "Note:", *notes]))
            return NOTHING_TO_DO
        for sr in found:
            self.pool.collector.run(sr)
        running = db.get("VM", vms[0], "power_state") == "Running"
        if running:
            self.pool.power.suspend(vms[0])
        try:
            for sr, leaves in found.items():
                self._force(sr, leaves)
        finally:
            if running:
                self.pool.power.resume(vms[0], False)
        return "\n".join([SUCCESS, "Note:", *notes]) if notes else SUCCESS

    def _disks(self, vm: str, notes: List[str]) -> Dict[str, List[str]]:
        """The VM's VDIs on LVM by their SRs, of which this host must be the master."""
        db = self.pool.db
        found: Dict[str, List[str]] = {}
        for vbd in db.get("VM", vm, "VBDs"):
            vdi = db.get("VBD", vbd, "VDI")
            if vdi != NULL and db.get("SR", db.get("VDI", vdi, "SR"), "type").startswith("lv"):
                found.setdefault(db.get("VDI", vdi, "SR"), []).append(vdi)
        for sr in list(found):
            master = self.pool.sr_master(sr)
            if master.ref != self.host.ref:
                del found[sr]
                notes.append(
                    "Unable to check VDIs on SR %s because this host is not its master. Run on"
                    " host %s to check that SR" % (
                        db.get("SR", sr, "uuid"), db.get("host", master.ref, "uuid")))
        return found

    def _leaves(self, sr: str, vdis: List[str]) -> List[str]:
        """Those that are the only child of a base copy."""
        db = self.pool.db
        nodes = self.pool.disks.repository(sr).scan()
        parents = [node.parent for node in nodes.values()]
        return [vdi for vdi in vdis
                if nodes[db.get("VDI", vdi, "uuid")].parent is not None
                and parents.count(nodes[db.get("VDI", vdi, "uuid")].parent) == 1]

    def _force(self, sr: str, vdis: List[str]) -> None:
        """Leave the wish in other_config, as the plugin does, and let the collector see it."""
        db = self.pool.db
        for vdi in vdis:
            config = db.get("VDI", vdi, "other_config")
            db.update("VDI", vdi, other_config={"leaf-coalesce": FORCE, **config})
        self.pool.collector.run(sr)

    def _test(self, args: Mapping[str, str]) -> str:
        """The same for one disk, whatever uses it."""
        db = self.pool.db
        self._force(db.by_uuid("SR", required(args, "sr_uuid")),
                    [db.by_uuid("VDI", required(args, "vdi_uuid"))])
        return SUCCESS
