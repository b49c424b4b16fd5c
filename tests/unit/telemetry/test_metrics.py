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

"""Metrics as Prometheus' own library reads them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pathlib
import re
from typing import Any, Dict

import pytest
from prometheus_client import parser

from nova_swift_handler import tally
from nova_swift_handler.telemetry import metrics

REQUEST = tally.key(tally.REQUESTS, {"service": "swift", "verb": "GET"})
DOC = pathlib.Path(__file__).resolve().parents[3] / "doc" / "source" / "monitoring.rst"


def read(directory: pathlib.Path) -> Dict[Any, float]:
    """Return what a collector of *directory* finds; it takes each series once."""
    found: Dict[Any, float] = {}
    for path in directory.glob("*.prom"):
        for family in parser.text_string_to_metric_families(path.read_text()):
            for name, labels, value, *_more in family.samples:
                series = (name, *sorted(labels.items()))
                assert series not in found
                found[series] = value
    return found


def series(name: str, program: str = "nova-compute", host: str = "h", **labels: str) -> Any:
    return (name, *sorted({"program": program, "host": host, **labels}.items()))


def test_counters_carry_on_and_states_are_replaced(tmp_path: pathlib.Path) -> None:
    for points in ({"snapshot": 3, "iso": 1}, {"snapshot": 5}):
        # Each a new one, as after the program was started again.
        metrics.Metrics(str(tmp_path), "nova-compute", "h").write({REQUEST: 2}, {
            tally.key(metrics.POINTS, {"kind": kind}): count for kind, count in points.items()})
    assert read(tmp_path) == {
        series(tally.REQUESTS, service="swift", verb="GET"): 4,
        series(metrics.POINTS, kind="snapshot"): 5}


def test_states_stay_when_others_are_written(tmp_path: pathlib.Path) -> None:
    kept = metrics.Metrics(str(tmp_path), "verify")
    kept.write({}, {tally.key(metrics.SUCCESS, {"command": "verify"}): 17})
    kept.write({}, {tally.key(metrics.PROBLEMS, {"command": "verify"}): 2})
    assert set(read(tmp_path).values()) == {17, 2}


def test_programs_of_one_machine_do_not_meet(tmp_path: pathlib.Path) -> None:
    for program, host in (("nova-compute", "h"), ("nova-compute", "other/../h"), ("verify", "")):
        metrics.Metrics(str(tmp_path), program, host).write({REQUEST: 1}, {})
    assert sorted(os.listdir(str(tmp_path))) == [
        "swift_vhd_nova-compute_h.prom", "swift_vhd_nova-compute_other_.._h.prom",
        "swift_vhd_verify.prom"]
    assert len(read(tmp_path)) == 3


def _write(directory: str, times: int) -> None:
    metrics._ATTEMPTS = 100000  # however slow the machine is
    for _number in range(times):
        metrics.Metrics(directory, "housekeep").write({REQUEST: 1}, {})


def test_two_that_count_in_one_file_lose_nothing(tmp_path: pathlib.Path) -> None:
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=_write, args=(str(tmp_path), 25)) for _each in range(3)]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0
    assert list(read(tmp_path).values()) == [75]


def test_a_directory_that_cannot_be_written_is_warned_of_once(
        tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    directory = tmp_path / "nowhere"
    for _time in range(3):
        metrics.Metrics(str(directory), "nova-compute").write({REQUEST: 1}, {})
    assert [record.getMessage().count("metrics_directory") for record in caplog.records] == [1]
    directory.mkdir()
    metrics.Metrics(str(directory), "nova-compute").write({REQUEST: 1}, {})
    assert list(read(directory).values()) == [1]


def test_a_damaged_file_is_begun_anew(tmp_path: pathlib.Path) -> None:
    path = metrics.path_of(str(tmp_path), "verify")
    pathlib.Path(path).write_text("swift_vhd_requests_total{service= what\n")
    metrics.Metrics(str(tmp_path), "verify").write({REQUEST: 1}, {})
    assert list(read(tmp_path).values()) == [1]


def test_no_directory_keeps_nothing(monkeypatch: pytest.MonkeyPatch,
                                    tmp_path: pathlib.Path) -> None:
    monkeypatch.chdir(tmp_path)
    metrics.Metrics("", "verify").write({REQUEST: 1}, {})
    assert not list(tmp_path.iterdir())


def test_the_documentation_lists_each_metric_with_its_labels() -> None:
    rows = re.findall(r"^   \* - ``(swift_vhd_\w+)``\n     - (\w+)\n     - (.*)$",
                      DOC.read_text(), re.MULTILINE)
    assert {name: (kind, set(re.findall(r"``(\w+)``", labels))) for name, kind, labels in rows} \
        == {name: (family.kind, set(family.labels)) for name, family in metrics.FAMILIES.items()}
