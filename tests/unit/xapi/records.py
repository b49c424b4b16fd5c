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

"""Records as XAPI gives them, and a host that has some."""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import host as hosts

GIB = 1024 ** 3
NULL = "OpaqueRef:NULL"


def sr_record(**fields: Any) -> Dict[str, Any]:
    """An SR's; sizes may be given as numbers."""
    record = {"uuid": "sr-uuid", "name_label": "Local storage", "type": "ext", "sm_config": {},
              "physical_size": 100 * GIB, "physical_utilisation": 0, "virtual_allocation": 0,
              "shared": False, "other_config": {}, "PBDs": [], **fields}
    for name in ("physical_size", "physical_utilisation", "virtual_allocation"):
        record[name] = str(record[name])
    return record


def vdi_record(uuid: str, parent: Optional[str] = None, **fields: Any) -> Dict[str, Any]:
    """A VDI's; a base copy's if its uuid begins with "base"."""
    base = uuid.startswith("base")
    record = {"uuid": uuid, "name_label": "base copy" if base else uuid,
              "name_description": "", "SR": "OpaqueRef:sr",
              "managed": not base, "is_a_snapshot": False, "snapshot_of": NULL, "type": "user",
              "on_boot": "persist", "allow_caching": False,
              "virtual_size": 10 * GIB, "physical_utilisation": GIB, "VBDs": [],
              "other_config": {}, "sm_config": {}, **fields}
    if parent is not None:
        record["sm_config"] = {**record["sm_config"], "vhd-parent": parent}
    for name in ("virtual_size", "physical_utilisation"):
        record[name] = str(record[name])
    return record


class Storage:
    """One SR on a host, with VDIs; references are ``OpaqueRef:`` and the uuid.

    :ivar scanned: what happens on SR.scan; tests put theirs here.
    """

    def __init__(self, host: hosts.Host) -> None:
        self.sr = sr_record()
        self.vdis: Dict[str, Dict[str, Any]] = {}
        self.vbds: Dict[str, Dict[str, Any]] = {}
        self.vms: Dict[str, Dict[str, Any]] = {}
        self.host = host
        host.methods.update({
            "SR.get_record": lambda ref: self.sr, "SR.update": lambda ref: "",
            "SR.get_uuid": lambda ref: self.sr["uuid"],
            "VDI.get_by_uuid": self._by_uuid,
            "VDI.get_record": lambda ref: self._named(self.vdis, "VDI", ref),
            "VDI.get_VBDs": lambda ref: self._named(self.vdis, "VDI", ref)["VBDs"],
            "VDI.get_all_records_where": lambda where: {
                "OpaqueRef:" + uuid: record for uuid, record in self.vdis.items()},
            "VBD.get_record": lambda ref: self._named(self.vbds, "VBD", ref),
            "VM.get_is_control_domain": lambda ref: ref == "OpaqueRef:dom0",
            "VDI.create": self._create, "VDI.destroy": self._destroy,
            "VDI.remove_from_other_config": self._unmark})

    def _create(self, record: Dict[str, Any]) -> str:
        given = {key: value for key, value in record.items() if key != "SR"}
        self.add("made", **given)
        return "OpaqueRef:made"

    def _destroy(self, ref: str) -> str:
        self._named(self.vdis, "VDI", ref)
        del self.vdis[ref[len("OpaqueRef:"):]]
        return ""

    def _unmark(self, ref: str, key: str) -> str:
        del self._named(self.vdis, "VDI", ref)["other_config"][key]
        return ""

    def add(self, uuid: str, parent: Optional[str] = None, **fields: Any) -> None:
        """Add a VDI."""
        self.vdis[uuid] = vdi_record(uuid, parent, **fields)

    def chain(self, depth: int) -> str:
        """Add a disk whose chain has so many VHDs; return its uuid."""
        for number in range(1, depth):
            self.add(f"base{number}", f"base{number - 1}" if number > 1 else None)
        self.add("leaf", f"base{depth - 1}" if depth > 1 else None)
        return "leaf"

    def attach(self, uuid: str, vm: str = "guest", mode: str = "RW", plugged: bool = True) -> None:
        """Attach a VDI to a VM."""
        self.vbds[f"vbd-{uuid}"] = {
            "VM": "OpaqueRef:" + vm, "VDI": "OpaqueRef:" + uuid, "mode": mode,
            "currently_attached": plugged, "type": "Disk", "empty": False}
        self.vdis[uuid]["VBDs"] = [*self.vdis[uuid]["VBDs"], f"OpaqueRef:vbd-{uuid}"]

    def _by_uuid(self, uuid: str) -> str:
        if uuid not in self.vdis:
            raise hosts.Failure("UUID_INVALID", "VDI", uuid)
        return "OpaqueRef:" + uuid

    @staticmethod
    def _named(records: Dict[str, Dict[str, Any]], kind: str, ref: str) -> Dict[str, Any]:
        name = ref[len("OpaqueRef:"):]
        if name not in records:
            raise hosts.Failure("HANDLE_INVALID", kind, ref)
        return records[name]
