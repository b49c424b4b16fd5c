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

"""Processes told apart for certain: by pid *and* start time, so that a reused pid is nobody's.

Linux only: everything is read from ``/proc``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Iterable, List, NamedTuple, Optional

from nova_swift_handler.sandbox import ini

# Set for every process of a sandbox and inherited by whatever they start: what is left of a
# sandbox is found by it even when no pid file is.
RUN_VARIABLE = "SWIFT_VHD_SANDBOX_RUN"


class Process(NamedTuple):
    """One process that was seen running.

    :ivar start: clock ticks between boot and the process's start (proc(5), stat field 22).
    """

    pid: int
    start: int


class _Stat(NamedTuple):
    state: str
    session: int
    start: int


def _stat(pid: int) -> Optional[_Stat]:
    try:
        text = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return None
    # The command's name stands in parentheses and may hold anything, blanks and ")" too.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], session=int(fields[3]), start=int(fields[19]))


def identify(pid: int) -> Optional[Process]:
    """Return the running process with this pid; None when there is none or it is a zombie."""
    stat = _stat(pid)
    if stat is None or stat.state in "ZX":
        return None
    return Process(pid, stat.start)


def alive(process: Process) -> bool:
    """Tell whether this very process still runs."""
    return identify(process.pid) == process


def send(process: Process, number: int) -> None:
    """Send a signal to the process unless it has ended."""
    if alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def reap(pid: int) -> None:
    """Collect an ended process if it is a child of this one."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def wait_gone(processes: Iterable[Process], seconds: float) -> List[Process]:
    """Wait until the processes have ended; return those that still run after that long."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while True:
        for process in left:
            reap(process.pid)
        left = [process for process in left if alive(process)]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(0.02)


def stop(processes: Iterable[Process], seconds: float) -> None:
    """End processes: politely, and after that many seconds for certain."""
    wanted = list(processes)
    for process in wanted:
        send(process, signal.SIGTERM)
    stubborn = wait_gone(wanted, seconds)
    for process in stubborn:
        send(process, signal.SIGKILL)
    wait_gone(stubborn, 60.0)


def _pids() -> List[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def of_session(session: int) -> List[Process]:
    """Return the processes of a session: a service and all it started."""
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None and stat.session == session and stat.state not in "ZX":
            found.append(Process(pid, stat.start))
    return found


def of_run(run_id: str) -> List[Process]:
    """Return every process that carries this run's mark in its environment."""
    mark = f"{RUN_VARIABLE}={run_id}".encode()
    found = []
    for pid in _pids():
        try:
            environ = Path("/proc", str(pid), "environ").read_bytes()
        except OSError:
            continue
        process = identify(pid)
        if process is not None and mark in environ.split(b"\0"):
            found.append(process)
    return found


def save(path: Path, process: Process) -> None:
    """Write a pid file."""
    ini.write_text(path, json.dumps(process._asdict()) + "\n")


def load(path: Path) -> Optional[Process]:
    """Read a pid file; None when there is none, or when it was cut short."""
    try:
        return Process(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
