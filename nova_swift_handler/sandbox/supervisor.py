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

"""The process that starts the sandbox's services, watches them, and ends them.

It follows ``run/wanted.json``.  A service that ends by itself is *not* started again: in a sandbox
for tests a silent restart would hide an error.  How it ended is written to ``run/<name>.exit``.

Run as ``python -m nova_swift_handler.sandbox.supervisor ROOT [PID START]``: with these it ends,
and the services with it, when the process that they identify is gone, however that ended.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Optional

from nova_swift_handler.sandbox import ini, process
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.service import Service, Wanted, read_wanted

NAME = "supervisor"
POLL = 0.05  # seconds
PATIENCE = 15.0  # seconds a service may take to end when asked to


class Supervisor:
    """Keeps the running services equal to the wanted ones."""

    def __init__(self, layout: Layout, owner: Optional[process.Process] = None) -> None:
        self._layout = layout
        self._owner = owner
        self._running: Dict[str, subprocess.Popen[bytes]] = {}
        self._services: Dict[str, Service] = {}
        self._ended: Dict[str, Service] = {}
        self._version = (0, 0)
        self._stopping = False

    def stop(self, *_: Any) -> None:
        """Ask :meth:`run` to end everything (a signal handler)."""
        self._stopping = True

    def run(self) -> None:
        """Serve until told to stop; then end all services."""
        process.save(self._layout.pid(NAME), _myself())
        try:
            while not self._stopping and (self._owner is None or process.alive(self._owner)):
                self._reap()
                if self._changed():
                    self._follow(read_wanted(self._layout))
                time.sleep(POLL)
        finally:
            self._end(list(self._running))
            self._layout.pid(NAME).unlink()

    def _changed(self) -> bool:
        try:
            found = os.stat(self._layout.wanted)
        except FileNotFoundError:
            return False
        # The file is replaced, never rewritten: another one has another inode or time.
        version = (found.st_ino, found.st_mtime_ns)
        changed, self._version = version != self._version, version
        return changed

    def _reap(self) -> None:
        for name, child in list(self._running.items()):
            code = child.poll()
            if code is not None:
                self._forget(name)
                self._ended[name] = self._services[name]
                ini.write_text(self._layout.exit(name), f"{code}\n")
                print(f"{name} (pid {child.pid}) ended by itself with code {code}", flush=True)

    def _follow(self, wanted: Wanted) -> None:
        changed = [name for name in self._running if wanted.get(name) != self._services[name]]
        self._end(changed)
        for name in [name for name in self._ended if name not in wanted]:
            del self._ended[name]  # taken off the list: wanted again, it is started again
            _unlink(self._layout.exit(name))
        for name, service in sorted(wanted.items(), key=lambda item: item[1].wave):
            if name not in self._running and self._ended.get(name) != service:
                self._start(service)

    def _start(self, service: Service) -> None:
        layout = self._layout
        self._ended.pop(service.name, None)
        _unlink(layout.exit(service.name))
        with open(layout.log(service.name), "ab") as log, self._stdout(service) as stdout:
            child = subprocess.Popen(
                service.argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                cwd=str(layout.root), env={**os.environ, **service.environ},
                start_new_session=True)  # what it starts can be found by its session
        self._services[service.name] = service
        self._running[service.name] = child
        identity = process.identify(child.pid)
        if identity is not None:
            process.save(layout.pid(service.name), identity)
        print(f"started {service.name} (pid {child.pid})", flush=True)

    def _stdout(self, service: Service) -> BinaryIO:
        if service.keep_output:
            return open(self._layout.output(service.name), "wb")
        return open(self._layout.log(service.name), "ab")

    def _end(self, names: List[str]) -> None:
        waves = sorted(names, key=lambda name: -self._services[name].wave)
        for _, group in itertools.groupby(waves, key=lambda name: self._services[name].wave):
            members = list(group)
            processes = [process.identify(self._running[name].pid) for name in members]
            process.stop([each for each in processes if each is not None], PATIENCE)
            for name in members:
                child = self._running[name]
                process.stop(process.of_session(child.pid), PATIENCE)
                child.wait()
                self._forget(name)
                print(f"ended {name} (pid {child.pid})", flush=True)

    def _forget(self, name: str) -> None:
        del self._running[name]
        _unlink(self._layout.pid(name))


def _unlink(path: Path) -> None:
    if path.exists():
        path.unlink()


def _myself() -> process.Process:
    identity = process.identify(os.getpid())
    assert identity is not None
    return identity


def main() -> int:
    root, *owner = sys.argv[1:]
    supervisor = Supervisor(Layout(Path(root)), process.Process(
        *(int(each) for each in owner)) if owner else None)
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    supervisor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
