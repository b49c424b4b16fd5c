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

"""VBD: the connection between a disk and a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.values import NULL

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: Enumerations are read case-insensitively; Nova writes "disk".
_TYPES = {"disk": "Disk", "cd": "CD", "floppy": "Floppy"}
_MODES = {"ro": "RO", "rw": "RW"}


class VBD:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, _call: Call, args: Dict[str, Any]) -> str:
        db = self._pool.db
        given = db.schemas["VBD"].from_client(args)
        for name in ("VM", "VDI"):
            if name not in given and not (name == "VDI" and given.get("empty")):
                raise ApiError("FIELD_TYPE_ERROR", name)
        given["type"] = _enum("vbd_type", _TYPES, given.get("type", "Disk"))
        given["mode"] = _enum("vbd_mode", _MODES, given.get("mode", "RW"))
        db.record("VM", given["VM"])
        if not given.get("empty"):
            db.record("VDI", given["VDI"])
        return self._pool.attachments.create(given)

    def destroy(self, _call: Call, vbd: str) -> None:
        self._pool.attachments.destroy(vbd)

    def plug(self, _call: Call, vbd: str) -> None:
        """Only a running VM can take a disk; XAPI plugs a halted one's disks at its start."""
        vm = self._pool.db.get("VBD", vbd, "VM")
        state = self._pool.db.get("VM", vm, "power_state")
        if state != "Running":
            raise ApiError("VM_BAD_POWER_STATE", vm, "running", state.lower())
        host = self._pool.db.get("VM", vm, "resident_on")
        self._pool.attachments.plug(vbd, self._pool.host(host))

    def unplug(self, _call: Call, vbd: str) -> None:
        self._pool.attachments.unplug(vbd)

    def unplug_force(self, _call: Call, vbd: str) -> None:
        self._pool.attachments.unplug(vbd)

    def insert(self, _call: Call, vbd: str, vdi: str) -> None:
        """Put a disc into an empty CD drive."""
        db = self._pool.db
        with db.lock:
            record = db.record("VBD", vbd)
            db.record("VDI", vdi)
            if record["type"] != "CD":
                raise ApiError("VBD_NOT_REMOVABLE_MEDIA", vbd)
            if not record["empty"]:
                raise ApiError("VBD_NOT_EMPTY", vbd)
            db.update("VBD", vbd, VDI=vdi, empty=False)

    def eject(self, _call: Call, vbd: str) -> None:
        db = self._pool.db
        with db.lock:
            record = db.record("VBD", vbd)
            if record["type"] != "CD":
                raise ApiError("VBD_NOT_REMOVABLE_MEDIA", vbd)
            if record["empty"]:
                raise ApiError("VBD_IS_EMPTY", vbd)
            db.update("VBD", vbd, VDI=NULL, empty=True)


def _enum(name: str, values: Dict[str, str], given: str) -> str:
    try:
        return values[given.lower()]
    except KeyError:
        raise ApiError("INVALID_VALUE", name, given) from None
