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

"""XML-RPC as XAPI speaks it, seen through the PyPI package XenAPI and through a plain socket."""

from __future__ import annotations

import socket
import time
import xmlrpc.client
from typing import Any, List

import pytest
import XenAPI

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import PASSWORD, SimulatedHost, curl, responses


def failure(call: Any, *arguments: Any) -> List[str]:
    """The ErrorDescription of a call that must fail."""
    with pytest.raises(XenAPI.Failure) as caught:
        call(*arguments)
    return caught.value.details


def raw_call(host: SimulatedHost, method: str, *params: Any) -> Any:
    """One call without the client's own handling of sessions."""
    return getattr(xmlrpc.client.ServerProxy(host.url), method)(*params)


def test_a_wrong_password_is_refused(host: SimulatedHost) -> None:
    session = XenAPI.Session(host.url)
    assert failure(session.login_with_password, "root", "guess", "1.0", "tests")[0] == (
        "SESSION_AUTHENTICATION_FAILED")


def test_an_expired_session_is_invalid_and_says_which(host: SimulatedHost, session: Any) -> None:
    old = session._session
    assert host.control.expire_sessions() > 0
    assert raw_call(host, "pool.get_all", old) == {
        "Status": "Failure", "ErrorDescription": ["SESSION_INVALID", old]}
    assert len(session.xenapi.pool.get_all()) == 1  # the client logs in again by itself


def test_both_paths_take_calls(host: SimulatedHost) -> None:
    for path in ("/", "/RPC2"):
        proxy = xmlrpc.client.ServerProxy(host.url + path)
        assert proxy.session.login_with_password("root", PASSWORD)["Status"] == "Success"


def test_integers_travel_as_text_and_booleans_as_booleans(xapi: Any, sr: str) -> None:
    record = xapi.SR.get_record(sr)
    assert record["physical_size"] == str(int(record["physical_size"]))
    assert record["shared"] is False
    ref = xapi.VDI.create(vdi_record(sr, virtual_size=4 << 20))  # an <int> is taken as well
    assert xapi.VDI.get_virtual_size(ref) == str(4 << 20)
    assert str(xapi.VDI.get_snapshot_time(ref)) == "19700101T00:00:00Z"
    xapi.VDI.destroy(ref)


def test_unknown_things_are_named_in_the_failure(host: SimulatedHost, xapi: Any) -> None:
    assert failure(xapi.VDI.get_record, "OpaqueRef:gone") == [
        "HANDLE_INVALID", "VDI", "OpaqueRef:gone"]
    assert failure(xapi.VDI.get_by_uuid, "gone") == ["UUID_INVALID", "VDI", "gone"]
    assert failure(xapi.VDI.explode, "x") == ["MESSAGE_METHOD_UNKNOWN", "VDI.explode"]
    assert failure(xapi.Nothing.get_all) == ["MESSAGE_METHOD_UNKNOWN", "Nothing.get_all"]
    assert failure(xapi.session.get_all) == ["MESSAGE_METHOD_UNKNOWN", "session.get_all"]


def test_the_number_of_parameters_is_checked_without_the_session(xapi: Any) -> None:
    assert failure(xapi.VDI.get_record) == [
        "MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.get_record", "1", "0"]
    assert failure(xapi.VDI.snapshot, "a", {}, "c") == [
        "MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.snapshot", "1", "3"]


def test_fields_have_types(xapi: Any, sr: str) -> None:
    assert failure(xapi.VDI.create, vdi_record(sr, virtual_size="much")) == [
        "FIELD_TYPE_ERROR", "virtual_size"]
    assert failure(xapi.SR.set_name_label, sr, True) == ["FIELD_TYPE_ERROR", "name_label"]
    incomplete = vdi_record(sr)
    del incomplete["other_config"]
    assert failure(xapi.VDI.create, incomplete) == ["FIELD_TYPE_ERROR", "other_config"]


def test_maps_refuse_a_second_value_and_shrug_at_a_missing_key(xapi: Any, sr: str) -> None:
    ref = xapi.VDI.create(vdi_record(sr))
    xapi.VDI.add_to_other_config(ref, "image-id", "1")
    assert failure(xapi.VDI.add_to_other_config, ref, "image-id", "2") == [
        "MAP_DUPLICATE_KEY", "VDI", "other_config", ref, "image-id"]
    xapi.VDI.remove_from_other_config(ref, "image-id")
    xapi.VDI.remove_from_other_config(ref, "image-id")
    assert xapi.VDI.get_other_config(ref) == {}
    xapi.VDI.destroy(ref)


