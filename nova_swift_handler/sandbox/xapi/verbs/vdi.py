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

"""VDI: disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.values import NULL

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: What a create call must say; everything else has a default.
_REQUIRED = ("SR", "virtual_size", "type", "sharable", "read_only", "other_config")


class VDI:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, _call: Call, args: Dict[str, Any]) -> str:
        """The size is rounded up by the SR: read virtual_size back."""
        for name in _REQUIRED:
            if name not in args:
                raise ApiError("FIELD_TYPE_ERROR", name)
        given = self._pool.db.schemas["VDI"].from_client(args)
        given["type"] = given["type"].lower()  # enumerations are read case-insensitively
        self._pool.db.record("SR", given["SR"])
        return self._pool.disks.create(given)

    def destroy(self, _call: Call, vdi: str) -> None:
        self._pool.disks.destroy(vdi)

    def snapshot(self, _call: Call, vdi: str, driver_params: Any = None) -> str:
        return self._pool.disks.snapshot(vdi)

    def clone(self, _call: Call, vdi: str, driver_params: Any = None) -> str:
        return self._pool.disks.clone(vdi)

    def copy(
        self, _call: Call, vdi: str, sr: str, base_vdi: str = NULL, into_vdi: str = NULL,
    ) -> str:
        """``base_vdi`` only ever saves work; the whole disk is compared here instead."""
        if into_vdi not in (NULL, ""):
            self._pool.disks.copy_into(vdi, into_vdi)
            return into_vdi
        return self._pool.disks.copy(vdi, sr)

    def resize(self, _call: Call, vdi: str, size: Any) -> None:
        field = self._pool.db.schemas["VDI"].fields["virtual_size"]
        self._pool.disks.resize(vdi, field.accept(size))

    def resize_online(self, _call: Call, vdi: str, size: Any) -> None:
        """No VHD driver can."""
        raise ApiError("SR_OPERATION_NOT_SUPPORTED", self._pool.db.get("VDI", vdi, "SR"))

    def update(self, _call: Call, vdi: str) -> None:
        """Ask SM to look at the disk again: part of what a scan does."""
        sr = self._pool.db.get("VDI", vdi, "SR")
        self._pool.disks.follow_collector(sr)

    def forget(self, _call: Call, vdi: str) -> None:
        """Drop the record; the next SR.scan brings a bare one back."""
        self._pool.db.delete("VDI", vdi)

    def set_read_only(self, _call: Call, vdi: str, value: bool) -> None:
        self._pool.db.update("VDI", vdi, read_only=bool(value))

    def set_sharable(self, _call: Call, vdi: str, value: bool) -> None:
        self._pool.db.update("VDI", vdi, sharable=bool(value))
