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

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class PBD:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, _call: Call, args: Dict[str, Any]) -> str:
        """One host's way to an SR, not plugged yet."""
        db = self._pool.db
        with db.lock:
            given = db.schemas["PBD"].from_client(args)
            for cls, name in (("host", "host"), ("SR", "SR")):
                db.record(cls, given.get(name, ""))
            for pbd in db.referrers("PBD", "SR", given["SR"]):
                if db.get("PBD", pbd, "host") == given["host"]:
                    raise ApiError("PBD_EXISTS", given["SR"], given["host"], pbd)
            return db.insert("PBD", given)

    def plug(self, _call: Call, pbd: str) -> None:
        db = self._pool.db
        if not db.get("PBD", pbd, "currently_attached"):
            sr = db.get("PBD", pbd, "SR")
            self._pool.disks.open(sr, db.get("SR", sr, "physical_size"))
            db.update("PBD", pbd, currently_attached=True)
            self._pool.disks.scan(sr)

    def unplug(self, _call: Call, pbd: str) -> None:
        """Raises VDI_IN_USE while one of the SR's disks is plugged on the host."""
        db = self._pool.db
        if not db.get("PBD", pbd, "currently_attached"):
            return
        sr = db.get("PBD", pbd, "SR")
        for vdi in db.get("SR", sr, "VDIs"):
            if self._pool.attachments.on_host(vdi, db.get("PBD", pbd, "host")):
                raise ApiError("VDI_IN_USE", vdi, "detach")
        db.update("PBD", pbd, currently_attached=False)
        if not any(db.get("PBD", other, "currently_attached")
                   for other in db.get("SR", sr, "PBDs")):
            self._pool.disks.close(sr)

    def destroy(self, _call: Call, pbd: str) -> None:
        if self._pool.db.get("PBD", pbd, "currently_attached"):
            raise ApiError("OPERATION_NOT_ALLOWED", "PBD is currently attached")
        self._pool.db.delete("PBD", pbd)
