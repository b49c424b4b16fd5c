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

"""Which operation a VDI allows now, and which error the others get.

After xen-api's xapi_vdi.ml, check_operation_error, whose order of checks is kept: the first that
fails is the one the client hears of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, List, Optional

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import Values

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: The feature of an SR's driver that an operation needs.
_FEATURES = {
    "snapshot": "VDI_SNAPSHOT", "clone": "VDI_CLONE", "destroy": "VDI_DELETE",
    "data_destroy": "VDI_CONFIG_CBT", "enable_cbt": "VDI_CONFIG_CBT",
    "disable_cbt": "VDI_CONFIG_CBT", "list_changed_blocks": "VDI_CONFIG_CBT",
    "resize": "VDI_RESIZE", "resize_online": "VDI_RESIZE_ONLINE", "update": "VDI_UPDATE",
    "generate_config": "VDI_GENERATE_CONFIG", "set_on_boot": "VDI_RESET_ON_BOOT",
}
#: Allowed whoever has the disk attached; a copy bears readers.
_LIVE = ("snapshot", "clone", "resize_online", "enable_cbt", "disable_cbt", "data_destroy")
#: Impossible once only the log of changes is left.
_NEED_DATA = ("snapshot", "clone", "copy", "resize", "resize_online", "enable_cbt",
              "disable_cbt", "set_on_boot")
#: What allowed_operations speaks of: newer operations are left out, in XAPI too.
_LISTED = ("snapshot", "clone", "copy", "resize", "resize_online", "destroy", "forget", "update",
           "generate_config", "set_on_boot")


class VdiRules:
    def __init__(self, pool: Pool):
        self._pool = pool

    def check(self, vdi: str, operation: str) -> None:
        """Raise the ApiError an operation would get now; HANDLE_INVALID for an unknown ref."""
        error = self._error(vdi, self._pool.db.record("VDI", vdi), operation)
        if error is not None:
            raise error

    def check_managed(self, vdi: str) -> None:
        """What the operations themselves ask first.  Raises VDI_NOT_MANAGED."""
        if not self._pool.db.get("VDI", vdi, "managed"):
            raise ApiError("VDI_NOT_MANAGED", vdi)

    def refresh(self, vdi: str) -> None:
        """Bring a record's allowed_operations up to date."""
        db = self._pool.db
        with db.lock:
            if db.exists("VDI", vdi):
                record = db.record("VDI", vdi)
                db.update("VDI", vdi, allowed_operations=self._allowed(vdi, record))

    def _allowed(self, vdi: str, record: Values) -> List[str]:
        if not record["managed"]:
            return ["forget"]
        return [name for name in _LISTED if self._error(vdi, record, name) is None]

    def _error(self, vdi: str, record: Values, operation: str) -> Optional[ApiError]:
        for task, current in record["current_operations"].items():
            if current != "copy":
                return ApiError("OTHER_OPERATION_IN_PROGRESS", "VDI", vdi, current, task)
        if operation == "resize" and not self._plugged(record["SR"]):
            return ApiError("SR_HAS_NO_PBDS", record["SR"])
        if self._blocked_by_attachment(vdi, operation):
            return ApiError("VDI_IN_USE", vdi, operation)
        feature = _FEATURES.get(operation)
        if feature is not None and not self._has_feature(record["SR"], feature):
            return ApiError("SR_OPERATION_NOT_SUPPORTED", record["SR"])
        if operation in _NEED_DATA and record["type"] == "cbt_metadata":
            return ApiError("VDI_INCOMPATIBLE_TYPE", vdi, "cbt_metadata")
        if operation == "set_on_boot" and record["cbt_enabled"]:
            return ApiError("VDI_CBT_ENABLED", vdi)
        own: Dict[str, Callable[[str, Values], Optional[ApiError]]] = {
            "data_destroy": _data_destroy, "snapshot": _snapshot, "copy": _copy,
            "enable_cbt": _change_tracking, "disable_cbt": _change_tracking}
        return own[operation](vdi, record) if operation in own else None

    def _plugged(self, sr: str) -> bool:
        db = self._pool.db
        return any(db.get("PBD", pbd, "currently_attached") for pbd in db.get("SR", sr, "PBDs"))

    def _blocked_by_attachment(self, vdi: str, operation: str) -> bool:
        if operation in _LIVE:
            return False
        modes = [vbd["mode"] for vbd in self._pool.attachments.of_vdi(vdi)]
        return "RW" in modes if operation == "copy" else bool(modes)

    def _has_feature(self, sr: str, feature: str) -> bool:
        db = self._pool.db
        return any(feature in db.get("SM", driver, "features")
                   for driver in db.find("SM", type=db.get("SR", sr, "type")))


def _data_destroy(vdi: str, record: Values) -> Optional[ApiError]:
    if not record["is_a_snapshot"]:
        return ApiError("OPERATION_NOT_ALLOWED", "VDI is not a snapshot: %s" % vdi)
    if not record["cbt_enabled"]:
        return ApiError("VDI_NO_CBT_METADATA", vdi)
    return None


def _snapshot(vdi: str, record: Values) -> Optional[ApiError]:
    if record["sharable"]:
        return ApiError("VDI_IS_SHARABLE", vdi)
    if record["on_boot"] == "reset":
        return ApiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    if "copy" in record["current_operations"].values():
        return ApiError(
            "OPERATION_NOT_ALLOWED", "Snapshot operation not allowed during copy.")
    return None


def _copy(vdi: str, record: Values) -> Optional[ApiError]:
    if record["on_boot"] == "reset":
        return ApiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    return None


def _change_tracking(vdi: str, record: Values) -> Optional[ApiError]:
    if record["is_a_snapshot"]:
        return ApiError("OPERATION_NOT_ALLOWED", "VDI is a snapshot: %s" % vdi)
    if record["type"] not in ("user", "system"):
        return ApiError("VDI_INCOMPATIBLE_TYPE", vdi, record["type"])
    if record["on_boot"] == "reset":
        return ApiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    return None
