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

"""JSON-RPC, 1.0 and 2.0, by curl: the same verbs as XML-RPC, in another dress."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import PASSWORD, SimulatedHost, curl, responses
from tests.functional.simulator.transfers import wait_until

MIB = 1 << 20


def post(host: SimulatedHost, body: Any) -> Any:
    """What comes back for a body, decoded."""
    done = curl("--header", "Content-Type: application/json", "--data",
                body if isinstance(body, str) else json.dumps(body), host.url + "/jsonrpc")
    heads = responses(done.stdout)
    assert heads[0].startswith(b"HTTP/1.1 200 OK"), heads[0]
    assert b"content-type: application/json" in heads[0].lower()
    return json.loads(heads[-1])


class Second:
    """A client of JSON-RPC 2.0."""

    def __init__(self, host: SimulatedHost):
        self._host = host
        self.session = self.ask("session.login_with_password", "root", PASSWORD)["result"]

    def ask(self, method: str, *params: Any) -> Any:
        return post(self._host, {
            "jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)})

    def call(self, method: str, *params: Any) -> Any:
        answer = self.ask(method, self.session, *params)
        assert set(answer) == {"jsonrpc", "id", "result"}, answer
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
        return answer["result"]


@pytest.fixture
def second(host: SimulatedHost) -> Second:
    return Second(host)


def test_version_2_answers_with_a_result(host: SimulatedHost, second: Second) -> None:
    [pool] = second.call("pool.get_all")
    sr = second.call("pool.get_default_SR", pool)
    vdi = second.call("VDI.create", vdi_record(sr, 10 * MIB))
    record = second.call("VDI.get_record", vdi)
    assert record["virtual_size"] == 10 * MIB  # a number, where XML-RPC has text
    assert record["read_only"] is False
    assert record["snapshot_time"] == "19700101T00:00:00Z"
    assert record["other_config"] == {} and record["VBDs"] == []
    assert second.call("VDI.resize", vdi, 12 * MIB) == ""  # nothing is an empty text
    assert second.call("VDI.get_virtual_size", vdi) == 12 * MIB
    [found] = second.call("VDI.get_all_records_where", 'field "uuid" = "%s"' % record["uuid"])
    assert found == vdi
    second.call("VDI.destroy", vdi)


def test_version_2_fails_with_a_code_in_the_message(second: Second) -> None:
    answer = second.ask("VDI.get_by_uuid", second.session, "gone")
    assert answer == {"jsonrpc": "2.0", "id": 7, "error": {
        "code": 1, "message": "UUID_INVALID", "data": ["VDI", "gone"]}}


def test_version_1_answers_with_result_and_error(host: SimulatedHost, second: Second) -> None:
    answer = post(host, {"method": "pool.get_all", "params": [second.session], "id": "a"})
    assert set(answer) == {"result", "error", "id"}
    assert (answer["error"], answer["id"], len(answer["result"])) == (None, "a", 1)
    answer = post(host, {"method": "VDI.get_by_uuid", "params": [second.session, "gone"],
                         "id": 1})
    assert answer == {"result": None, "error": ["UUID_INVALID", "VDI", "gone"], "id": 1}


def test_parameters_of_version_2_may_be_left_out(host: SimulatedHost) -> None:
    answer = post(host, {"jsonrpc": "2.0", "method": "pool.get_all", "id": 1})
    assert answer["error"]["message"] == "MESSAGE_PARAMETER_COUNT_MISMATCH" or (
        answer["error"]["message"] == "SESSION_INVALID")


@pytest.mark.parametrize("body", [
    "no json", "[]", '{"params": [], "id": 1}', '{"method": "pool.get_all", "params": []}',
    '{"jsonrpc": "3.0", "method": "pool.get_all", "params": [], "id": 1}',
    '{"method": "pool.get_all", "id": 1}',
])
def test_what_is_no_call_is_an_internal_error(host: SimulatedHost, body: str) -> None:
    heads = responses(curl("--data", body, host.url + "/jsonrpc").stdout)
    assert heads[0].startswith(b"HTTP/1.1 500 Internal Error")


def test_tasks_and_events_go_by_json_too(second: Second) -> None:
    token = second.call("event.from", ["task"], "", 0)["token"]
    [sr] = [ref for ref, record in second.call("SR.get_all_records").items()
            if record["content_type"] == "user"]
    task = second.call("Async.VDI.create", vdi_record(sr))
    assert wait_until(lambda: second.call("task.get_status", task) == "success")
    told = second.call("event.from", ["task/" + task], token, 5)
    assert [event["ref"] for event in told["events"]] == [task]
    assert isinstance(told["valid_ref_counts"]["task"], int)
    vdi = second.call("task.get_result", task).replace("<value>", "").replace("</value>", "")
    second.call("VDI.destroy", vdi)
    second.call("task.destroy", task)