def test_sets_are_sets(xapi: Any, sr: str) -> None:
    for _ in range(2):
        xapi.SR.add_tags(sr, "fast")
    assert xapi.SR.get_tags(sr) == ["fast"]
    xapi.SR.remove_tags(sr, "fast")
    assert xapi.SR.get_tags(sr) == []


def test_what_the_host_owns_cannot_be_set(xapi: Any, sr: str) -> None:
    assert failure(xapi.SR.set_physical_utilisation, sr, "0") == [
        "MESSAGE_METHOD_UNKNOWN", "SR.set_physical_utilisation"]
    assert failure(xapi.VDI.add_to_current_operations, sr, "a", "b")[0] == (
        "MESSAGE_METHOD_UNKNOWN")


@pytest.mark.parametrize(("expression", "expected"), [
    ('field "name__label" = "filter a"', ["filter a"]),
    ('field "name__label"="filter a" and field "SR" = "%(sr)s"', ["filter a"]),
    ('field "name__label" = "filter a" and field "read_only" = "true"', []),
    ('"%(sr)s" = field "SR" and not field "name__label" = "filter a"', ["filter b"]),
    ('(field "name__label" = "filter a") or field "name__label" = "filter b"',
     ["filter a", "filter b"]),
    # One precedence, from the left: (true or X) and false.
    ('true or field "name__label" = "filter a" and false', []),
    ('field "virtual_size" = "4194304" and field "managed" = "true"', ["filter b"]),
    ('field "name__label" = "filter c"', []),
])
def test_filters_select_records(
    xapi: Any, sr: str, expression: str, expected: List[str],
) -> None:
    refs = [xapi.VDI.create(vdi_record(sr, name_label="filter a")),
            xapi.VDI.create(vdi_record(sr, 4 << 20, name_label="filter b"))]
    found = xapi.VDI.get_all_records_where(expression % {"sr": sr})
    assert sorted(record["name_label"] for record in found.values()) == expected
    for ref in refs:
        xapi.VDI.destroy(ref)


@pytest.mark.parametrize(("expression", "code"), [
    ("", "INVALID_VALUE"), ("field name__label", "INVALID_VALUE"),
    ('field "name__label" = "x', "INVALID_VALUE"),
    ('field "name__label" != "x"', "INVALID_VALUE"),
    ('field "name__label" = "x" "y"', "INVALID_VALUE"),
    ('field "name_label" = "x"', "INTERNAL_ERROR"),  # the database's name has two underscores
])
def test_bad_filters_are_refused(xapi: Any, expression: str, code: str) -> None:
    assert failure(xapi.VDI.get_all_records_where, expression)[0] == code


def test_text_that_xml_cannot_carry_is_cut(host: SimulatedHost, xapi: Any, sr: str) -> None:
    ref = xapi.VDI.create(vdi_record(sr, name_label="<a> & \u00e9 \U0001f600"))
    assert xapi.VDI.get_name_label(ref) == "<a> & \u00e9 \U0001f600"
    xapi.VDI.destroy(ref)


def test_async_calls_leave_their_result_in_a_task(xapi: Any, sr: str) -> None:
    task = xapi.Async.VDI.create(vdi_record(sr))
    while xapi.task.get_status(task) == "pending":
        time.sleep(0.02)
    record = xapi.task.get_record(task)
    assert record["status"] == "success"
    vdi = record["result"].replace("<value>", "").replace("</value>", "")
    xapi.VDI.destroy(vdi)
    xapi.task.destroy(task)
    failing = xapi.Async.VDI.destroy(vdi)
    while xapi.task.get_status(failing) == "pending":
        time.sleep(0.02)
    assert xapi.task.get_error_info(failing) == ["HANDLE_INVALID", "VDI", vdi]
    xapi.task.destroy(failing)


