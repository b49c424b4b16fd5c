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

"""SM's plugin that coalesces a VM's leaves at once, for LVM SRs (plugins/coalesce-leaf)."""

from __future__ import annotations

from typing import Callable, Dict, Mapping

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin, PluginError, required
from nova_swift_handler.sandbox.xapi.rpc.values import NULL

SUCCESS = "Success"
NOTHING_TO_DO = "VM has no leaf-coalesceable VDIs"


class CoalesceLeaf(Plugin):
    def plain(self) -> Dict[str, Callable[[Mapping[str, str]], str]]:
        return {"leaf-coalesce": self._leaf_coalesce}

    def _leaf_coalesce(self, args: Mapping[str, str]) -> str:
        """Both answers mean that all went well."""
        db = self.host.db
        vm = db.by_uuid("VM", required(args, "vm_uuid"))
        merged = False
        for vbd in db.get("VM", vm, "VBDs"):
            vdi = db.get("VBD", vbd, "VDI")
            if vdi == NULL:
                continue
            sr = db.get("VDI", vdi, "SR")
            if db.get("SR", sr, "type") != "lvm":
                raise PluginError("SR type %s not supported" % db.get("SR", sr, "type"))
            merged = self._force(vdi, sr) or merged
        return SUCCESS if merged else NOTHING_TO_DO

    def _force(self, vdi: str, sr: str) -> bool:
        db = self.host.db
        uuid, before = db.get("VDI", vdi, "uuid"), db.get("VDI", vdi, "other_config")
        db.update("VDI", vdi, other_config={**before, "leaf-coalesce": "force"})
        try:
            actions = self.host.collector.run(sr)
        finally:
            db.update("VDI", vdi, other_config=before)
        return any(action.kind == "leaf-coalesce" and action.uuid == uuid for action in actions)
