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

"""Starting, stopping and watching services through the supervisor."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional

from nova_swift_handler.exceptions import SandboxError
from nova_swift_handler.sandbox import process, scripts, supervisor
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.ports import LOOPBACK
from nova_swift_handler.sandbox.service import Service, change_wanted, read_wanted

RUNNING, STOPPED, DIED = "running", "stopped", "died"
PATIENCE = 300.0  # seconds until what was started must be ready; a busy machine takes long
LOG_TAIL = 20  # lines of its log that an error about a service shows


class State(NamedTuple):
    """What became of a service.

    :ivar state: ``running``, ``stopped`` (as asked) or ``died``.
    :ivar pid: of a running one.
    :ivar code: with which one that died had ended; None when not even that is known.
    """

    state: str
    pid: Optional[int] = None
    code: Optional[int] = None


def start_supervisor(layout: Layout, run_id: str,
                     owner: Optional[process.Process] = None) -> None:
    """Start the process that will start the services.

    :param owner: the process with which all of them end; None lets them live on.
    :raises SandboxError: it did not come up.
    """
    for directory in (layout.run, layout.logs, layout.temporary):
        directory.mkdir(parents=True, exist_ok=True)
    environ = {
        **scripts.base_environment(),
        process.RUN_VARIABLE: run_id,
        "TMPDIR": str(layout.temporary),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }
    with open(layout.log(supervisor.NAME), "ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", supervisor.__name__, str(layout.root),
             *(str(each) for each in owner or ())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, cwd=str(layout.root),
            start_new_session=True)
    identity = process.identify(child.pid)
    deadline = time.monotonic() + PATIENCE
    # None is a process that ended at once: of that no pid file tells either.
    while identity is None or process.load(layout.pid(supervisor.NAME)) != identity:
        if child.poll() is not None or time.monotonic() > deadline:
            raise SandboxError("the sandbox's supervisor did not start; the end of its log:\n"
                               + log_tail(layout, supervisor.NAME))
        time.sleep(0.02)


def supervised(layout: Layout) -> bool:
    """Tell whether the sandbox's supervisor runs."""
    running = process.load(layout.pid(supervisor.NAME))
    return running is not None and process.alive(running)


def start(layout: Layout, services: Iterable[Service]) -> None:
    """Have services started that do not run."""
    starting = {service.name: service for service in services}
    for name in starting:
        if layout.output(name).exists():
            layout.output(name).unlink()  # what an earlier process announced no longer holds
    with change_wanted(layout) as wanted:
        wanted.update(starting)


def stop(layout: Layout, names: Iterable[str], seconds: float = 120.0) -> None:
    """Have the services ended, and wait for it.

    :raises SandboxError: one still runs after that long.
    """
    ending = list(names)
    with change_wanted(layout) as wanted:
        for name in ending:
            wanted.pop(name, None)
    deadline = time.monotonic() + seconds
    while any(layout.pid(name).exists() or layout.exit(name).exists() for name in ending):
        if time.monotonic() > deadline or not supervised(layout):
            raise SandboxError(f"services did not end: {', '.join(ending)}")
        time.sleep(0.02)


def states(layout: Layout) -> Dict[str, State]:
    """Return what became of every service that should run."""
    return {name: _state(layout, name) for name in read_wanted(layout)}


def _state(layout: Layout, name: str) -> State:
    running = process.load(layout.pid(name))
    # The supervisor sees the end of a service within a moment, and then tells its code.
    if running is not None and (process.alive(running) or supervised(layout)):
        return State(RUNNING, pid=running.pid)
    try:
        return State(DIED, code=int(layout.exit(name).read_text()))
    except (OSError, ValueError):
        # A pid file without its process: nobody was left to see it end.
        return State(DIED if running is not None else STOPPED)


def wait(layout: Layout, name: str, ready: Callable[[], bool], seconds: float) -> None:
    """Wait until a started service is ready.

    :raises SandboxError: it died, or was not ready in that time; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while True:
        state = _state(layout, name)
        # It may serve before the supervisor has noted that it runs.
        if state.state == RUNNING and ready():
            return
        if state.state == DIED:
            raise SandboxError(f"{name} ended with code {state.code} while it started; the end of "
                               f"its log, {layout.log(name)}:\n{log_tail(layout, name)}")
        if time.monotonic() > deadline:
            raise SandboxError(f"{name} was not ready after {seconds:.0f} seconds; the end of "
                               f"its log, {layout.log(name)}:\n{log_tail(layout, name)}")
        time.sleep(0.05)


def answers(port: int, path: Optional[str] = None) -> bool:
    """Tell whether a server listens on a port, and answers a GET without an error if asked so."""
    try:
        if path is None:
            socket.create_connection((LOOPBACK, port), timeout=5).close()
            return True
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 400
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def announced(layout: Layout, name: str) -> Optional[Dict[str, Any]]:
    """Return what a service printed after READY since its last start; None before it has."""
    try:
        text = layout.output(name).read_text(errors="replace")
    except FileNotFoundError:
        return None
    for line in text.splitlines():
        if line.startswith("READY {") and line.endswith("}"):
            content: Dict[str, Any] = json.loads(line[len("READY "):])
            return content
    return None


def wait_announced(layout: Layout, name: str, seconds: float) -> None:
    """Wait until a service has announced that it serves.

    :raises SandboxError: as :func:`wait`.
    """
    wait(layout, name, lambda: announced(layout, name) is not None, seconds)


def log_tail(layout: Layout, name: str, lines: int = LOG_TAIL) -> str:
    """Return the last lines of a service's log."""
    try:
        text = layout.log(name).read_text(errors="replace")
    except FileNotFoundError:
        return f"(no log of {name})"
    return "\n".join(text.splitlines()[-lines:])


def end_everything(layout: Layout, run_id: str) -> List[int]:
    """End all processes of a sandbox, whatever state it is in.

    :returns: pids of those that had to be ended one by one, since no supervisor did.
    """
    running = process.load(layout.pid(supervisor.NAME))
    if running is not None and process.alive(running):
        # It ends its services in order, each with some patience.
        process.stop([running], seconds=90.0)
    left = process.of_run(run_id)
    process.stop(left, seconds=10.0)
    for pid_file in layout.run.glob("*.pid"):
        pid_file.unlink()
    for exit_file in layout.run.glob("*.exit"):
        exit_file.unlink()
    if layout.wanted.exists():
        layout.wanted.unlink()
    return [each.pid for each in left]
