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

"""ISOs are put on an ISO SR of a host, and are there what they are in Swift."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, Iterator, List

import pytest

from nova_swift_handler.transfer.jobs import operator
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import isos, marked
from nova_swift_handler.xapi.session import Session
from nova_swift_handler.xapi.settings import XapiSettings
from tests.functional.simulator import vms
from tests.functional.simulator.process import PASSWORD, SimulatedHost

from .conftest import MIB, Town


class Rack:
    """A host with an ISO SR.

    :ivar sr: uuid of its ISO SR.
    """

    def __init__(self, simulated: SimulatedHost) -> None:
        self.simulated = simulated
        self.sr = str(simulated.ready["iso_sr_uuid"])
        self.settings = XapiSettings(simulated.url, "root", PASSWORD)

    def session(self) -> Session:
        return Session(self.settings)

    def vdis(self) -> Dict[str, Dict[str, Any]]:
        """Return the records of what is on the ISO SR, by name."""
        with self.session() as session:
            ref = session.call("SR.get_by_uuid", self.sr)
            records = session.call("VDI.get_all_records_where", 'field "SR" = "%s"' % ref)
        return {record["name_label"]: record for record in records.values()}

    def create(self, name: str, size: int = MIB, **fields: Any) -> str:
        """Make a VDI on the ISO SR as somebody else would."""
        with self.session() as session:
            return disks.create_vdi(session, session.call("SR.get_by_uuid", self.sr), size, name,
                                    "", fields.get("other_config", {}))

    def files(self) -> List[bytes]:
        """Return the bytes of the files of the ISO SR."""
        directory = self.simulated.directory / "state"
        return [path.read_bytes() for path in directory.rglob("*.iso")]

    def clear(self) -> None:
        self.simulated.control.clear_faults()
        with self.session() as session:
            vms.remove(session)
            for record in session.call("VDI.get_all_records").values():
                disks.destroy_vdi(session, record["uuid"], timeout=20)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    made = SimulatedHost(tmp_path_factory.mktemp("rack"), "ext")
    made.start()
    yield made
    assert made.stop() == 0, made.log()


@pytest.fixture
def rack(simulated: SimulatedHost, home: Town) -> Iterator[Rack]:
    home.connect(simulated.url, PASSWORD)
    made = Rack(simulated)
    yield made
    made.clear()


def test_an_iso_that_was_pushed_is_there_byte_by_byte_under_its_name(
        home: Town, rack: Rack) -> None:
    shown, data = home.iso("Tools (8.4)", 9 * MIB + 2048)
    done = home.value("iso", "push", "Tools (8.4)", "--sr", rack.sr)
    assert (done["action"], done["id"]) == ("push", shown["id"])
    [record] = rack.vdis().values()
    assert (record["name_label"], record["uuid"]) == ("Tools (8.4)", done["vdi"])
    assert int(record["virtual_size"]) == len(data)
    assert rack.files() == [data]
    with rack.session() as session:
        isos.check(session, done["vdi"], isos.Iso(
            "", "", len(data), hashlib.sha256(data).hexdigest()))
        session.call("SR.scan", session.call("SR.get_by_uuid", rack.sr))
    again = home.value("iso", "push", "Tools (8.4)", "--sr", rack.sr)
    assert (again["action"], again["vdi"]) == ("in place", done["vdi"])
    assert len(rack.vdis()) == 1


def test_all_are_synced_and_only_what_is_ours_is_removed_and_only_when_asked(
        home: Town, rack: Rack) -> None:
    home.iso("one")
    home.iso("two")
    own = rack.create("an operator's")
    assert {row["Name"]: row["Action"] for row in home.rows(
        "iso", "sync", "--sr", rack.sr, "--dry-run")} == {"one": "push", "two": "push"}
    assert set(rack.vdis()) == {"an operator's"}
    home.rows("iso", "sync", "--sr", rack.sr)
    assert set(rack.vdis()) == {"one", "two", "an operator's"}
    assert home.rows("iso", "sync", "--sr", rack.sr) == []
    home.run("iso", "delete", "one")
    assert home.actions("iso", "sync", "--sr", rack.sr) == {"one": "not removed"}
    assert home.actions("iso", "sync", "--sr", rack.sr, "--delete", "--dry-run") == {
        "one": "remove"}
    assert set(rack.vdis()) == {"one", "two", "an operator's"}
    home.rows("iso", "sync", "--sr", rack.sr, "--delete")
    assert set(rack.vdis()) == {"two", "an operator's"}
    assert rack.vdis()["an operator's"]["uuid"] == own


def test_isos_that_have_changed_names_stay_what_they_are(home: Town, rack: Rack) -> None:
    _shown, first = home.iso("one")
    _shown, second = home.iso("two")
    home.rows("iso", "sync", "--sr", rack.sr)
    there = {name: record["uuid"] for name, record in rack.vdis().items()}
    for old, new in (("one", "three"), ("two", "one"), ("three", "two")):
        assert home.run("iso", "set", old, "--name", new)[0] == 0
    done = home.value("iso", "push", "one", "--sr", rack.sr)
    assert (done["action"], done["vdi"]) == ("rename", there["two"])
    assert home.actions("iso", "sync", "--sr", rack.sr) == {"two": "rename"}
    assert {name: record["uuid"] for name, record in rack.vdis().items()} == {
        "one": there["two"], "two": there["one"]}
    assert sorted(rack.files()) == sorted([first, second])


def test_a_copy_that_inherited_the_mark_is_not_removed(home: Town, rack: Rack) -> None:
    home.iso("one")
    home.rows("iso", "sync", "--sr", rack.sr)
    mark = rack.vdis()["one"]["other_config"][isos.MARK]
    rack.create("a copy", other_config={isos.MARK: mark})
    home.run("iso", "delete", "one")
    home.rows("iso", "sync", "--sr", rack.sr, "--delete")
    assert set(rack.vdis()) == {"a copy"}


def test_a_new_iso_of_a_name_replaces_the_old_one(home: Town, rack: Rack) -> None:
    home.iso("one")
    home.rows("iso", "sync", "--sr", rack.sr)
    before = rack.vdis()["one"]["uuid"]
    home.run("iso", "delete", "one")
    _shown, data = home.iso("one")
    assert home.actions("iso", "sync", "--sr", rack.sr) == {"one": "replace"}
    assert rack.vdis()["one"]["uuid"] != before
    assert rack.files() == [data]


def test_an_iso_that_was_renamed_is_renamed(home: Town, rack: Rack) -> None:
    home.iso("one")
    home.rows("iso", "sync", "--sr", rack.sr)
    with rack.session() as session:
        ref = session.call("VDI.get_by_uuid", rack.vdis()["one"]["uuid"])
        session.call("VDI.set_name_label", ref, "one-0123.iso")  # as a scan may do
    assert home.actions("iso", "sync", "--sr", rack.sr) == {"one": "rename"}
    assert set(rack.vdis()) == {"one"}
    assert home.rows("iso", "sync", "--sr", rack.sr) == []


def test_a_name_that_something_else_has_there_is_refused(home: Town, rack: Rack) -> None:
    home.iso("one")
    home.iso("two")
    own = rack.create("one")
    home.refuses(9, "not put there by this program", "iso", "push", "one", "--sr", rack.sr)
    assert home.actions("iso", "sync", "--sr", rack.sr, code=9) == {
        "one": "refused", "two": "push"}
    assert rack.vdis()["one"]["uuid"] == own
    assert set(rack.vdis()) == {"one", "two"}


def test_a_full_sr_is_told_beforehand(home: Town, rack: Rack) -> None:
    home.iso("one")
    with rack.session() as session:
        sr = session.call("SR.get_record", session.call("SR.get_by_uuid", rack.sr))
    rack.create("filling", int(sr["physical_size"]) - int(sr["physical_utilisation"]) - MIB)
    home.refuses(4, "bytes are free", "iso", "push", "one", "--sr", rack.sr)
    assert set(rack.vdis()) == {"filling"}


@pytest.mark.parametrize(("fault", "phrase"), [
    (("vdi_create_fail", {}), "mounted read-only"),
    (("import_cut", {"after": 2 * MIB}), "failed"),
    (("task_fail_after_200", {"direction": "import"}), "VDI_IO_ERROR"),
    (("task_fail_after_200", {"direction": "export"}), "VDI_IO_ERROR"),
    (("export_cut", {"after": MIB}), "failed|ended"),
    (("export_garbage", {}), "failed"),
    (("rpc_fail", {"method": "VDI.add_to_other_config"}), "injected"),
    (("answer_lost", {"method": "VDI.create"}), "VDI of"),
])
def test_whatever_fails_leaves_nothing_on_the_sr(
        home: Town, rack: Rack, fault: Any, phrase: str) -> None:
    home.iso("one")
    name, arguments = fault
    rack.simulated.control.set_fault(name, **arguments)
    home.refuses(4, phrase, "iso", "push", "one", "--sr", rack.sr)
    rack.simulated.control.clear_faults()
    assert rack.vdis() == {}
    assert home.value("iso", "push", "one", "--sr", rack.sr)["action"] == "push"


def test_an_iso_that_is_damaged_in_swift_is_not_pushed(home: Town, rack: Rack) -> None:
    _shown, _data = home.iso("one")
    values = home.properties("iso", "one")
    assert values is not None
    text = "".join("%s=%s\n" % pair for pair in {
        **values, "checksum": "sha256:" + "0" * 64}.items())
    home.account.put(home.where.isos, "one.properties", text.encode())
    home.refuses(7, "is not what was stored", "iso", "push", "one", "--sr", rack.sr)
    assert rack.vdis() == {}


def test_an_iso_whose_properties_are_damaged_keeps_its_vdi_and_hinders_no_other(
        home: Town, rack: Rack) -> None:
    shown, _data = home.iso("one")
    home.rows("iso", "sync", "--sr", rack.sr)
    home.account.put(home.where.isos, "one.properties",
                     b"name=one\nid=%s\n" % str(shown["id"]).encode())
    home.iso("two")
    assert home.actions("iso", "sync", "--sr", rack.sr, "--delete", code=7) == {
        "one": "refused", "two": "push"}
    assert set(rack.vdis()) == {"one", "two"}


def test_only_an_iso_sr_takes_isos(home: Town, rack: Rack) -> None:
    home.iso("one")
    assert [row["UUID"] for row in home.rows("sr", "list", "--iso")] == [rack.sr]
    other = str(rack.simulated.ready["sr_uuid"])
    for argv in (("iso", "push", "one"), ("iso", "sync")):
        home.refuses(7, "no SR for ISO images", *argv, "--sr", other)
        home.refuses(11, "none has that uuid or name", *argv, "--sr", "nowhere")
    home.refuses(11, "no ISO is called 'nothing'", "iso", "push", "nothing", "--sr", rack.sr)
    home.refuses(2, "name one with --sr", "iso", "sync", "--delete")
    home.connect("http://127.0.0.1:1", PASSWORD)
    home.refuses(4, "", "iso", "push", "one", "--sr", rack.sr)


def test_what_a_vm_has_in_its_drive_stays(home: Town, rack: Rack) -> None:
    home.iso("one")
    home.rows("iso", "sync", "--sr", rack.sr)
    with rack.session() as session:
        vdi = session.call("VDI.get_by_uuid", rack.vdis()["one"]["uuid"])
        vm = session.call("VM.create", _vm())
        vbd = session.call("VBD.create", {
            "VM": vm, "VDI": vdi, "userdevice": "3", "bootable": False, "mode": "RO",
            "type": "CD", "unpluggable": True, "empty": False, "other_config": {},
            "qos_algorithm_type": "", "qos_algorithm_params": {}})
        try:
            home.run("iso", "delete", "one")
            code, _out, err = home.run("iso", "sync", "--sr", rack.sr, "--delete")
            assert code == 4 and "eject it" in err
            assert set(rack.vdis()) == {"one"}
        finally:
            session.call("VBD.destroy", vbd)
            session.call("VM.destroy", vm)


def test_what_a_killed_push_has_left_goes_with_the_next(
        home: Town, rack: Rack) -> None:
    home.iso("one")
    rack.create("half", other_config={
        marked.MARK: operator() + "/of-a-dead-process"})
    home.value("iso", "push", "one", "--sr", rack.sr)
    assert set(rack.vdis()) == {"one"}
    assert json.loads(rack.vdis()["one"]["other_config"][isos.MARK])["vdi"] == rack.vdis()[
        "one"]["uuid"]


def _vm() -> Dict[str, Any]:
    return {
        "name_label": "a VM", "name_description": "", "user_version": "0", "is_a_template": False,
        "affinity": "OpaqueRef:NULL", "memory_static_max": "1073741824",
        "memory_dynamic_max": "1073741824", "memory_dynamic_min": "1073741824",
        "memory_static_min": "0", "VCPUs_params": {}, "VCPUs_max": "1", "VCPUs_at_startup": "1",
        "actions_after_shutdown": "destroy", "actions_after_reboot": "restart",
        "actions_after_crash": "destroy", "PV_bootloader": "", "PV_kernel": "", "PV_ramdisk": "",
        "PV_args": "", "PV_bootloader_args": "", "PV_legacy_args": "",
        "HVM_boot_policy": "BIOS order", "HVM_boot_params": {}, "platform": {}, "PCI_bus": "",
        "other_config": {}, "recommendations": "", "blocked_operations": {}}
