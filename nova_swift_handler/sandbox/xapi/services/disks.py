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

"""SRs and VDIs: what storage does, and what the records say about it afterwards.

After xen-api's xapi_vdi.ml and xapi_sr.ml, storage_smapiv1.ml, and SM's drivers.  Storage itself
is sandbox.xapi.storage; here is what becomes of the records, under one lock an SR.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid as uuids
from typing import TYPE_CHECKING, Dict, Iterator, List, Mapping, Optional

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import Values, new_ref
from nova_swift_handler.sandbox.xapi.rpc.values import NULL, now
from nova_swift_handler.sandbox.xapi.storage import base
from nova_swift_handler.sandbox.xapi.storage.base import Node, StorageRepository

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: Keys of a VDI's sm_config that belong to SM: what storage says of them is what is so.
_SM_KEYS = ("vhd-parent", "vdi_type", "type", "gc_no_space")
#: What XAPI copies from a disk to its snapshots, clones and copies.
_INHERITED = (
    "name_label", "name_description", "type", "other_config", "tags", "xenstore_data", "on_boot")


class Disks:
    def __init__(self, pool: Pool):
        self._pool = pool
        self._repositories: Dict[str, StorageRepository] = {}
        self._locks: Dict[str, threading.RLock] = {}
        self._unlocked = threading.RLock()

    # -- SRs

    def open(self, sr: str, size: int) -> None:
        """Bring the storage of an SR record into use, making it if it is new.

        All hosts that see the SR work on it through this process, so it is opened once.
        """
        if sr in self._repositories:
            return
        record = self._pool.db.record("SR", sr)
        self._repositories[sr] = base.open_sr(
            record["type"], record["uuid"], self._pool.settings.sr_path(record["uuid"]), size,
            record["sm_config"])
        self._locks[sr] = threading.RLock()

    def close(self, sr: Optional[str] = None) -> None:
        """Let go of one SR, or of all."""
        for ref in [sr] if sr else list(self._repositories):
            self._repositories.pop(ref).close()

    def repository(self, sr: str) -> StorageRepository:
        """The storage of an SR.  Raises SR_HAS_NO_PBDS when it is not plugged."""
        try:
            return self._repositories[sr]
        except KeyError:
            self._pool.db.record("SR", sr)
            raise ApiError("SR_HAS_NO_PBDS", sr) from None

    @property
    def open_srs(self) -> List[str]:
        return list(self._repositories)

    def lock_of(self, vdi: str) -> threading.RLock:
        """The lock of the SR a disk is on; one nobody waits for when there is no disk."""
        if vdi == NULL or not self._pool.db.exists("VDI", vdi):
            return self._unlocked
        return self._locks.get(self._pool.db.get("VDI", vdi, "SR"), self._unlocked)

    def scan(self, sr: str) -> None:
        """SR.scan: records follow storage, sizes included, and the collector is kicked."""
        repository = self.repository(sr)
        with self._locks[sr]:
            self._reconcile(sr, repository.scan(), sizes=True)
            self.refresh_sr(sr)
        self._pool.collector.kick(sr)

    def follow_collector(self, sr: str) -> None:
        """After the collector moved something: base copies come and go, parents change."""
        repository = self.repository(sr)
        with self._locks[sr]:
            self._reconcile(sr, repository.scan(), sizes=False)
            self.refresh_sr(sr)

    def refresh_sr(self, sr: str) -> None:
        repository = self.repository(sr)
        self._pool.db.update(
            "SR", sr, physical_size=repository.physical_size,
            physical_utilisation=repository.physical_utilisation,
            virtual_allocation=repository.virtual_allocation)

    def _reconcile(self, sr: str, nodes: Mapping[str, Node], sizes: bool) -> None:
        db, logs = self._pool.db, self.repository(sr).cbt
        with db.lock:
            known = {db.get("VDI", ref, "uuid"): ref for ref in db.get("SR", sr, "VDIs")}
            for uuid, ref in known.items():
                if uuid not in nodes and not (logs and logs.has(uuid)):
                    self._forget(ref)
            for uuid, node in nodes.items():
                if uuid in known:
                    self._follow(known[uuid], node, sizes)
                else:
                    self._introduce(sr, node)

    def _follow(self, vdi: str, node: Node, sizes: bool = True) -> None:
        """Make a record say what its node says; the client's own keys stay."""
        db = self._pool.db
        with db.lock:
            sm_config = {key: value for key, value in db.get("VDI", vdi, "sm_config").items()
                         if key not in _SM_KEYS}
            sm_config.update(
                {key: node.sm_config[key] for key in _SM_KEYS if key in node.sm_config})
            changes: Values = {"sm_config": sm_config, "managed": not node.hidden}
            if node.hidden:
                changes["read_only"] = True
            if sizes:
                changes["virtual_size"] = node.virtual_size
                changes["physical_utilisation"] = node.physical_utilisation
            db.update("VDI", vdi, **changes)

    def _introduce(self, sr: str, node: Node, **fields: object) -> str:
        """A record for a node that has none; on an ISO SR the file's name stands in it."""
        file_name = node.name if self.repository(sr).type == "iso" else ""
        vdi = self._pool.db.insert("VDI", {
            "uuid": node.uuid, "SR": sr, "location": file_name or node.uuid,
            "name_label": "base copy" if node.hidden else file_name,
            "managed": not node.hidden, "read_only": node.hidden or node.read_only,
            "virtual_size": node.virtual_size,
            "physical_utilisation": node.physical_utilisation,
            "sm_config": dict(node.sm_config), **fields,
        })
        self._pool.vdi_rules.refresh(vdi)
        return vdi

    def _forget(self, vdi: str) -> None:
        """Drop a record with the VBDs that name it; a CD drive is left empty."""
        db = self._pool.db
        for vbd in db.referrers("VBD", "VDI", vdi):
            if db.get("VBD", vbd, "type") == "CD":
                db.update("VBD", vbd, VDI=NULL, empty=True)
            else:
                db.delete("VBD", vbd)
        db.delete("VDI", vdi)

    # -- VDIs

    def create(self, given: Values) -> str:
        fault = self._pool.faults.strike("vdi_create_fail")
        if fault:
            raise ApiError(fault["code"], *fault["params"])
        sr = given["SR"]
        repository = self.repository(sr)
        self._check_space(repository, "create")
        with self.operation("SR", sr, "vdi_create", new_ref()), self._locks[sr]:
            slow = self._pool.faults.strike("vdi_create_slow")
            time.sleep(slow["seconds"] if slow else 0)
            node = repository.create(
                str(uuids.uuid4()), given["virtual_size"], given.get("sm_config", {}))
            fields = {key: value for key, value in given.items()
                      if key not in ("virtual_size", "sm_config")}
            vdi = self._introduce(sr, node, **fields)
            self.refresh_sr(sr)
        return vdi

    @contextlib.contextmanager
    def operation(self, cls: str, ref: str, name: str, task: str) -> Iterator[None]:
        """Show in a record what is under way, as long as it is."""
        db = self._pool.db
        with db.lock:
            db.update(cls, ref, current_operations={
                **db.get(cls, ref, "current_operations"), task: name})
        try:
            yield
        finally:
            with db.lock:
                left = dict(db.get(cls, ref, "current_operations"))
                del left[task]
                db.update(cls, ref, current_operations=left)
            if cls == "VDI":
                self._pool.vdi_rules.refresh(ref)

    def snapshot(self, vdi: str) -> str:
        return self._branch(vdi, "snapshot")

    def clone(self, vdi: str) -> str:
        return self._branch(vdi, "clone")

    def _branch(self, vdi: str, operation: str) -> str:
        """Snapshot or clone: the disk and the new one become children of a base copy."""
        db = self._pool.db
        self._pool.vdi_rules.check(vdi, operation)
        self._pool.vdi_rules.check_managed(vdi)
        record = db.record("VDI", vdi)
        sr = record["SR"]
        repository = self.repository(sr)
        self._check_space(repository, operation)
        new_uuid, base_uuid = str(uuids.uuid4()), str(uuids.uuid4())
        with self._locks[sr]:
            attached = bool(self._pool.attachments.of_vdi(vdi))
            nodes = repository.snapshot(
                record["uuid"], new_uuid, base_uuid, clone=operation == "clone",
                attached=attached)
            with db.lock:
                if base_uuid in nodes:
                    self._introduce(sr, nodes[base_uuid])
                self._follow(vdi, nodes[record["uuid"]])
                new = self._introduce(sr, nodes[new_uuid], **{
                    "snapshot_time": now(), "is_a_snapshot": operation == "snapshot",
                    "snapshot_of": vdi if operation == "snapshot" else NULL,
                    "cbt_enabled": operation == "snapshot" and record["cbt_enabled"],
                    **_inherited(db.record("VDI", vdi)),
                })
            self.refresh_sr(sr)
        return new

    def resize(self, vdi: str, size: int, operation: str = "resize") -> None:
        self._pool.vdi_rules.check(vdi, operation)
        record = self._pool.db.record("VDI", vdi)
        repository = self.repository(record["SR"])
        self._pool.vdi_rules.check_managed(vdi)
        self._check_space(repository, "resize")
        with self._locks[record["SR"]]:
            self._pool.vdi_rules.check(vdi, operation)
            self._follow(vdi, repository.resize(record["uuid"], size))
            self.refresh_sr(record["SR"])

    def destroy(self, vdi: str) -> None:
        record = self._pool.db.record("VDI", vdi)
        repository = self.repository(record["SR"])
        with self._locks[record["SR"]]:
            self._pool.vdi_rules.check(vdi, "destroy")
            self._pool.vdi_rules.check_managed(vdi)
            if record["type"] != "cbt_metadata":
                repository.destroy(record["uuid"])
            if repository.cbt is not None:
                repository.cbt.delete(record["uuid"], merge=True)
            with self._pool.db.lock:
                self._forget(vdi)
            self.refresh_sr(record["SR"])
        self._pool.collector.kick(record["SR"])

    def _check_space(self, repository: StorageRepository, operation: str) -> None:
        """Fail as a full SR does, where that fault is on; EXT creates thin, and so never fails."""
        if operation == "create" and not repository.type.startswith("lvm"):
            return
        if self._pool.faults.strike("sr_full", sr=repository.uuid):
            if repository.type.startswith("lvm"):
                raise ApiError(
                    "SR_BACKEND_FAILURE_44", "", "There is insufficient space", "")
            raise ApiError(
                "SR_BACKEND_FAILURE_81", "",
                "Failed to clone VDI [opterr=VDI clone failed error 28]", "")


def _inherited(record: Values) -> Values:
    return {key: record[key] for key in _INHERITED}
