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

"""A simulated XAPI host, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, Optional, Type

from bench.disks import GIB, MIB, Disk
from nova_swift_handler.sandbox.xapi.control import Control
from nova_swift_handler.vhd import constants
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi.import_ import import_disk
from nova_swift_handler.xapi.session import Session
from nova_swift_handler.xapi.settings import XapiSettings

PASSWORD = "not a secret"  # noqa: S105  (it listens on loopback)
CAP = 120_000_000
"""Bytes a second that a real dom0 moves, at best."""

_SR_SIZE = 8 * 1024 * GIB


class Host:
    """Runs from entry to exit of the context, its SR of type ext below *directory*.

    :ivar settings: how to reach it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> Host:
        self._directory.mkdir()
        password = self._directory / "password"
        password.write_text(PASSWORD + "\n")
        with (self._directory / "log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nova_swift_handler.sandbox.xapi",
                 "--root", str(self._directory / "state"), "--sr-size", str(_SR_SIZE),
                 "--password-file", str(password), "--stop-with-stdin"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("READY "):
            raise RuntimeError("the simulated host did not start; see %s" % log.name)
        self._ready: Dict[str, Any] = json.loads(line[len("READY "):])
        self.settings = XapiSettings(self.url, "root", PASSWORD)
        self.control = Control(self.url)
        with self.session() as session:
            self.sr_ref = str(session.call("SR.get_by_uuid", self._ready["sr_uuid"]))
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._process.communicate()  # closes its standard input, which is what ends it

    @property
    def url(self) -> str:
        """XAPI's."""
        return str(self._ready["url"])

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def session(self) -> Session:
        """Return a session with XAPI, a context."""
        return Session(self.settings)

    def cap(self, rate: Optional[int] = CAP) -> None:
        """Let each transfer move so many bytes a second; None sets it free."""
        if rate is None:
            self.control.clear_faults("rate")
        else:
            self.control.set_fault("rate", bytes_per_second=rate)

    def create(self, virtual_size: int) -> str:
        """Make an empty VDI; return its uuid."""
        with self.session() as session:
            return disks.create_vdi(session, self.sr_ref, virtual_size, "disk", "", {})

    def load(self, disk: Disk) -> str:
        """Make a VDI of a VHD file; return its uuid."""
        uuid = self.create(disk.virtual_size)
        with self.session() as session:
            import_disk(session, uuid, disk.size, _pieces(disk.path))
        return uuid

    def write_blocks(self, uuid: str, seed: str, blocks: Iterable[int]) -> None:
        """Fill blocks of a VDI, as its guest would, with bytes that *seed* decides."""
        self.control.guest_pattern(uuid, seed, [
            [number * constants.BLOCK_SIZE, constants.BLOCK_SIZE] for number in blocks])

    def snapshot(self, uuid: str) -> str:
        """Snapshot a VDI; return the snapshot's uuid."""
        with self.session() as session:
            ref = session.call("VDI.snapshot", session.call("VDI.get_by_uuid", uuid), {})
            return str(session.call("VDI.get_uuid", ref))

    def destroy(self, *uuids: str) -> None:
        """Destroy VDIs, and what is then left of their chains."""
        with self.session() as session:
            for uuid in uuids:
                disks.destroy_vdi(session, uuid)
        self.control.gc_run()

    def destroy_all(self) -> None:
        """Destroy every VDI."""
        with self.session() as session:
            records = session.call("VDI.get_all_records").values()
        self.destroy(*(record["uuid"] for record in records if record["managed"]))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(MIB), b"")
