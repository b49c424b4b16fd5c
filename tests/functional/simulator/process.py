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

"""A simulated host as the process it is, and the clients of others that talk to it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from nova_swift_handler.sandbox.xapi.control import Control

PASSWORD = "not a secret"
_REPOSITORY = Path(__file__).resolve().parents[3]


def environment() -> Dict[str, str]:
    """The environment of a child that imports this package from the tree under test."""
    path = os.environ.get("PYTHONPATH")
    return dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(_REPOSITORY), path])))


class SimulatedHost:
    """Starts on a free port; ``stop`` and ``start`` keep what is on disk, and the port."""

    def __init__(self, directory: Path, sr_type: str, *options: str):
        """``options``: further command-line options."""
        self.directory = directory
        self._port = 0
        self._options = ["--sr-type", sr_type, "--sr-size", str(200 << 30), "--iso-sr", *options]
        self._process: Optional[subprocess.Popen[str]] = None
        self.ready: Dict[str, Any] = {}

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        password = self.directory / "password"
        password.write_text(PASSWORD + "\n")
        with open(self.directory / "log", "a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nova_swift_handler.sandbox.xapi",
                 "--root", str(self.directory / "state"),
                 "--listen", "127.0.0.1:%d" % self._port, "--password-file", str(password),
                 "--stop-with-stdin", *self._options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=environment())
        line = self._first_line()
        assert line.startswith("READY "), (line, self.log())
        self.ready = json.loads(line[len("READY "):])
        self._port = int(self.url.rpartition(":")[2])
        self.control = Control(self.url)

    def _first_line(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], 300)
        return self._process.stdout.readline() if readable else ""

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._end()

    def abandon(self) -> int:
        """End the host's standard input, as a dying starter does; returns the exit status."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.close()
        return self._end()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._end()

    def _end(self) -> int:
        assert self._process is not None
        status = self._process.wait(120)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        return status

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def url(self) -> str:
        url: str = self.ready["url"]
        return url

    def log(self) -> str:
        return (self.directory / "log").read_text()


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run curl; its own opinion is in returncode, the response with headers in stdout."""
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--max-time", "60", *arguments],
        capture_output=True, check=False)


def responses(raw: bytes) -> List[bytes]:
    """Split what curl printed into status lines with headers, and the body last."""
    parts = []
    while raw.startswith(b"HTTP/"):
        head, _, raw = raw.partition(b"\r\n\r\n")
        parts.append(head)
    return [*parts, raw]
