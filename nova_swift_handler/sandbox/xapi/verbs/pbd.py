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

"""PBD: connecting an SR to the host and disconnecting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host


class PBD:
    def __init__(self, host: Host):
        self._host = host

    def plug(self, _call: Call, pbd: str) -> None:
        db = self._host.db
        if not db.get("PBD", pbd, "currently_attached"):
            sr = db.get("PBD", pbd, "SR")
            self._host.disks.open(sr, db.get("SR", sr, "physical_size"))
            db.update("PBD", pbd, currently_attached=True)
            self._host.disks.scan(sr)

    def unplug(self, _call: Call, pbd: str) -> None:
        """Raises VDI_IN_USE while one of the SR's disks is plugged."""
        db = self._host.db
        if not db.get("PBD", pbd, "currently_attached"):
            return
        sr = db.get("PBD", pbd, "SR")
        for vdi in db.get("SR", sr, "VDIs"):
            if self._host.attachments.of_vdi(vdi):
                raise ApiError("VDI_IN_USE", vdi, "detach")
        self._host.disks.close(sr)
        db.update("PBD", pbd, currently_attached=False)

    def destroy(self, _call: Call, pbd: str) -> None:
        if self._host.db.get("PBD", pbd, "currently_attached"):
            raise ApiError("OPERATION_NOT_ALLOWED", "PBD is currently attached")
        self._host.db.delete("PBD", pbd)
