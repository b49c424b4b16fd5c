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

"""Storage repositories (SRs): of which kind one is, and how much room it has."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors, sizes
from nova_swift_handler.xapi import session as sessions

NULL = "OpaqueRef:NULL"

_FILE_TYPES = ("ext", "ext4", "xfs", "nfs", "file", "smb", "cephfs", "glusterfs", "moosefs", "zfs")
"""Those whose drivers derive from SM's FileSR, in XenServer or XCP-ng."""
_LVM_TYPES = ("lvm", "lvmoiscsi", "lvmohba", "lvmofcoe")
ISO = "iso"
"""The type of SRs for ISO images."""
_NO_ROOM = 16 * 1024 * 1024
"""Free bytes below which a failed write to a file SR is put down to lack of room."""


@dataclasses.dataclass(frozen=True)
class Repository:
    """An SR, as its record says.

    :ivar layout: one of :mod:`.sizes`: how disks lie on it; None for a type that keeps no VHDs
        (an SR of CD images), or keeps them in a way unknown here.
    :ivar physical_size: bytes it has.
    :ivar physical_utilisation: bytes that are taken.
    :ivar virtual_allocation: bytes that the disks on it have, as guests see them.
    """

    ref: str
    uuid: str
    name: str
    type: str
    layout: Optional[str]
    physical_size: int
    physical_utilisation: int
    virtual_allocation: int
    shared: bool
    other_config: Dict[str, str]

    def __str__(self) -> str:
        return f"SR {self.uuid} ({self.name}, {self.layout or self.type})"

    @property
    def free(self) -> int:
        """Bytes that are free."""
        return self.physical_size - self.physical_utilisation


def parse(ref: str, record: Mapping[str, Any],
          device_configs: List[Mapping[str, str]]) -> Repository:
    """Return what a record of XAPI's says.

    :param device_configs: those of its PBDs: older LVM SRs have their ``allocation`` there.
    """
    kind = str(record["type"])
    layout = None
    if kind in _FILE_TYPES:
        layout = sizes.FILE
    elif kind in _LVM_TYPES:
        said = [each["allocation"] for each in (record["sm_config"], *device_configs)
                if each.get("allocation") in ("thick", "thin")]
        layout = sizes.LVM_THIN if said[:1] == ["thin"] else sizes.LVM_THICK
    return Repository(
        ref, str(record["uuid"]), str(record["name_label"]), kind, layout,
        int(record["physical_size"]), int(record["physical_utilisation"]),
        int(record["virtual_allocation"]), bool(record["shared"]), dict(record["other_config"]))


def read(session: sessions.Session, sr_ref: str) -> Repository:
    """Return an SR, its sizes as they were when XAPI last looked.

    :raises XapiError: there is none.
    """
    doing = "reading the record of an SR"
    record = session.call("SR.get_record", sr_ref, doing=doing)
    configs: List[Mapping[str, str]] = []
    if record["type"] in _LVM_TYPES and "allocation" not in record["sm_config"]:
        for pbd in record["PBDs"]:
            try:
                configs.append(session.call("PBD.get_device_config", pbd, doing=doing))
            except exceptions.XapiError as error:
                if error.code not in errors.ABSENT:
                    raise
    return parse(sr_ref, record, configs)


def measure(session: sessions.Session, sr_ref: str) -> Repository:
    """Return an SR, its sizes as they are now."""
    session.call("SR.update", sr_ref, doing="measuring the free space of an SR")
    return read(session, sr_ref)


def run_full(session: sessions.Session, sr_ref: str,
             failure: exceptions.XapiError) -> Optional[exceptions.SrFull]:
    """Return a failed write's error as one of a full SR, if that can have been its cause.

    XAPI itself names no reason.  Only a file SR runs full while a disk is written: on LVM a volume
    has its room before.
    """
    try:
        if read(session, sr_ref).layout != sizes.FILE:
            return None
        free = measure(session, sr_ref).free
    except exceptions.XapiError:
        return None
    if free >= _NO_ROOM:
        return None
    return exceptions.SrFull(f"{failure}; the SR has {free} bytes free", failure.code,
                             failure.params)


def every(session: sessions.Session, iso: bool = False) -> List[Repository]:
    """Return the SRs that hold VHDs, by name.

    :param iso: those for ISO images instead.
    """
    found = []
    for ref in session.call("SR.get_all", doing="listing the SRs"):
        try:
            found.append(read(session, ref))
        except exceptions.XapiError as error:
            if error.code not in errors.ABSENT:
                raise
    return sorted((each for each in found if (
        each.type == ISO if iso else each.layout is not None)),
                  key=lambda each: (each.name, each.uuid))


def find(session: sessions.Session, wanted: Optional[str] = None) -> str:
    """Return the reference of an SR.

    :param wanted: its uuid or name; None is the pool's default SR, which Nova uses as well unless
        told otherwise.
    :raises XapiError: there is none, or there are several of that name.
    """
    if wanted is None:
        for pool in session.call("pool.get_all_records", doing="looking up the pool").values():
            default = str(pool["default_SR"])
            if default != NULL:
                return default
        raise exceptions.XapiError(
            "looking up the default SR failed: the pool has none; name one by its uuid or name,"
            " or set it with xe pool-param-set default-SR=")
    try:
        return str(session.call("SR.get_by_uuid", wanted, doing=f"looking up SR {wanted}"))
    except exceptions.XapiError as error:
        if error.code not in errors.ABSENT:
            raise
    found = session.call("SR.get_by_name_label", wanted, doing=f"looking up SR {wanted}")
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise exceptions.RecordMissing(
            f"looking up SR {wanted} failed: none has that uuid or name; `swift-vhd sr list` shows"
            " those of disks, with --iso those of ISOs", "UUID_INVALID", ("SR", wanted))
    uuids = sorted(str(session.call("SR.get_uuid", ref)) for ref in found)
    raise exceptions.XapiError(
        f"looking up SR {wanted} failed: {len(found)} have that name; name one by its uuid: "
        + ", ".join(uuids))
