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

"""SR: scanning, and making and dropping further SRs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from nova_swift_handler.sandbox.xapi import first_start
from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class SR:
    sync_only = (
        "get_supported_types", "set_virtual_allocation", "set_physical_size",
        "set_physical_utilisation")

    def __init__(self, pool: Pool):
        self._pool = pool

    def scan(self, _call: Call, sr: str) -> None:
        self._pool.disks.scan(sr)

    def update(self, _call: Call, sr: str) -> None:
        """Refresh the SR's own sizes; the disks' wait for a scan."""
        self._pool.disks.refresh_sr(sr)

    def get_supported_types(self, _call: Call) -> List[str]:
        db = self._pool.db
        return [db.get("SM", ref, "type") for ref in db.refs("SM")]

    def create(
        self, _call: Call, host: str, device_config: Dict[str, str], physical_size: Any,
        name_label: str, name_description: str, type: str,
        content_type: str, shared: bool, sm_config: Dict[str, str],
    ) -> str:
        """``physical_size`` is believed here (bytes, 0: as large as the default SR); SM asks the
        device.  ``device_config`` is kept with the PBD and otherwise unused.  A shared SR gets a
        PBD on every host."""
        db = self._pool.db
        if type not in self.get_supported_types(_call):
            raise ApiError("SR_UNKNOWN_DRIVER", type)
        size = int(physical_size) or db.get("SR", self._pool.default_sr, "physical_size")
        hosts = [member.ref for member in self._pool.hosts] if shared else [
            self._pool.host(host).ref]
        sr = first_start.create_sr(
            db, hosts, type, name_label, size, content_type, {}, sm_config, shared, device_config)
        db.update("SR", sr, name_description=name_description)
        self._pool.disks.open(sr, size)
        self._pool.disks.refresh_sr(sr)
        return sr

    def forget(self, _call: Call, sr: str) -> None:
        """Drop the records; what is on disk stays."""
        db = self._pool.db
        pbds = db.get("SR", sr, "PBDs")
        if any(db.get("PBD", pbd, "currently_attached") for pbd in pbds):
            raise ApiError("SR_HAS_PBD", sr)
        for vdi in db.get("SR", sr, "VDIs"):
            db.delete("VDI", vdi)
        for pbd in pbds:
            db.delete("PBD", pbd)
        db.delete("SR", sr)

    def destroy(self, call: Call, sr: str) -> None:
        db = self._pool.db
        if any(db.get("VDI", vdi, "managed") for vdi in db.get("SR", sr, "VDIs")):
            raise ApiError("SR_NOT_EMPTY")
        self.forget(call, sr)
