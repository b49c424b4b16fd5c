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

from typing import TYPE_CHECKING, Any, Dict, List

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.values import NULL

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: What a create call must say; everything else has a default.
_REQUIRED = ("SR", "virtual_size", "type", "sharable", "read_only", "other_config")


class VDI:
    sync_only = (
        "set_missing", "set_read_only", "set_sharable", "set_managed", "set_virtual_size",
        "set_physical_utilisation", "set_is_a_snapshot", "set_snapshot_of", "set_snapshot_time",
        "get_nbd_info")

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
        self, call: Call, vdi: str, sr: str, base_vdi: str = NULL, into_vdi: str = NULL,
    ) -> str:
        return self._pool.copies.copy(vdi, sr, base_vdi, into_vdi, call.task)

    def resize(self, _call: Call, vdi: str, size: Any) -> None:
        self._pool.disks.resize(vdi, self._size(size))

    def resize_online(self, _call: Call, vdi: str, size: Any) -> None:
        """No VHD driver can."""
        self._pool.disks.resize(vdi, self._size(size), "resize_online")

    def _size(self, size: Any) -> int:
        return int(self._pool.db.schemas["VDI"].fields["virtual_size"].accept(size))

    def update(self, _call: Call, vdi: str) -> None:
        """Ask SM to look at the disk again: part of what a scan does."""
        self._pool.vdi_rules.check(vdi, "update")
        self._pool.disks.follow_collector(self._pool.db.get("VDI", vdi, "SR"))

    def forget(self, _call: Call, vdi: str) -> None:
        """Drop the record; the next SR.scan brings a bare one back."""
        self._pool.vdi_rules.check(vdi, "forget")
        self._pool.db.delete("VDI", vdi)

    # -- changed block tracking

    def enable_cbt(self, _call: Call, vdi: str) -> None:
        self._pool.tracking.enable(vdi)

    def disable_cbt(self, _call: Call, vdi: str) -> None:
        self._pool.tracking.disable(vdi)

    def list_changed_blocks(self, _call: Call, vdi_from: str, vdi_to: str) -> str:
        return self._pool.tracking.changed_blocks(vdi_from, vdi_to)

    def data_destroy(self, _call: Call, vdi: str) -> None:
        self._pool.tracking.data_destroy(vdi)

    def get_nbd_info(self, _call: Call, vdi: str) -> List[Any]:
        """No network here has the purpose nbd."""
        kind = self._pool.db.get("VDI", vdi, "type")
        if kind == "cbt_metadata":
            raise ApiError("VDI_INCOMPATIBLE_TYPE", vdi, kind)
        return []

    # -- fields with a rule of their own

    def set_on_boot(self, _call: Call, vdi: str, value: str) -> None:
        if value not in ("persist", "reset"):
            raise ApiError("INVALID_VALUE", "on_boot", value)
        self._pool.vdi_rules.check(vdi, "set_on_boot")
        self._set(vdi, "on_boot", value)
        self._pool.vdi_rules.refresh(vdi)

    def set_allow_caching(self, _call: Call, vdi: str, value: bool) -> None:
        self._set(vdi, "allow_caching", value)

    def set_read_only(self, _call: Call, vdi: str, value: bool) -> None:
        self._set(vdi, "read_only", value)

    def set_sharable(self, _call: Call, vdi: str, value: bool) -> None:
        self._set(vdi, "sharable", value)

    def set_managed(self, _call: Call, vdi: str, value: bool) -> None:
        self._set(vdi, "managed", value)

    def set_missing(self, _call: Call, vdi: str, value: bool) -> None:
        self._set(vdi, "missing", value)

    def set_virtual_size(self, _call: Call, vdi: str, value: Any) -> None:
        self._set(vdi, "virtual_size", value)

    def set_physical_utilisation(self, _call: Call, vdi: str, value: Any) -> None:
        self._set(vdi, "physical_utilisation", value)

    def set_is_a_snapshot(self, _call: Call, vdi: str, value: bool) -> None:
        self._set(vdi, "is_a_snapshot", value)

    def set_snapshot_of(self, _call: Call, vdi: str, value: str) -> None:
        self._set(vdi, "snapshot_of", value)

    def set_snapshot_time(self, _call: Call, vdi: str, value: Any) -> None:
        self._set(vdi, "snapshot_time", value)

    def _set(self, vdi: str, name: str, value: Any) -> None:
        db = self._pool.db
        db.update("VDI", vdi, **{name: db.schemas["VDI"].fields[name].accept(value)})
