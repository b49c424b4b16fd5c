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

"""Coalesce the disks of one VM at once, by the plugin that SM has for it.

What the SR's own collector cannot merge because the VM writes faster than it, this can: a running
VM is suspended meanwhile.  LVM SRs only (sm, ``scripts/plugins/coalesce-leaf``).
"""

from __future__ import annotations

import html
import re
from typing import Any, Callable, Dict, List, Set

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors, repository, sizes
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import task as tasks

_PLUGIN = "coalesce-leaf"
_DONE = "Success"
_NOTHING = "VM has no leaf-coalesceable VDIs"
_VALUE = re.compile(r"<value>(?:<string>)?(.*?)(?:</string>)?</value>", re.DOTALL)


def coalesce(session: sessions.Session, wanted: str,
             check: Callable[[], None] = lambda: None) -> bool:
    """Merge the leaves of a VM's disks into their parents; return whether there were any.

    :param wanted: the VM's uuid or name.  It is suspended for as long as it takes, if it runs.
    :param check: called now and then; what it raises ends the wait, not the work.
    :raises XapiError: there is no such VM, a disk of it lies on no LVM SR, or the plugin failed.
    """
    vm = _vm(session, wanted)
    doing = f"coalescing the leaves of VM {vm['uuid']} ({vm['name_label']})"
    host = _master(session, vm, doing)
    with tasks.Call(session, doing, "host.call_plugin", host, _PLUGIN, "leaf-coalesce",
                    {"vm_uuid": str(vm["uuid"])}) as task:
        result = task.watch(check=check)
    match = _VALUE.search(result)
    said = html.unescape(match.group(1) if match else result).strip()
    if said == _DONE:
        return True
    if said == _NOTHING:
        return False
    # The plugin ends well, but says what hindered it ("… notes").
    raise exceptions.XapiError(
        f"{doing} failed: the plugin says {said[:600]!r}; look into /var/log/SMlog of the SR's"
        " master")


def _vm(session: sessions.Session, wanted: str) -> Dict[str, Any]:
    doing = f"looking up VM {wanted}"
    try:
        found = [session.call("VM.get_by_uuid", wanted, doing=doing)]
    except exceptions.XapiError as error:
        if error.code not in errors.ABSENT:
            raise
        found = session.call("VM.get_by_name_label", wanted, doing=doing)
    if not found:
        raise exceptions.RecordMissing(f"{doing} failed: none has that uuid or name",
                                       "UUID_INVALID", ("VM", wanted))
    if len(found) != 1:
        raise exceptions.XapiError(
            f"{doing} failed: {len(found)} have that name; name one by its uuid")
    record: Dict[str, Any] = session.call("VM.get_record", found[0], doing=doing)
    return record


def _master(session: sessions.Session, vm: Dict[str, Any], doing: str) -> str:
    """Return the host that may change the SRs of a VM's disks."""
    hosts: Set[str] = set()
    for sr_ref in _srs(session, vm, doing):
        where = repository.read(session, sr_ref)
        if where.layout not in (sizes.LVM_THICK, sizes.LVM_THIN):
            raise exceptions.XapiError(
                f"{doing} is not possible: it has a disk on {where}, and the plugin works on LVM"
                " SRs only; its leaves are coalesced by the SR's own collector, or when a disk is"
                " copied flat (--flatten)")
        if where.shared:
            pools = session.call("pool.get_all_records", doing=doing).values()
            hosts.update(str(pool["master"]) for pool in pools)
        else:
            hosts.update(str(session.call("PBD.get_host", pbd, doing=doing))
                         for pbd in session.call("SR.get_PBDs", sr_ref, doing=doing))
    if len(hosts) != 1:
        raise exceptions.XapiError(
            f"{doing} is not possible: its disks lie on SRs of {len(hosts)} hosts, and the plugin"
            " works on one")
    return hosts.pop()


def _srs(session: sessions.Session, vm: Dict[str, Any], doing: str) -> List[str]:
    found: Set[str] = set()
    for vbd in vm["VBDs"]:
        record = session.call("VBD.get_record", vbd, doing=doing)
        if record["type"] == "Disk" and record["VDI"] != repository.NULL:
            found.add(str(session.call("VDI.get_SR", record["VDI"], doing=doing)))
    return sorted(found)
