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

"""POST /_sandbox/VERB: the other end of control.Control.  JSON in, {"value": ...} out."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from nova_swift_handler.sandbox.xapi import faults
from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.pattern import pattern
from nova_swift_handler.sandbox.xapi.rpc.values import NULL
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.request import Request
from nova_swift_handler.sandbox.xapi.server.stream import Stream
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, Disk, StorageError

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

PREFIX = "/_sandbox"


class ControlHandler:
    def __init__(self, pool: Pool, host: Host):
        self._controls = Controls(pool, host)

    def __call__(self, request: Request, stream: Stream) -> bool:
        body = stream.read_exactly(request.content_length or 0)
        status, answer = "200 OK", b""
        verb = getattr(self._controls, request.path[len(PREFIX) + 1:].replace("-", "_"), None)
        try:
            if verb is None or request.path.startswith(PREFIX + "/_"):
                raise LookupError("no such control: %s" % request.path)
            answer = json.dumps({"value": verb(**json.loads(body or b"{}"))}).encode("utf-8")
        except (ApiError, StorageError, LookupError, TypeError, ValueError) as exc:
            status, answer = "400 Bad Request", str(exc).encode("utf-8")
        stream.write(response.complete(
            request.version, status, answer, "application/json", keep_alive=request.keep_alive))
        return request.keep_alive


class Controls:
    """The verbs; control.Control documents them for their users."""

    def __init__(self, pool: Pool, host: Host):
        self._pool = pool
        self._host = host

    def ping(self) -> Dict[str, Any]:
        return self._pool.describe()

    # -- faults

    def set_fault(self, name: str, args: Dict[str, Any]) -> None:
        self._pool.faults.set(name, **args)

    def clear_faults(self, name: Optional[str] = None) -> None:
        self._pool.faults.clear(name)

    def faults(self) -> Dict[str, Dict[str, Any]]:
        return self._pool.faults.active()

    def kinds(self) -> List[Dict[str, Any]]:
        return faults.describe()

    def expire_sessions(self) -> int:
        return self._pool.sessions.expire_all()

    def sessions(self) -> List[str]:
        return self._pool.sessions.all()

    # -- the collector

    def gc_run(self, sr_uuid: Optional[str] = None) -> List[Dict[str, Any]]:
        refs = (self._pool.disks.open_srs if sr_uuid is None
                else [self._pool.db.by_uuid("SR", sr_uuid)])
        return [dataclasses.asdict(action)
                for ref in refs for action in self._pool.collector.run(ref)]

    def gc_background(self, seconds: Optional[float], pause: float = 0.0) -> None:
        self._pool.collector.background(seconds, pause)

    def gc_history(self) -> List[Dict[str, Any]]:
        return list(self._pool.collector.history)

    # -- the guest

    def guest_write(self, vdi_uuid: str, offset: int, data: str) -> None:
        with self._open(vdi_uuid, True) as disk:
            disk.pwrite(offset, base64.b64decode(data))
            disk.flush()

    def guest_read(self, vdi_uuid: str, offset: int, length: int) -> str:
        with self._open(vdi_uuid, False) as disk:
            return base64.b64encode(disk.pread(offset, length)).decode("ascii")

    def guest_pattern(
        self, vdi_uuid: str, seed: Union[int, str], ranges: List[List[int]],
    ) -> None:
        with self._open(vdi_uuid, True) as disk:
            for offset, length in ranges:
                for start in range(offset, offset + length, BLOCK):
                    size = min(BLOCK, offset + length - start)
                    disk.pwrite(start, pattern(seed, start, size))
            disk.flush()

    def guest_sha256(self, vdi_uuid: str) -> str:
        digest = hashlib.sha256()
        with self._open(vdi_uuid, False) as disk:
            for offset in range(0, disk.virtual_size, BLOCK):
                digest.update(disk.pread(offset, min(BLOCK, disk.virtual_size - offset)))
        return digest.hexdigest()

    def _open(self, vdi_uuid: str, writable: bool) -> Disk:
        """Through the VM's own attachment if there is one: storage shares what is open."""
        vdi = self._pool.db.by_uuid("VDI", vdi_uuid)
        repository = self._pool.disks.repository(self._pool.db.get("VDI", vdi, "SR"))
        return repository.open(vdi_uuid, writable)

    # -- looking

    def vm_disks(self, vm: str) -> List[Dict[str, Any]]:
        db = self._pool.db
        refs = db.find("VM", name_label=vm) or [db.by_uuid("VM", vm)]
        disks = []
        for ref in refs:
            for vbd in [db.record("VBD", item) for item in db.get("VM", ref, "VBDs")]:
                if vbd["VDI"] == NULL:
                    continue
                vdi = db.record("VDI", vbd["VDI"])
                disks.append({
                    "vdi_uuid": vdi["uuid"], "name_label": vdi["name_label"],
                    "virtual_size": vdi["virtual_size"],
                    "sr_uuid": db.get("SR", vdi["SR"], "uuid"),
                    **{key: vbd[key] for key in (
                        "device", "userdevice", "mode", "type", "bootable",
                        "currently_attached")},
                })
        return sorted(disks, key=lambda disk: int(disk["userdevice"]))

    def chain(self, vdi_uuid: str) -> List[Dict[str, Any]]:
        vdi = self._pool.db.by_uuid("VDI", vdi_uuid)
        repository = self._pool.disks.repository(self._pool.db.get("VDI", vdi, "SR"))
        return [dataclasses.asdict(node) for node in repository.chain(vdi_uuid)]

    def state(self) -> Dict[str, int]:
        """Counts: VDI (managed ones), base_copy, snapshot, VBD, dom0_VBD, task and pending_task
        (without those that go by themselves when they end), VM (without dom0), running_VM, VIF,
        network, session."""
        db = self._pool.db
        with db.lock:
            vdis = [db.record("VDI", ref) for ref in db.refs("VDI")]
            tasks = [db.record("task", ref) for ref in db.refs("task")]
            tasks = [task for task in tasks
                     if "destroy" not in task["current_operations"].values()]
            vbds = [db.get("VBD", ref, "VM") for ref in db.refs("VBD")]
            vms = [db.get("VM", ref, "power_state") for ref in db.refs("VM")
                   if not self._pool.is_dom0(ref)]
            return {
                "VDI": sum(vdi["managed"] for vdi in vdis),
                "base_copy": sum(not vdi["managed"] for vdi in vdis),
                "snapshot": sum(vdi["is_a_snapshot"] for vdi in vdis),
                "VBD": len(vbds), "dom0_VBD": sum(map(self._pool.is_dom0, vbds)),
                "task": len(tasks),
                "pending_task": sum(task["status"] == "pending" for task in tasks),
                "VM": len(vms), "running_VM": vms.count("Running"),
                "VIF": len(db.refs("VIF")), "network": len(db.refs("network")),
                "session": len(db.refs("session")),
            }

    def calls(self, clear: bool = False) -> List[str]:
        calls = list(self._pool.calls)
        if clear:
            self._pool.calls.clear()
        return calls

    def network(self) -> Dict[str, Any]:
        return self._host.network.snapshot()
