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

"""A VM's leaves are coalesced by SM's plugin, where that works."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import leaf
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .records import Storage, sr_record


class Plugin(Storage):
    """A VM with one disk, on a host with the plugin.

    :ivar says: what the plugin says, or how it fails.
    """

    def __init__(self, host: hosts.Host) -> None:
        super().__init__(host)
        self.says: Any = "Success"
        self.called: List[Any] = []
        self.sr = sr_record(type="lvm", PBDs=["OpaqueRef:pbd"])
        self.add("disk")
        self.attach("disk")
        vm = {"uuid": "vm", "name_label": "web", "VBDs": ["OpaqueRef:vbd-disk"]}
        host.methods.update({
            "VM.get_by_uuid": self.by_uuid, "VM.get_record": lambda ref: vm,
            "VM.get_by_name_label": lambda name: ["OpaqueRef:vm"] * (name == "web"),
            "VDI.get_SR": lambda ref: "OpaqueRef:sr", "SR.get_PBDs": lambda ref: self.sr["PBDs"],
            "PBD.get_host": lambda ref: "OpaqueRef:host-of-" + ref[-3:],
            "PBD.get_device_config": lambda ref: {},
            "pool.get_all_records": lambda: {"OpaqueRef:p": {"master": "OpaqueRef:master"}},
            "Async.host.call_plugin": self.call, "task.get_record": self.task,
            "task.destroy": lambda ref: ""})

    def by_uuid(self, uuid: str) -> str:
        if uuid != "vm":
            raise hosts.Failure("UUID_INVALID", "VM", uuid)
        return "OpaqueRef:vm"

    def call(self, *args: Any) -> str:
        self.called.append(args)
        return "OpaqueRef:task"

    def task(self, ref: str) -> Dict[str, Any]:
        failed = not isinstance(self.says, str)
        return {"status": "failure" if failed else "success", "progress": 1.0,
                "error_info": self.says if failed else [],
                "result": "" if failed else f"<value>{self.says}</value>"}


@pytest.fixture
def plugin(host: hosts.Host) -> Plugin:
    return Plugin(host)


@pytest.mark.parametrize("wanted", ["vm", "web"])
def test_the_plugin_is_called_on_the_host_of_a_local_sr(session: sessions.Session, plugin: Plugin,
                                                        wanted: str) -> None:
    assert leaf.coalesce(session, wanted) is True
    assert plugin.called == [
        ("OpaqueRef:host-of-pbd", "coalesce-leaf", "leaf-coalesce", {"vm_uuid": "vm"})]


def test_and_on_the_master_for_a_shared_one(session: sessions.Session, plugin: Plugin) -> None:
    plugin.sr = sr_record(type="lvmoiscsi", shared=True)
    leaf.coalesce(session, "vm")
    assert plugin.called[0][0] == "OpaqueRef:master"


def test_nothing_to_do_is_a_success(session: sessions.Session, plugin: Plugin) -> None:
    plugin.says = "VM has no leaf-coalesceable VDIs"
    assert leaf.coalesce(session, "vm") is False


@pytest.mark.parametrize(("says", "kind", "phrase"), [
    ("VM has no leaf-coalesceable VDIs. Notes: disk &lt;1&gt; is in use", exceptions.XapiError,
     "plugin says.*disk <1> is in use"),
    (["XENAPI_PLUGIN_FAILURE", "non-zero exit", "", "no space"], exceptions.XapiError,
     r"VM vm \(web\) failed: XAPI says XENAPI_PLUGIN_FAILURE"),
    (["XENAPI_MISSING_PLUGIN", "coalesce-leaf"], exceptions.XapiError, "XENAPI_MISSING_PLUGIN"),
])
def test_a_failure_of_the_plugin_is_told(session: sessions.Session, plugin: Plugin, raises: Any,
                                         says: Any, kind: Any, phrase: str) -> None:
    plugin.says = says
    with raises(kind, phrase):
        leaf.coalesce(session, "vm")


def test_file_srs_are_refused_before_anything_is_suspended(session: sessions.Session,
                                                           plugin: Plugin, raises: Any) -> None:
    plugin.sr = sr_record()
    with raises(exceptions.XapiError, "LVM SRs only.*--flatten"):
        leaf.coalesce(session, "vm")
    assert not plugin.called


def test_a_vm_that_is_not_there_is_an_error(session: sessions.Session, plugin: Plugin,
                                            raises: Any) -> None:
    with raises(exceptions.RecordMissing, "looking up VM nowhere failed: none has"):
        leaf.coalesce(session, "nowhere")
