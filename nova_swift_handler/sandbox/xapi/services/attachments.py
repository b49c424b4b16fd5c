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

"""Plugging disks into domains: who may share a disk, and what a plugged disk looks like.

After xen-api's xapi_vbd.ml, xapi_vbd_helpers.ml, attach_helpers.ml and storage's vdi_automaton.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Dict, Iterator, List

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import Values
from nova_swift_handler.sandbox.xapi.rpc.values import NULL
from nova_swift_handler.sandbox.xapi.storage.base import Disk

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: Types of VDI that no domain may see.
_NEVER_ATTACHED = ("cbt_metadata", "ha_statefile", "metadata", "pvs_cache", "redo_log", "rrd")


class Attachments:
    """Plugged disks are held open, as tapdisk holds them; an LVM volume stays inflated."""

    def __init__(self, pool: Pool):
        self._pool = pool
        self._open: Dict[str, Disk] = {}
        #: VBD -> ref of the host that has it plugged
        self._where: Dict[str, str] = {}

    def of_vdi(self, vdi: str) -> List[Values]:
        """The VBD records through which the disk is plugged now."""
        db = self._pool.db
        with db.lock:
            records = [db.record("VBD", ref) for ref in db.referrers("VBD", "VDI", vdi)]
        return [record for record in records if record["currently_attached"]]

    def on_host(self, vdi: str, host: str) -> List[Values]:
        """Those of a host, by its ref."""
        return [record for record in self.of_vdi(vdi) if self._where[self._ref(record)] == host]

    def check_usable(self, vdi: str, mode: str) -> None:
        """What VBD.create and plug ask of a disk, whoever else has it."""
        record = self._pool.db.record("VDI", vdi)
        if record["type"] in _NEVER_ATTACHED:
            raise ApiError("VDI_INCOMPATIBLE_TYPE", vdi, record["type"])
        if not record["managed"]:
            raise ApiError("VDI_NOT_MANAGED", vdi)
        if mode == "RW" and record["read_only"]:
            raise ApiError("VDI_READONLY", vdi)

    def _check_sharing(self, vbd: Values, host: Host) -> None:
        """First what XAPI asks, then the host's storage layer, then SM, which knows all hosts."""
        vdi, mode = vbd["VDI"], vbd["mode"]
        if self._pool.db.get("VDI", vdi, "sharable"):
            return
        others = self.of_vdi(vdi)
        guests = [other for other in others if not self._is_control_domain(other["VM"])]
        writers = [other for other in guests if other["mode"] == "RW"]
        # Control domains are exempt, as requester and as holder.
        if not self._is_control_domain(vbd["VM"]) and (
                writers or (guests and mode == "RW")):
            raise ApiError("VDI_IN_USE", vdi, "attach")
        here = self.on_host(vdi, host.ref)
        if mode == "RW" and here and all(other["mode"] == "RO" for other in here):
            raise errors.internal_error(
                "Storage_error ([S(Illegal_transition);[[S(Activated);S(RO)];"
                "[S(Activated);S(RW)]]])")
        self._check_tags(vdi, mode, host)

    def _check_tags(self, vdi: str, mode: str, host: Host) -> None:
        """Refuse what another host has activated (SM's blktap2.py, _add_tag)."""
        record = self._pool.db.record("VDI", vdi)
        tags = [value for key, value in record["sm_config"].items()
                if key.startswith("host_") and key != "host_%s" % host.ref]
        if "RW" in tags or (tags and mode == "RW"):
            raise ApiError(
                "SR_BACKEND_FAILURE_46", "",
                "The VDI is not available [opterr=VDI %s not detached cleanly]" % record["uuid"],
                "")

    def _ref(self, vbd: Values) -> str:
        return self._pool.db.by_uuid("VBD", vbd["uuid"])

    def _is_control_domain(self, vm: str) -> bool:
        return self._pool.db.exists("VM", vm) and self._pool.db.get("VM", vm, "is_control_domain")

    def plug(self, vbd: str, host: Host) -> None:
        """Attach the VBD's disk to its domain, which is on ``host``.

        An empty CD drive is attached without one.
        """
        db = self._pool.db
        vdi = db.get("VBD", vbd, "VDI")
        with self._pool.disks.lock_of(vdi):
            with db.lock:
                record = db.record("VBD", vbd)
                if record["currently_attached"]:
                    raise ApiError("DEVICE_ALREADY_ATTACHED", record["device"])
                if vdi != NULL:
                    self.check_usable(vdi, record["mode"])
                    self._check_sharing(record, host)
                self._where[vbd] = host.ref
                db.update("VBD", vbd, currently_attached=True, device=_device(record))
            try:
                if vdi != NULL:
                    self._open_disk(vbd, record)
            except BaseException:
                del self._where[vbd]
                db.update("VBD", vbd, currently_attached=False)
                raise
            self._note_activation(vdi, host.ref)

    def _open_disk(self, vbd: str, record: Values) -> None:
        vdi = self._pool.db.record("VDI", record["VDI"])
        repository = self._pool.disks.repository(vdi["SR"])
        self._open[vbd] = repository.open(vdi["uuid"], record["mode"] == "RW")

    def unplug(self, vbd: str) -> None:
        db = self._pool.db
        vdi = db.get("VBD", vbd, "VDI")
        with self._pool.disks.lock_of(vdi):
            with db.lock:
                record = db.record("VBD", vbd)
                if not record["currently_attached"]:
                    raise ApiError("DEVICE_ALREADY_DETACHED", record["device"])
                disk = self._open.pop(vbd, None)
                host = self._where.pop(vbd)
                db.update("VBD", vbd, currently_attached=False)
            if disk is not None:
                disk.close()
            self._note_activation(vdi, host)

    def _note_activation(self, vdi: str, host: str) -> None:
        """Keep ``host_<ref>`` in sm_config, by which SM tells other hosts the disk is in use."""
        db = self._pool.db
        key = "host_%s" % host
        with db.lock:
            if vdi == NULL or not db.exists("VDI", vdi):
                return
            sm_config = db.get("VDI", vdi, "sm_config")
            sm_config.pop(key, None)
            modes = [record["mode"] for record in self.on_host(vdi, host)]
            if modes:
                sm_config[key] = "RW" if "RW" in modes else "RO"
            db.update("VDI", vdi, sm_config=sm_config)
            self._pool.vdi_rules.refresh(vdi)

    def create(self, given: Values) -> str:
        """VBD.create: choose the device, refuse what cannot be, leave it unplugged."""
        db = self._pool.db
        with db.lock:
            vm, vdi = given["VM"], given.get("VDI", NULL)
            taken = {
                db.get("VBD", ref, "userdevice") for ref in db.get("VM", vm, "VBDs")}
            device = given.get("userdevice", "autodetect")
            if device == "autodetect":
                device = next(str(number) for number in range(256) if str(number) not in taken)
            if device in taken:
                raise ApiError("DEVICE_ALREADY_EXISTS", device)
            if given.get("empty"):
                vdi = NULL
            else:
                self.check_usable(vdi, given.get("mode", "RW"))
            return db.insert("VBD", {
                **given, "VDI": vdi, "userdevice": device, "empty": vdi == NULL,
                "allowed_operations": ["attach"],
            })

    def destroy(self, vbd: str) -> None:
        with self._pool.db.lock:
            record = self._pool.db.record("VBD", vbd)
            if record["currently_attached"]:
                raise ApiError(
                    "OPERATION_NOT_ALLOWED",
                    "VBD '%s' still attached to '%s'" % (record["uuid"], record["VM"]))
            self._pool.db.delete("VBD", vbd)

    @contextlib.contextmanager
    def in_dom0(self, host: Host, vdi: str, mode: str) -> Iterator[str]:
        """Have a disk plugged into a host's dom0, visibly, while the block runs (with_vbds)."""
        vbd = self.create({
            "VM": host.dom0, "VDI": vdi, "mode": mode, "type": "Disk",
            "unpluggable": True,
        })
        try:
            self.plug(vbd, host)
        except BaseException:
            self.destroy(vbd)
            raise
        try:
            yield vbd
        finally:
            self._release(vbd)

    def _release(self, vbd: str) -> None:
        """Unplug and destroy; somebody else may have cleaned up already."""
        with contextlib.suppress(ApiError):
            self.unplug(vbd)
        with contextlib.suppress(ApiError):
            self.destroy(vbd)

    def linger(self, vdi_uuid: str) -> None:
        """Wait as a host waits that has not yet noticed the client's disappearance."""
        fault = self._pool.faults.strike("vbd_linger", vdi=vdi_uuid)
        if fault:
            time.sleep(float(fault["seconds"]))

    def resume(self) -> None:
        """After a restart: dom0's transfers are gone, guests still have their disks open."""
        db = self._pool.db
        records = {vbd: db.record("VBD", vbd) for vbd in db.refs("VBD")}
        self._where = {vbd: db.get("VM", record["VM"], "resident_on")
                       for vbd, record in records.items() if record["currently_attached"]}
        for vbd, record in records.items():
            if db.get("VM", record["VM"], "is_control_domain"):
                host = db.get("VM", record["VM"], "resident_on")
                db.update("VBD", vbd, currently_attached=False)
                self._note_activation(record["VDI"], host)
                db.delete("VBD", vbd)
                self._where.pop(vbd, None)
            elif record["currently_attached"] and record["VDI"] != NULL:
                self._open_disk(vbd, record)

    def close(self) -> None:
        for disk in self._open.values():
            disk.close()
        self._open.clear()


def _device(vbd: Values) -> str:
    """The block device's name in the guest, from the number in ``userdevice``."""
    number = vbd["userdevice"]
    if not number.isdigit():
        return str(number)
    name, index = "", int(number)
    while True:
        name = chr(ord("a") + index % 26) + name
        index = index // 26 - 1
        if index < 0:
            return "xvd" + name
