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

"""Events: event.from with its token, and the older event.register and event.next."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List

import pytest
import XenAPI

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import PASSWORD, SimulatedHost
from tests.functional.simulator.test_protocol import failure


def ask(xapi: Any, classes: List[str], token: str, timeout: float = 0.0) -> Dict[str, Any]:
    return getattr(xapi.event, "from")(classes, token, timeout)


def told(batch: Dict[str, Any]) -> List[Any]:
    return [(event["operation"], event["class"], event["ref"]) for event in batch["events"]]


def test_without_a_token_all_there_is_is_told_as_new(xapi: Any, sr: str) -> None:
    batch = ask(xapi, ["*"], "")
    assert {event["operation"] for event in batch["events"]} == {"add"}
    [event] = [event for event in batch["events"] if event["ref"] == sr]
    assert event["class"] == "sr"
    assert event["snapshot"] == xapi.SR.get_record(sr)
    assert event["id"].isdigit()
    counts = batch["valid_ref_counts"]
    assert counts["sr"] == len(xapi.SR.get_all()) and counts["vdi"] == len(xapi.VDI.get_all())
    number, messages = batch["token"].split(",")
    assert (len(number), len(messages)) == (20, 20)
    assert ask(xapi, ["SR"], batch["token"])["events"] == []


def test_a_life_is_told_once_a_question(xapi: Any, sr: str) -> None:
    token = ask(xapi, ["VDI"], "")["token"]
    vdi = xapi.VDI.create(vdi_record(sr))
    batch = ask(xapi, ["VDI"], token, 5.0)
    assert told(batch) == [("add", "vdi", vdi)]
    xapi.VDI.set_name_label(vdi, "other")
    xapi.VDI.set_name_description(vdi, "a disk")
    changed = ask(xapi, ["vdi"], batch["token"], 5.0)  # any case will do
    assert told(changed) == [("mod", "vdi", vdi)]
    assert changed["events"][0]["snapshot"]["name_label"] == "other"
    xapi.VDI.destroy(vdi)
    gone = ask(xapi, ["VDI"], changed["token"], 5.0)
    assert told(gone) == [("del", "vdi", vdi)]
    assert "snapshot" not in gone["events"][0]
    # Whoever asks from the beginning never hears of it.
    assert ("del", "vdi", vdi) not in told(ask(xapi, ["VDI"], token))


def test_only_what_was_asked_for_is_told(xapi: Any, sr: str) -> None:
    one, other = (xapi.VDI.create(vdi_record(sr)) for _ in range(2))
    token = ask(xapi, ["*"], "")["token"]
    for vdi in (one, other):
        xapi.VDI.set_name_label(vdi, "changed")
    assert told(ask(xapi, ["VDI/" + one], token)) == [("mod", "vdi", one)]
    assert told(ask(xapi, ["VM", "SR"], token)) == []
    assert told(ask(xapi, ["VM", "VDI/" + other], token)) == [("mod", "vdi", other)]
    for vdi in (one, other):
        xapi.VDI.destroy(vdi)


def test_a_list_of_references_changes_with_what_it_lists(xapi: Any, sr: str) -> None:
    token = ask(xapi, ["*"], "")["token"]
    vdi = xapi.VDI.create(vdi_record(sr))
    [event] = [event for event in ask(xapi, ["SR"], token)["events"] if event["ref"] == sr]
    assert vdi in event["snapshot"]["VDIs"]
    xapi.VDI.destroy(vdi)


def test_a_question_waits_for_something_to_tell(host: SimulatedHost, xapi: Any, sr: str) -> None:
    token = ask(xapi, ["VDI"], "")["token"]
    began = time.monotonic()
    assert ask(xapi, ["VDI"], token, 0.5)["events"] == []
    assert time.monotonic() - began >= 0.5
    other = XenAPI.Session(host.url)
    other.login_with_password("root", PASSWORD, "1.0", "tests")
    answers: List[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(ask(other.xenapi, ["VDI"], token, 60.0)))
    waiting.start()
    vdi = xapi.VDI.create(vdi_record(sr))
    waiting.join(30)
    assert told(answers[0]) == [("add", "vdi", vdi)]
    other.xenapi.session.logout()
    xapi.VDI.destroy(vdi)


def test_bad_questions_are_refused(xapi: Any) -> None:
    assert failure(ask, xapi, ["*"], "nonsense") == [
        "EVENT_FROM_TOKEN_PARSE_FAILURE", "nonsense"]
    assert failure(ask, xapi, ["/x"], "")[0] == "EVENT_SUBSCRIPTION_PARSE_FAILURE"


def test_a_progressing_task_can_be_followed(host: SimulatedHost, xapi: Any, sr: str) -> None:
    vdi = xapi.VDI.create(vdi_record(sr, 256 << 20))
    host.control.guest_pattern(
        xapi.VDI.get_uuid(vdi), "x", [[block << 21, 512] for block in range(20)])
    token = ask(xapi, ["task"], "")["token"]
    host.control.set_fault("slow", direction="copy", seconds_per_mib=0.01)
    task = xapi.Async.VDI.copy(vdi, sr)
    seen = []
    while not seen or seen[-1]["status"] == "pending":
        batch = ask(xapi, ["task/" + task], token, 30.0)
        token = batch["token"]
        seen += [event["snapshot"] for event in batch["events"]]
    assert seen[-1]["status"] == "success"
    progress = [float(record["progress"]) for record in seen]
    assert progress == sorted(progress) and progress[-1] == 1.0
    assert any(0.0 < fraction < 1.0 for fraction in progress)
    copy = seen[-1]["result"].replace("<value>", "").replace("</value>", "")
    for ref in (vdi, copy):
        xapi.VDI.destroy(ref)
    xapi.task.destroy(task)


def test_the_older_way_tells_those_who_registered(xapi: Any, sr: str) -> None:
    assert failure(xapi.event.next)[0] == "SESSION_NOT_REGISTERED"
    xapi.event.register(["VDI"])
    vdi = xapi.VDI.create(vdi_record(sr))
    events = xapi.event.next()
    assert [(event["operation"], event["ref"]) for event in events] == [("add", vdi)]
    xapi.event.unregister(["VDI"])
    xapi.event.register(["VDI/" + vdi])
    xapi.VDI.destroy(vdi)
    assert [event["operation"] for event in xapi.event.next()] == ["del"]


def test_an_injected_event_shows_that_nothing_came_between(xapi: Any, sr: str) -> None:
    token = xapi.event.inject("SR", sr)
    assert ("mod", "sr", sr) in told(ask(xapi, ["SR"], token, 5.0))
    assert failure(xapi.event.inject, "SR", "gone") == ["HANDLE_INVALID", "SR", "gone"]


@pytest.mark.parametrize(("method", "arguments"), [
    ("event.from", [["*"], "", 0.0]), ("task.create", ["x", "y"]), ("VDI.get_record", ["x"]),
    ("VDI.set_name_label", ["x", "y"]), ("session.logout", [])])
def test_what_has_no_async_mode_says_so(xapi: Any, method: str, arguments: List[Any]) -> None:
    cls, verb = method.split(".")
    assert failure(getattr(getattr(xapi.Async, cls), verb), *arguments) == [
        "Fault", "No async mode for this operation (rpc: Async.%s)" % method]
