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

"""A sandbox that a test has brought up ends with the process of the test, others live on."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time
from typing import Iterator

import pytest

from nova_swift_handler.sandbox import control, process, supervisor
from nova_swift_handler.sandbox.layout import Layout

PATIENCE = 120.0

_STARTS = """\
import os, sys, time
from pathlib import Path
from nova_swift_handler.sandbox import control, process
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.service import Service, change_wanted

layout = Layout(Path(sys.argv[1]))
with change_wanted(layout) as wanted:
    wanted["sleep"] = Service("sleep", ["sleep", "1000"])
control.start_supervisor(layout, "a-run-of-a-test", process.identify(os.getpid())
                         if sys.argv[2] == "bound" else None)
while process.load(layout.pid("sleep")) is None:
    time.sleep(0.02)
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def layout(tmp_path: pathlib.Path) -> Iterator[Layout]:
    made = Layout(tmp_path / "sandbox")
    yield made
    control.end_everything(made, "a-run-of-a-test")


def _ended(found: process.Process) -> bool:
    return not process.wait_gone([found], PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("how", ["bound", "free"])
def test_services_end_with_the_process_they_are_bound_to(layout: Layout, how: str,
                                                         number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _STARTS, str(layout.root), how],
                          stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        running = [process.load(layout.pid(name)) for name in ("sleep", supervisor.NAME)]
        owner.send_signal(number)
        owner.wait(PATIENCE)
    for each in running:
        assert each is not None
        if how == "bound":
            assert _ended(each)
        else:
            time.sleep(10 * supervisor.POLL)  # long enough to have noticed
            assert process.alive(each)
    assert control.supervised(layout) is (how == "free")
