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

"""The disks of a host's pool, beside what is stored of each."""

from __future__ import annotations

import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from nova_swift_handler.catalog import places, summary
from nova_swift_handler.catalog.point import SNAPSHOT
from nova_swift_handler.catalog.summary import Summary
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.volumes import volume
from nova_swift_handler.xapi import repository, tree
from nova_swift_handler.xapi.session import Session


class Listed(NamedTuple):
    """A disk.

    :ivar sr: the name of its SR.
    :ivar virtual_size: bytes that a guest sees.
    :ivar vms: the names of the VMs that have it attached, or may.
    :ivar instance: the Nova instance it says it belongs to; see :class:`.volume.Disk`.
    :ivar points: how many snapshots of it are stored as its own.
    :ivar newest: when the newest of them was, ``YYYY-MM-DDTHH:MM:SSZ``; empty if there is none.
    """

    uuid: str
    name: str
    sr: str
    virtual_size: int
    vms: Tuple[str, ...]
    instance: Optional[str]
    points: int
    newest: str


def listing(services: Services, sr: Optional[str] = None) -> List[Listed]:
    """Return the disks of the pool, by SR and name; snapshots and base copies are none.

    :param sr: uuid or name of the only SR to look at.
    :raises XapiError, StoreError: the host, or Swift, did not answer.
    """
    assert services.xapi is not None
    account = services.account()
    stored = set(places.volumes(account, services.containers))
    with Session(services.xapi) as session:
        found = _disks(session, sr)
    containers = {each.uuid: services.containers.volume(each.uuid) for each in found}
    points = summary.of_containers(account, services.containers,
                                   stored.intersection(containers.values()))
    return [_told(each, points.get(containers[each.uuid], [])) for each in found]


def _disks(session: Session, wanted: Optional[str]) -> List[Listed]:
    doing = "listing the disks of the pool"
    refs = ([repository.find(session, wanted)] if wanted is not None
            else session.call("SR.get_all", doing=doing))
    vms = _vms(session, doing)
    found = []
    for ref in refs:
        sr = repository.read(session, ref)
        if sr.type in volume.NO_DISKS:
            continue
        for vdi in tree.read(session, ref).vdis.values():
            if vdi.managed and not vdi.is_a_snapshot and vdi.kind in volume.DISKS:
                found.append(Listed(
                    vdi.uuid, vdi.name, sr.name, vdi.virtual_size,
                    tuple(sorted(vms[vbd] for vbd in vdi.vbds if vbd in vms)),
                    vdi.other_config.get(volume.NOVA), 0, ""))
    return sorted(found, key=lambda each: (each.sr, each.name, each.uuid))


def _vms(session: Session, doing: str) -> Dict[str, str]:
    """Return the name of the VM of each VBD; those of dom0, which moves disks, are left out."""
    vms = {ref: str(record["name_label"]) for ref, record in session.call(
        "VM.get_all_records", doing=doing).items() if not record["is_control_domain"]}
    return {ref: vms[record["VM"]] for ref, record in session.call(
        "VBD.get_all_records", doing=doing).items() if record["VM"] in vms}


def _told(disk: Listed, points: Iterable[Summary]) -> Listed:
    times = [point.stored_at for point in points if point.kind == SNAPSHOT]
    newest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(times))) if times else ""
    return disk._replace(points=len(times), newest=newest)
