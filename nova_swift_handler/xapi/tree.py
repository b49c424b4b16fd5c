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

"""The VDIs of an SR as trees of VHDs: which hangs on which, and how deep.

After SM's records: a VDI's ``sm_config`` names the VHD below it (``vhd-parent``); a base copy is
unmanaged.  Pure but for :func:`read` and :func:`chain`.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors, repository
from nova_swift_handler.xapi import session as sessions

MAX_DEPTH = 30
"""VHDs in a chain, root included; a disk that deep cannot be snapshotted (sm, MAX_CHAIN_SIZE)."""

_LOOKS = 3
_PAUSE = 1.0


@dataclasses.dataclass(frozen=True)
class Vdi:
    """A VDI's record, as far as its place in the SR goes.

    :ivar parent: uuid of the VHD below; None for a root.
    :ivar managed: whether it is a disk or snapshot; otherwise it is a base copy.
    :ivar snapshot_of: reference of the VDI that it is a snapshot of; None if it is none.
    :ivar virtual_size: bytes that a guest sees.
    :ivar utilisation: bytes it takes, as of the SR's last scan.
    :ivar raw: whether it is no VHD at all.
    :ivar vbds: references of its attachments.
    :ivar fixed: whether SM itself keeps it out of leaf-coalescing: it is reset when its VM boots,
        or cached on hosts.
    :ivar no_space: whether the collector could not coalesce it for lack of room.
    """

    ref: str
    uuid: str
    name: str
    sr_ref: str
    parent: Optional[str]
    managed: bool
    is_a_snapshot: bool
    snapshot_of: Optional[str]
    virtual_size: int
    utilisation: int
    kind: str
    raw: bool
    vbds: Tuple[str, ...]
    other_config: Dict[str, str]
    fixed: bool
    no_space: bool


def parse(ref: str, record: Mapping[str, Any]) -> Vdi:
    """Return what a record of XAPI's says."""
    sm_config, of = record["sm_config"], str(record["snapshot_of"])
    return Vdi(
        ref, str(record["uuid"]), str(record["name_label"]), str(record["SR"]),
        sm_config.get("vhd-parent") or None, bool(record["managed"]),
        bool(record["is_a_snapshot"]), of if of not in ("", repository.NULL) else None,
        int(record["virtual_size"]), int(record["physical_utilisation"]), str(record["type"]),
        sm_config.get("type") == "raw", tuple(record["VBDs"]), dict(record["other_config"]),
        record["on_boot"] == "reset" or bool(record["allow_caching"]),
        sm_config.get("gc_no_space", "false") != "false")


class Forest:
    """The VDIs of one SR.

    :ivar vdis: by uuid.
    """

    def __init__(self, vdis: Iterable[Vdi]) -> None:
        self.vdis = {vdi.uuid: vdi for vdi in vdis}
        self._children: Dict[str, List[Vdi]] = {}
        for vdi in sorted(self.vdis.values(), key=lambda each: (each.name, each.uuid)):
            if vdi.parent is not None:
                self._children.setdefault(vdi.parent, []).append(vdi)

    def children(self, uuid: str) -> List[Vdi]:
        """Return what hangs on a VHD directly."""
        return list(self._children.get(uuid, ()))

    def roots(self) -> List[Vdi]:
        """Return those that hang on nothing, or on nothing that is there."""
        return sorted((vdi for vdi in self.vdis.values() if vdi.parent not in self.vdis),
                      key=lambda each: (each.name, each.uuid))

    def chain(self, uuid: str) -> List[Vdi]:
        """Return the VHDs from *uuid* to its root, as far as they are there."""
        found: List[Vdi] = []
        at: Optional[str] = uuid
        while at in self.vdis and self.vdis[at] not in found:
            found.append(self.vdis[at])
            at = found[-1].parent
        return found

    def depth(self, uuid: str) -> int:
        """Return how many VHDs the chain of *uuid* has: 1 for a root."""
        chain = self.chain(uuid)
        # A parent that has no record (yet) counts all the same: SM counts files.
        return len(chain) + (chain[-1].parent is not None) if chain else 0

    def missing(self) -> List[str]:
        """Return the uuids of parents that have no record."""
        return sorted({vdi.parent for vdi in self.vdis.values()
                       if vdi.parent is not None and vdi.parent not in self.vdis})

    def below(self, uuid: str) -> List[Vdi]:
        """Return all that hangs on a VHD, directly or not."""
        found: List[Vdi] = []
        todo = self.children(uuid)
        while todo:
            vdi = todo.pop()
            if vdi not in found:
                found.append(vdi)
                todo += self.children(vdi.uuid)
        return found


def read(session: sessions.Session, sr_ref: str) -> Forest:
    """Return the trees of an SR.

    While the collector works, parents vanish before their children's records say so; then it
    looks again, and in the end gives what it found.
    """
    for look in range(_LOOKS):
        records = session.call("VDI.get_all_records_where", f'field "SR" = "{sr_ref}"',
                               doing="listing the VDIs of an SR")
        forest = Forest(parse(ref, record) for ref, record in records.items())
        if not forest.missing():
            break
        if look < _LOOKS - 1:
            time.sleep(_PAUSE)
    return forest


def chain(session: sessions.Session, vdi_uuid: str) -> List[Vdi]:
    """Return the VHDs from a VDI to its root, without reading all of its SR.

    :raises XapiError: there is no such VDI, with code ``UUID_INVALID``.
    """
    for look in range(_LOOKS):
        found: List[Vdi] = []
        at: Optional[str] = vdi_uuid
        while at is not None and at not in [vdi.uuid for vdi in found]:
            doing = f"reading the chain of VDI {vdi_uuid}"
            try:
                ref = session.call("VDI.get_by_uuid", at, doing=doing)
                vdi = parse(ref, session.call("VDI.get_record", ref, doing=doing))
            except exceptions.XapiError as error:
                if error.code not in errors.ABSENT or at == vdi_uuid:
                    raise
                break  # coalesced while we looked, or never recorded
            found.append(vdi)
            at = vdi.parent
        else:
            return found
        if look < _LOOKS - 1:
            time.sleep(_PAUSE)
    return found
