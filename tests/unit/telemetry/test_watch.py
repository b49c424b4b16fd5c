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

"""What notifications and metrics tell of a transfer."""

from __future__ import annotations

import pathlib
from typing import Any, Dict, List, Tuple

import pytest

from nova_swift_handler import exceptions, tally
from nova_swift_handler.telemetry import metrics, watch
from tests.unit.telemetry.test_metrics import read

FACTS = {"host": "h", "instance_uuid": "i", "image_id": "m", "project_id": "p", "user_id": "u",
         "vdi_uuid": "v"}
RESULT = {"registration": "location", "virtual_size": 10 * 2 ** 20, "blocks": 5, "segments": 2,
          "sent_blocks": 2, "sent_bytes": 4, "parent": "m0"}
BOOTED = {"vdi_uuid": "w", "source": "swift", "virtual_size": 10}


class Told:
    """Takes notifications."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.messages: List[Tuple[str, str, Dict[str, Any]]] = []
        self.metrics = metrics.Metrics(str(directory), "nova-compute", "h")

    def watch(self, kind: str, interval: float = 0) -> watch.Watch:
        return watch.Watch(kind, FACTS, lambda *message: self.messages.append(message),
                           self.metrics, interval)


@pytest.fixture
def told(tmp_path: pathlib.Path) -> Told:
    return Told(tmp_path)


def counted() -> Dict[str, Any]:
    made = tally.Tally()
    made.request(tally.SWIFT, "PUT")
    made.request(tally.XAPI, "GET")
    made.retry(tally.SWIFT)
    for service, direction, count in (
            (tally.XAPI, tally.RECEIVED, 1), (tally.XAPI, tally.SENT, 10),
            (tally.SWIFT, tally.RECEIVED, 100), (tally.SWIFT, tally.SENT, 1000),
            (tally.GLANCE, tally.RECEIVED, 10000), (tally.GLANCE, tally.SENT, 100000)):
        made.moved(service, direction, count)
    return {"event": "counts", "counts": tally.as_json(made.counts())}


def test_a_snapshot_is_told_of_from_beginning_to_end(told: Told, tmp_path: pathlib.Path) -> None:
    with told.watch(watch.SNAPSHOT) as seen:
        seen.listen({"event": "progress", "done": 3, "total": 9})
        seen.listen(counted())
        seen.result(RESULT)
    assert [(priority, event) for priority, event, _payload in told.messages] == [
        ("info", "snapshot.start"), ("info", "snapshot.end")]
    start, end = (payload for _priority, _event, payload in told.messages)
    assert start.keys() == end.keys()
    assert (start["blocks"], start["total_bytes"]) == (None, None)
    assert {name: end[name] for name in FACTS} == FACTS
    assert (end["done_bytes"], end["total_bytes"]) == (9, 9)
    assert (end["read_bytes"], end["sent_bytes"], end["requests"], end["retries"]) == (
        1, 101000, 2, 1)
    assert (end["blocks"], end["sent_blocks"], end["shared_blocks"], end["shared_bytes"],
            end["parent"], end["registration"], end["error"]) == (
        5, 2, 3, 3 * 2 ** 21, "m0", "location", None)
    found = {key[0] + "".join("/" + value for name, value in key[1:]
                              if name not in ("host", "program")): value
             for key, value in read(tmp_path).items()}
    assert found.pop("swift_vhd_transfer_seconds_total/snapshot") == end["seconds"]
    assert found == {
        "swift_vhd_transfers_total/success/snapshot": 1, "swift_vhd_blocks_total/shared": 3,
        "swift_vhd_blocks_total/sent": 2, "swift_vhd_retries_total/swift": 1,
        "swift_vhd_requests_total/swift/PUT": 1, "swift_vhd_requests_total/xapi/GET": 1,
        "swift_vhd_bytes_total/received/xapi": 1, "swift_vhd_bytes_total/sent/xapi": 10,
        "swift_vhd_bytes_total/received/swift": 100, "swift_vhd_bytes_total/sent/swift": 1000,
        "swift_vhd_bytes_total/received/glance": 10000,
        "swift_vhd_bytes_total/sent/glance": 100000}


def test_a_boot_reads_from_where_the_image_is(told: Told) -> None:
    with told.watch(watch.BOOT) as seen:
        seen.listen(counted())
        seen.result(BOOTED)
    event, end = told.messages[-1][1:]
    assert event == "boot.end"
    assert (end["read_bytes"], end["sent_bytes"], end["vdi_uuid"], end["source"]) == (
        10100, 10, "w", "swift")


def test_what_a_job_counts_is_written_once_however_often_it_tells(
        told: Told, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_WRITE_EVERY", 0)
    with told.watch(watch.BOOT) as seen:
        for _time in range(3):
            seen.listen(counted())
        seen.result(BOOTED)
    assert sum(value for key, value in read(tmp_path).items() if key[0] == tally.REQUESTS) == 2


def test_progress_is_told_of_as_often_as_asked_for(told: Told) -> None:
    for interval, expected in ((0, 0), (1e-9, 2), (3600, 0)):
        told.messages.clear()
        with told.watch(watch.BOOT, interval) as seen:
            for done in (1, 2):
                seen.listen({"event": "progress", "done": done, "total": 2})
            seen.result(BOOTED)
        assert [event for _priority, event, _payload in told.messages].count(
            "boot.progress") == expected


def test_a_failure_is_told_of_by_its_class_and_goes_on(told: Told, tmp_path: pathlib.Path) -> None:
    with pytest.raises(exceptions.SrFull), told.watch(watch.BOOT):
        raise exceptions.SrFull("no room")
    priority, event, payload = told.messages[-1]
    assert (priority, event) == ("error", "boot.error")
    assert (payload["error_type"], payload["error"]) == ("SrFull", "no room")
    assert [dict(key[1:])["result"] for key in read(tmp_path)
            if key[0] == metrics.TRANSFERS] == ["SrFull"]


def test_the_text_of_an_error_that_is_not_ours_is_kept_back(told: Told) -> None:
    with pytest.raises(ValueError), told.watch(watch.BOOT):
        raise ValueError("secret")
    assert (told.messages[-1][2]["error_type"], told.messages[-1][2]["error"]) == (
        "ValueError", "")


def test_nothing_that_goes_wrong_here_harms_a_transfer(tmp_path: pathlib.Path) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("bus")

    def never(counts: Any, states: Any) -> None:
        raise OSError("disk")

    kept = metrics.Metrics(str(tmp_path), "nova-compute")
    kept.write = never  # type: ignore[method-assign]
    with watch.Watch(watch.SNAPSHOT, FACTS, broken, kept, 1e-9) as seen:
        seen.listen({"event": "progress", "done": 1, "total": 2})
        seen.listen({"event": "counts", "counts": "nonsense"})
        seen.result({"blocks": None, "sent_blocks": None})
