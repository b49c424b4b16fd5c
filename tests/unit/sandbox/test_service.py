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

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import control, process
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.service import Service, change_wanted, read_wanted

RUN_ID = f"unit-{os.getpid()}"
PATIENCE = 120.0
READY = "print('READY {\"answer\": 42}', flush=True); import time; time.sleep(600)"


def service(name: str, code: str) -> Service:
    return Service(name, [sys.executable, "-c", code], keep_output=True)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A directory with a running supervisor and no service."""
    made = Layout(tmp_path)
    control.start_supervisor(made, RUN_ID)
    yield made
    control.end_everything(made, RUN_ID)
    assert process.of_run(RUN_ID) == []


def test_what_is_wanted_is_read_back(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    wanted = service("a", "pass")
    with change_wanted(layout) as services:
        services["a"] = wanted
    assert read_wanted(layout) == {"a": wanted}


def test_nothing_is_wanted_at_first(tmp_path: Path) -> None:
    assert read_wanted(Layout(tmp_path)) == {}


def test_a_supervisor_that_ends_at_once_is_told_of(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SandboxError, match="supervisor did not start"):
        control.start_supervisor(Layout(tmp_path), RUN_ID)


def test_a_service_runs_until_it_is_stopped(layout: Layout) -> None:
    control.start(layout, [service("a", READY)])
    control.wait_announced(layout, "a", PATIENCE)
    assert control.announced(layout, "a") == {"answer": 42}
    assert control.states(layout)["a"].state == control.RUNNING
    pid = control.states(layout)["a"].pid

    control.stop(layout, ["a"])
    assert control.states(layout) == {}
    assert pid is not None and process.identify(pid) is None


def test_a_service_that_ends_is_not_started_again_but_told_of_with_its_log(
        layout: Layout) -> None:
    control.start(layout, [
        service("a", "import sys; sys.stderr.write('the reason'); sys.exit(3)")])
    with pytest.raises(SandboxError, match=r"a ended with code 3(?s:.)*the reason"):
        control.wait_announced(layout, "a", PATIENCE)
    assert control.states(layout)["a"] == control.State(control.DIED, code=3)


def test_a_service_that_never_serves_is_given_up(layout: Layout) -> None:
    control.start(layout, [service("a", "import time; time.sleep(600)")])
    with pytest.raises(SandboxError, match="a was not ready after 1 seconds"):
        control.wait_announced(layout, "a", 1)


def test_what_a_service_started_ends_with_it(layout: Layout) -> None:
    control.start(layout, [service(
        "a", "import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
             "'import time; time.sleep(600)']); " + READY)])
    control.wait_announced(layout, "a", PATIENCE)
    control.stop(layout, ["a"])
    remaining = process.of_run(RUN_ID)
    assert len(remaining) == 1  # the supervisor


def test_a_service_of_a_higher_wave_ends_first(layout: Layout, tmp_path: Path) -> None:
    told = tmp_path / "told"
    note = ("import signal, sys, time\n"
            "def end(*_):\n"
            f"    open({str(told)!r}, 'a').write(sys.argv[1] + ' ')\n"
            "    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('READY {}', flush=True); time.sleep(600)\n")
    control.start(layout, [
        Service(name, [sys.executable, "-c", note, name], wave=wave, keep_output=True)
        for name, wave in [("low", 0), ("high", 2), ("middle", 1)]])
    for name in ("low", "high", "middle"):
        control.wait_announced(layout, name, PATIENCE)
    control.end_everything(layout, RUN_ID)
    assert told.read_text().split() == ["high", "middle", "low"]


def test_a_service_does_not_see_what_the_caller_has_set_for_itself(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLET_HUB", "nonsense")
    monkeypatch.setenv("OS_GLANCE_CONFIG_DIR", "/nonsense")
    layout = Layout(tmp_path)
    control.start_supervisor(layout, RUN_ID)
    try:
        control.start(layout, [service(
            "a", "import json, os; print('READY', json.dumps(dict(os.environ)), flush=True); "
                 "import time; time.sleep(600)")])
        control.wait_announced(layout, "a", PATIENCE)
        seen = control.announced(layout, "a") or {}
        assert not {"EVENTLET_HUB", "OS_GLANCE_CONFIG_DIR"} & set(seen)
        assert seen[process.RUN_VARIABLE] == RUN_ID
    finally:
        control.end_everything(layout, RUN_ID)