def test_a_cancelled_task_that_nobody_works_on_stays_pending(xapi: Any) -> None:
    task = xapi.task.create("label", "description")
    xapi.task.cancel(task)
    assert list(xapi.task.get_current_operations(task).values()) == ["cancel"]
    assert xapi.task.get_status(task) == "pending"
    xapi.task.set_status(task, "cancelled")
    xapi.task.destroy(task)
    assert failure(xapi.task.get_status, task)[0] == "HANDLE_INVALID"


def test_a_pending_task_is_destroyed_when_it_is_over(xapi: Any) -> None:
    task = xapi.task.create("label", "description")
    xapi.task.destroy(task)
    assert xapi.task.get_current_operations(task) == {"task": "destroy"}
    xapi.task.set_progress(task, 0.5)
    assert xapi.task.get_progress(task) == 0.5
    xapi.task.set_status(task, "success")
    assert failure(xapi.task.get_status, task)[0] == "HANDLE_INVALID"


def test_a_cancelled_copy_stops_and_leaves_no_disk(
    host: SimulatedHost, xapi: Any, sr: str,
) -> None:
    vdi = xapi.VDI.create(vdi_record(sr, 1 << 30))
    host.control.guest_pattern(
        xapi.VDI.get_uuid(vdi), "x", [[block << 21, 512] for block in range(100)])
    before = len(xapi.SR.get_VDIs(sr))
    host.control.set_fault("slow", direction="copy", seconds_per_mib=0.05)
    task = xapi.Async.VDI.copy(vdi, sr)
    while xapi.task.get_progress(task) == 0:
        time.sleep(0.02)
    assert xapi.task.get_allowed_operations(task) == ["cancel"]
    xapi.task.cancel(task)
    while xapi.task.get_status(task) == "pending":
        time.sleep(0.02)
    assert xapi.task.get_status(task) == "cancelled"
    assert xapi.task.get_error_info(task) == ["TASK_CANCELLED", task]
    host.control.clear_faults()
    assert len(xapi.SR.get_VDIs(sr)) == before
    xapi.task.destroy(task)
    xapi.VDI.destroy(vdi)


def test_plugins_report_as_plugins_do(xapi: Any, sr: str) -> None:
    [this] = xapi.host.get_all()
    assert failure(xapi.host.call_plugin, this, "nonsense", "f", {}) == [
        "XENAPI_MISSING_PLUGIN", "nonsense"]
    assert failure(xapi.host.call_plugin, this, "xenhost.py", "f", {}) == [
        "UNKNOWN_XENAPI_PLUGIN_FUNCTION", "f"]
    assert failure(xapi.host.call_plugin, this, "xenhost.py", "set_host_enabled", {}) == [
        "XENAPI_PLUGIN_EXCEPTION", "set_host_enabled", "ArgumentError",
        "Argument enabled is required."]


def test_a_pickle_that_is_more_than_data_is_not_executed(xapi: Any) -> None:
    [this] = xapi.host.get_all()
    evil = "cos\nsystem\n(S'true'\ntR."
    assert failure(xapi.host.call_plugin, this, "dom0_plugin_version.py", "get_version",
                   {"params": evil})[2] == "UnpicklingError"


def test_a_long_header_is_refused(host: SimulatedHost) -> None:
    heads = responses(curl("--header", "X: " + "x" * 1024, host.url + "/export_raw_vdi").stdout)
    assert heads[0].startswith(b"HTTP/1.1 431 ")


def test_a_connection_serves_many_calls(host: SimulatedHost) -> None:
    body = xmlrpc.client.dumps(("root", PASSWORD), "session.login_with_password").encode()
    request = (b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
    address, _, port = host.url[len("http://"):].partition(":")
    with socket.create_connection((address, int(port)), timeout=10) as connection:
        reader = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(request)
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while True:
                line = reader.readline()
                if line == b"\r\n":
                    break
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert b"<name>Status</name><value>Success</value>" in reader.read(length)


def test_what_is_no_call_is_an_internal_error(host: SimulatedHost) -> None:
    heads = responses(curl("--data", "no xml", host.url + "/RPC2").stdout)
    assert heads[0].startswith(b"HTTP/1.1 500 Internal Error")


def test_nothing_secret_is_logged(host: SimulatedHost, session: Any) -> None:
    old = session._session
    host.control.expire_sessions()
    raw_call(host, "pool.get_all", old)
    session.xenapi.pool.get_all()
    assert PASSWORD not in host.log()
    assert old not in host.log() and session._session not in host.log()
