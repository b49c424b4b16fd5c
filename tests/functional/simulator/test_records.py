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

"""The verbs that every class has by virtue of its fields, asked of a running host."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from nova_swift_handler.sandbox.xapi.records.classes import all_classes
from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import SimulatedHost
from tests.functional.simulator.test_disks import clean, make_vm
from tests.functional.simulator.test_protocol import failure

#: Of each class a record there is; classes without are left out.
CLASSES = ["SR", "VDI", "VBD", "VM", "task", "host", "pool", "PBD", "SM", "host_metrics", "PIF",
           "network", "VM_metrics"]
#: A value that a field of each kind can be set to.
VALUES: Dict[str, Any] = {
    "string": "text", "int": "17", "float": 2.5, "bool": True, "set": ["one"],
    "map": {"key": "value"}, "ref": "OpaqueRef:NULL"}


@pytest.fixture
def things(host: SimulatedHost, xapi: Any, sr: str) -> Any:
    """A record of each class."""
    vdi = xapi.VDI.create(vdi_record(sr))
    vm = make_vm(xapi, vdi)
    task = xapi.task.create("label", "")
    found = {cls: getattr(xapi, cls).get_all()[0] for cls in CLASSES}
    found.update(SR=sr, VDI=vdi, VM=vm, task=task, VBD=xapi.VM.get_VBDs(vm)[0],
                 VM_metrics=xapi.VM.get_metrics(vm))
    yield found
    xapi.task.set_status(task, "success")
    xapi.task.destroy(task)
    clean(host, xapi, sr)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_verb_of_the_data_model_is_there_for_every_field(
    xapi: Any, things: Dict[str, str], cls: str,
) -> None:
    verbs, ref = getattr(xapi, cls), things[cls]
    record = verbs.get_record(ref)
    schema = all_classes()[cls]
    assert list(record) and set(record) == set(schema.fields)
    assert verbs.get_all_records()[ref].keys() == record.keys()
    assert ref in verbs.get_all_records_where('field "uuid" = "%s"' % record["uuid"])
    assert verbs.get_by_uuid(record["uuid"]) == ref
    for name, field in schema.fields.items():
        assert getattr(verbs, "get_" + name)(ref) == record[name]
        unknown = ["MESSAGE_METHOD_UNKNOWN", "%s.set_%s" % (cls, name)]
        if field.mode == "ro" and cls not in ("VDI", "task"):
            assert failure(getattr(verbs, "set_" + name), ref, VALUES.get(field.kind, [])) == (
                unknown)


@pytest.mark.parametrize("cls", ["SR", "VDI", "VM", "pool", "host", "network"])
def test_what_clients_may_write_reads_back(
    xapi: Any, things: Dict[str, str], cls: str,
) -> None:
    verbs, ref = getattr(xapi, cls), things[cls]
    for name, field in all_classes()[cls].fields.items():
        if field.mode != "rw" or field.kind == "ref":
            continue
        before = getattr(verbs, "get_" + name)(ref)
        getattr(verbs, "set_" + name)(ref, VALUES[field.kind])
        assert getattr(verbs, "get_" + name)(ref) == VALUES[field.kind], name
        if field.kind == "map":
            getattr(verbs, "add_to_" + name)(ref, "more", "m")
            getattr(verbs, "remove_from_" + name)(ref, "key")
            assert getattr(verbs, "get_" + name)(ref) == {"more": "m"}, name
        if field.kind == "set":
            getattr(verbs, "add_" + name)(ref, "two")
            getattr(verbs, "remove_" + name)(ref, "one")
            assert getattr(verbs, "get_" + name)(ref) == ["two"], name
        getattr(verbs, "set_" + name)(ref, before)


def test_a_vms_fields_with_rules_of_their_own_keep_them(
    xapi: Any, things: Dict[str, str],
) -> None:
    assert xapi.VM.get_name_label(things["VM"]) in [
        xapi.VM.get_name_label(ref) for ref in xapi.VM.get_by_name_label("vm")]
    xapi.VM.set_is_a_template(things["VM"], True)
    assert failure(xapi.VM.start, things["VM"], False, False) == [
        "VM_IS_TEMPLATE", things["VM"]]
    xapi.VM.set_is_a_template(things["VM"], False)
