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

"""Moving disks with curl, as any outside client would, and judging the result."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from tests.functional.simulator.process import SimulatedHost, curl, responses

MIB = 1 << 20


class Transfer:
    """What came of one request: curl's exit code, the heads, the body, the task's record."""

    def __init__(self, done: Any, task: Dict[str, Any]):
        parts = responses(done.stdout)
        self.exit_code = done.returncode
        self.heads: List[bytes] = parts[:-1]
        self.body: bytes = parts[-1]
        self.task = task

    @property
    def status(self) -> str:
        """The first status line."""
        return self.heads[0].split(b"\r\n")[0].decode()

    @property
    def error(self) -> List[str]:
        assert self.task["status"] == "failure", self.task
        return self.task["error_info"]


class Mover:
    """Exports and imports with a task and the session in a cookie."""

    def __init__(self, host: SimulatedHost, session: Any):
        self.host = host
        self.xapi = session.xenapi
        self.session_ref = session._session

    @contextlib.contextmanager
    def task(self) -> Iterator[str]:
        ref = self.xapi.task.create("transfer", "")
        yield ref
        self.xapi.task.destroy(ref)

    def cookie(self, task: str) -> str:
        return "session_id=%s;task_id=%s" % (self.session_ref, task)

    def export(self, query: str) -> Transfer:
        with self.task() as task:
            done = curl("--cookie", self.cookie(task),
                        "%s/export_raw_vdi?%s" % (self.host.url, query))
            return Transfer(done, self.settled(task))

    def import_(
        self, query: str, data: bytes, directory: Path, *options: str, expect: str = "0.01",
    ) -> Transfer:
        """``expect``: seconds curl waits for a "100 Continue" that XAPI never sends."""
        source = directory / "upload"
        source.write_bytes(data)
        with self.task() as task:
            done = curl("--cookie", self.cookie(task), "--upload-file", str(source),
                        "--expect100-timeout", expect, *options,
                        "%s/import_raw_vdi?%s" % (self.host.url, query))
            return Transfer(done, self.settled(task))

    def settled(self, task: str) -> Dict[str, Any]:
        """The task's record; where the connection broke, once the host has noticed."""
        wait_until(lambda: self.xapi.task.get_status(task) != "pending", 3)
        return self.xapi.task.get_record(task)

    def disk(self, sr: str, size: int = 10 * MIB, **fields: Any) -> str:
        """A new disk's uuid."""
        from tests.functional.simulator.conftest import vdi_record
        return self.xapi.VDI.get_uuid(self.xapi.VDI.create(vdi_record(sr, size, **fields)))


class Connection:
    """A client that stops in the middle: a bare socket."""

    def __init__(self, url: str):
        address, _, port = url[len("http://"):].partition(":")
        self.socket = socket.create_connection((address, int(port)), timeout=20)

    def send(self, *lines: str) -> None:
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def head(self) -> str:
        """Read the response's head, and nothing after it."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, head
            head += byte
        return head.decode()

    def close(self) -> None:
        self.socket.close()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def raw_of_vhd(stream: bytes, directory: Path, size: int) -> str:
    """SHA-256 of what qemu-img, which knows nothing of us, reads in a VHD stream."""
    source, target = directory / "read.vhd", directory / "read.raw"
    source.write_bytes(stream)
    subprocess.run(
        ["qemu-img", "convert", "-O", "raw", "--image-opts",
         "driver=vpc,force_size_calc=current_size,file.filename=%s" % source, str(target)],
        check=True)
    data = target.read_bytes()
    assert len(data) == size
    return hashlib.sha256(data).hexdigest()


def vhd_of_raw(data: bytes, directory: Path, *options: str) -> bytes:
    """A VHD that qemu-img writes."""
    source, target = directory / "write.raw", directory / "write.vhd"
    source.write_bytes(data)
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o",
         ",".join(["force_size=on", *options]), str(source), str(target)], check=True)
    return target.read_bytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def first(heads: List[bytes], name: bytes) -> Optional[bytes]:
    """A header of the first response."""
    for line in heads[0].split(b"\r\n")[1:]:
        if line.lower().startswith(name + b":"):
            return line[len(name) + 1:]
    return None
