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

"""VDI.copy (xen-api's xapi_vdi.ml, copy, and sm_fs_ops.ml, copy_vdi)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import new_ref
from nova_swift_handler.sandbox.xapi.rpc.values import NULL
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK
from nova_swift_handler.sandbox.xapi.storage.copy import copy_blocks

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: What a new disk gets of the one it is a copy of; of sm_config nothing.
_CLONED = ("name_label", "name_description", "type", "sharable", "other_config", "xenstore_data",
           "tags")


class Copies:
    def __init__(self, pool: Pool):
        self._pool = pool

    def copy(self, vdi: str, sr: str, base: str, into: str, task: str) -> str:
        """Copy a disk into another, or into a new one on ``sr``; returns that.

        ``base``, ``into``: refs; whatever is none counts as absent.  With ``base`` only those
        blocks are copied in which the two chains differ.  ``task`` shows the progress and can
        stop it.
        """
        self._pool.vdi_rules.check(vdi, "copy")
        self._pool.vdi_rules.check_managed(vdi)
        db = self._pool.db
        target = into
        if not db.exists("VDI", into):
            source = db.record("VDI", vdi)
            target = self._pool.disks.create({
                "SR": sr, "virtual_size": source["virtual_size"],
                **{name: source[name] for name in _CLONED}})
        try:
            self._check_target(vdi, target)
            self._transfer(vdi, target, base if db.exists("VDI", base) else NULL, task)
        except BaseException:
            if target != into:
                self._pool.disks.destroy(target)
            raise
        return target

    def _check_target(self, vdi: str, target: str) -> None:
        into = self._pool.db.record("VDI", target)
        size = self._pool.db.get("VDI", vdi, "virtual_size")
        if into["read_only"]:
            raise ApiError("VDI_READONLY", target)
        if into["virtual_size"] < size:
            raise ApiError("VDI_TOO_SMALL", target, size)

    def _transfer(self, vdi: str, target: str, base: str, task: str) -> None:
        db, attachments, disks = self._pool.db, self._pool.attachments, self._pool.disks
        source, into = db.record("VDI", vdi), db.record("VDI", target)
        if base != NULL and self._must_write_zeros(target):
            raise ApiError("VDI_NOT_SPARSE", target)
        reading, writing = self._pool.hosts_for_copy(source["SR"], into["SR"])
        repository = disks.repository(source["SR"])
        base_uuid = db.get("VDI", base, "uuid") if base != NULL else None
        slow = self._pool.faults.strike("slow", direction="copy", vdi=source["uuid"])

        def progress(fraction: float) -> None:
            self._pool.tasks.stop_if_cancelled(task)
            self._pool.tasks.progress(task, fraction)
            if slow:
                time.sleep(float(slow["seconds_per_mib"]) * BLOCK / (1 << 20))

        self._pool.tasks.set_cancellable(task)
        with disks.operation("VDI", vdi, "copy", task if task != NULL else new_ref()), \
                attachments.in_dom0(reading, vdi, "RO"), \
                attachments.in_dom0(writing, target, "RW"):
            blocks = repository.blocks(source["uuid"], base_uuid)
            if self._must_write_zeros(target):
                blocks = list(range((source["virtual_size"] + BLOCK - 1) // BLOCK))
            with repository.open(source["uuid"], False) as reader, \
                    disks.repository(into["SR"]).open(into["uuid"], True) as writer:
                copy_blocks(reader, writer, blocks, progress)

    def _must_write_zeros(self, vdi: str) -> bool:
        """Raw volumes hold what was there before (must_write_zeroes_into_new_vdi)."""
        record = self._pool.db.record("VDI", vdi)
        sr = self._pool.db.record("SR", record["SR"])
        return sr["type"].startswith("lvm") and (
            record["sm_config"].get("type") == "raw" or sr["sm_config"].get("use_vhd") != "true")
