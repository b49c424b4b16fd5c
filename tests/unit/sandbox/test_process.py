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
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from nova_swift_handler.sandbox import process

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


def start(code: str, **options: object) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, "-c", code], stdout=subprocess.PIPE, **options)
    child.stdout.readline()  # it runs, and has set its signals up
    return child


def identify(child: subprocess.Popen[bytes]) -> process.Process:
    found = process.identify(child.pid)
    assert found is not None
    return found


def test_a_running_process_is_alive_until_it_is_stopped() -> None:
    running = identify(start(SLEEP))
    assert process.alive(running)
    process.stop([running], seconds=10)
    assert not process.alive(running)


def test_a_process_that_ignores_the_polite_signal_is_ended_all_the_same() -> None:
    running = identify(start(STUBBORN))
    process.stop([running], seconds=0.2)
    assert not process.alive(running)


def test_a_zombie_is_not_alive() -> None:
    child = start("print('up', flush=True)")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process.identify(child.pid) is None
    child.wait()


def test_another_process_with_the_same_pid_is_left_alone() -> None:
    child = start(SLEEP)
    earlier = process.Process(child.pid, identify(child).start - 1)
    assert not process.alive(earlier)
    process.stop([earlier], seconds=0.1)
    assert child.poll() is None
    process.stop([identify(child)], seconds=10)


def test_a_run_is_found_by_its_mark_and_no_other_run_is() -> None:
    run_id = secrets.token_hex(8)
    child = start(SLEEP, env={**os.environ, process.RUN_VARIABLE: run_id})
    try:
        assert process.of_run(run_id) == [identify(child)]
        assert process.of_run(run_id[:-1]) == []
    finally:
        process.stop([identify(child)], seconds=10)


def test_what_a_service_started_is_found_by_its_session() -> None:
    child = start(
        "import subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(inner.pid, flush=True); time.sleep(600)", start_new_session=True)
    members = process.of_session(child.pid)
    assert len(members) == 2 and child.pid in {member.pid for member in members}
    process.stop(members, seconds=10)
    assert process.of_session(child.pid) == []


def test_a_pid_file_says_what_was_written(tmp_path: Path) -> None:
    process.save(tmp_path / "pid", process.Process(1234, 5678))
    assert process.load(tmp_path / "pid") == process.Process(1234, 5678)


@pytest.mark.parametrize("content", ["", "{", "12", '{"pid": 1}'])
def test_a_broken_pid_file_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content)
    assert process.load(tmp_path / "pid") is None


def test_a_missing_pid_file_names_no_process(tmp_path: Path) -> None:
    assert process.load(tmp_path / "pid") is None
