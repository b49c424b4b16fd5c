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

"""Changed block tracking of VDIs (xen-api's xapi_vdi.ml, sm's VDI.py)."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from nova_swift_handler.sandbox.xapi.storage.cbt import Logs

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: Seconds VDI.data_destroy waits for VBDs to go.
_PATIENCE = 4.0


class Tracking:
    def __init__(self, pool: Pool):
        self._pool = pool

    def _logs(self, sr: str) -> Logs:
        logs = self._pool.disks.repository(sr).cbt
        if logs is None:
            raise ApiError("SR_OPERATION_NOT_SUPPORTED", sr)
        return logs

    def enable(self, vdi: str) -> None:
        """Log what is written from now on; done twice it does nothing."""
        self._pool.vdi_rules.check(vdi, "enable_cbt")
        record = self._pool.db.record("VDI", vdi)
        if record["sm_config"].get("type") == "raw":
            raise ApiError("SR_BACKEND_FAILURE_66", "",
                           "Invalid VDI type [opterr=Raw VDI or snapshot not permitted]", "")
        with self._pool.disks.lock_of(vdi):
            if not record["cbt_enabled"]:
                self._logs(record["SR"]).create(record["uuid"], record["virtual_size"])
                self._pool.db.update("VDI", vdi, cbt_enabled=True)
        self._pool.vdi_rules.refresh(vdi)

    def disable(self, vdi: str) -> None:
        """Drop the log; the chain of logs ends with the newest snapshot then."""
        self._pool.vdi_rules.check(vdi, "disable_cbt")
        record = self._pool.db.record("VDI", vdi)
        with self._pool.disks.lock_of(vdi):
            if record["cbt_enabled"]:
                self._logs(record["SR"]).delete(record["uuid"], merge=False)
                self._pool.db.update("VDI", vdi, cbt_enabled=False)
        self._pool.vdi_rules.refresh(vdi)

    def changed_blocks(self, start: str, end: str) -> str:
        """Base64 of a bitmap of 64 KiB blocks, the first block the top bit of the first byte."""
        self._pool.vdi_rules.check(end, "list_changed_blocks")
        first, last = (self._pool.db.record("VDI", vdi) for vdi in (start, end))
        try:
            bits = self._logs(last["SR"]).changed(first["uuid"], last["uuid"])
        except StorageError as exc:
            raise ApiError(exc.code, *exc.params) from exc
        return base64.b64encode(bits).decode("ascii")

    def data_destroy(self, vdi: str) -> None:
        """Delete a snapshot's data and keep its log; done twice it does nothing."""
        self._pool.vdi_rules.check(vdi, "data_destroy")
        db = self._pool.db
        record = db.record("VDI", vdi)
        if record["type"] == "cbt_metadata":
            return
        db.update("VDI", vdi, type="cbt_metadata")  # nobody shall attach it any more
        try:
            self._pool.vdi_rules.check_managed(vdi)
            self._wait_for_vbds(vdi)
            with self._pool.disks.lock_of(vdi):
                self._pool.disks.repository(record["SR"]).destroy(record["uuid"])
        except BaseException:
            db.update("VDI", vdi, type=record["type"])
            raise
        sm_config = {key: value for key, value in record["sm_config"].items()
                     if key != "vhd-parent"}
        db.update("VDI", vdi, physical_utilisation=0, sm_config=sm_config)
        for vbd in db.referrers("VBD", "VDI", vdi):
            db.delete("VBD", vbd)
        self._pool.disks.refresh_sr(record["SR"])
        self._pool.vdi_rules.refresh(vdi)
        self._pool.collector.kick(record["SR"])

    def _wait_for_vbds(self, vdi: str) -> None:
        """Raises VDI_IN_USE when they do not go."""
        deadline = time.monotonic() + _PATIENCE
        while self._pool.db.referrers("VBD", "VDI", vdi):
            if time.monotonic() > deadline:
                raise ApiError("VDI_IN_USE", vdi, "data_destroy")
            time.sleep(0.1)
