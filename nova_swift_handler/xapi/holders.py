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

"""Which VMs have which disks."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors, tree
from nova_swift_handler.xapi import session as sessions


class Holder(NamedTuple):
    """A VM that has a disk.

    :ivar attached: whether it is plugged now.
    :ivar control: whether the VM is dom0, which has a disk while its data are moved.
    """

    uuid: str
    name: str
    device: str
    attached: bool
    control: bool


def of(session: sessions.Session, forest: tree.Forest) -> Dict[str, List[Holder]]:
    """Return the VMs that have each VDI, by the VDI's uuid; those just gone are left out."""
    doing = "looking up who has which VDI"
    names = {vdi.ref: vdi.uuid for vdi in forest.vdis.values()}
    vms: Dict[str, Tuple[str, str, bool]] = {}
    found: Dict[str, List[Holder]] = {}
    for vbd in session.call("VBD.get_all_records", doing=doing).values():
        if vbd["VDI"] not in names:
            continue
        if vbd["VM"] not in vms:
            try:
                vm = session.call("VM.get_record", vbd["VM"], doing=doing)
            except exceptions.XapiError as error:
                if error.code not in errors.ABSENT:
                    raise
                continue
            vms[vbd["VM"]] = (str(vm["uuid"]), str(vm["name_label"]),
                              bool(vm["is_control_domain"]))
        uuid, name, control = vms[vbd["VM"]]
        found.setdefault(names[vbd["VDI"]], []).append(Holder(
            uuid, name, str(vbd["userdevice"]), bool(vbd["currently_attached"]), control))
    return found
