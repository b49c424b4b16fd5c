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

"""A simulated host with an SR of each kind, disks whose content is known, and a table of it all.

At the end of a run the table says, for each operation and kind of SR, how many bytes of disks
were compared.
"""

from __future__ import annotations

import configparser
import hashlib
import io
import json
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import pytest

from nova_swift_handler.cli import app
from nova_swift_handler.sandbox.xapi.control import pattern
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import tree
from nova_swift_handler.xapi.session import Session
from tests.functional.cli.conftest import from_sources, quiet_loggers  # noqa: F401  (fixtures)
from tests.functional.handler.bench import Host
from tests.functional.handler.conftest import bench, quiet, sessions  # noqa: F401  (fixtures)
from tests.functional.simulator import vms
from tests.functional.simulator.process import PASSWORD, SimulatedHost

MIB = 1024 ** 2
GIB = 1024 ** 3
SIZE = 64 * MIB
KINDS = ("ext", "lvm thick", "lvm thin")

_table: Dict[Tuple[str, str], int] = {}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table."""
    if not _table:
        return
    terminalreporter.section("bytes of disks compared, by operation and kind of SR")
    terminalreporter.write_line("%-58s %s" % ("", " ".join("%10s" % kind for kind in KINDS)))
    for operation in dict.fromkeys(operation for operation, _kind in _table):
        counts = [_table.get((operation, kind)) for kind in KINDS]
        terminalreporter.write_line("%-58s %s" % (operation, " ".join(
            "%10s" % ("-" if count is None else "%d MiB" % (count // MIB)) for count in counts)))


class Place(Host):
    """One SR of the host, and the command line's way to it."""

    def __init__(self, simulated: SimulatedHost, kind: str, sr_ref: str, conf: Path) -> None:
        super().__init__(simulated, kind)
        self.sr_ref = sr_ref
        self.conf = conf
        with self.session() as session:
            self.sr_uuid = str(session.call("SR.get_uuid", sr_ref))

    def call(self, method: str, *args: Any) -> Any:
        with self.session() as session:
            return session.call(method, *args)

    def ref(self, vdi_uuid: str) -> str:
        return str(self.call("VDI.get_by_uuid", vdi_uuid))

    def branch(self, verb: str, vdi_uuid: str) -> str:
        """Snapshot or clone a VDI, as any client may; return the new one's uuid."""
        return str(self.call("VDI.get_uuid", self.call("VDI." + verb, self.ref(vdi_uuid), {})))

    def destroy(self, vdi_uuid: str) -> None:
        with self.session() as session:
            disks.destroy_vdi(session, vdi_uuid, timeout=20)

    def forest(self) -> tree.Forest:
        with self.session() as session:
            return tree.read(session, self.sr_ref)

    def vm(self, vdi_uuid: str, start: bool = True) -> str:
        """Make a VM with a disk, running or not; return its uuid."""
        with self.session() as session:
            ref = session.call("VM.create", {"name_label": "web", "is_a_template": False,
                                             "memory_dynamic_max": str(GIB), "affinity": ""})
            session.call("VBD.create", {
                "VM": ref, "VDI": session.call("VDI.get_by_uuid", vdi_uuid), "userdevice": "0",
                "bootable": True, "mode": "RW", "type": "disk", "empty": False,
                "other_config": {}})
            if start:
                session.call("VM.start", ref, False, False)
            return str(session.call("VM.get_uuid", ref))

    def content(self, vdi_uuid: str) -> bytes:
        """Return a disk as XAPI exports it raw."""
        with self.session() as session:
            request = urllib.request.Request(
                "%s/export_raw_vdi?vdi=%s&format=raw" % (self.simulated.url, vdi_uuid),
                headers={"Cookie": "session_id=" + session.credentials()[0]})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())

    def clear(self) -> None:
        """Remove all that a test made, VMs included."""
        self.control.clear_faults()
        self.control.gc_background(None)
        with self.session() as session:
            vms.remove(session)
        super().clear()

    # -- the command line ---------------------------------------------------------------------

    def run(self, *argv: str) -> Tuple[int, str, str]:
        """Run ``swift-vhd``; return its exit code, output and messages."""
        out, err = io.StringIO(), io.StringIO()
        code = app.SwiftVhd(stdout=out, stderr=err).run(["--config-file", str(self.conf), *argv])
        return code, out.getvalue(), err.getvalue()

    def value(self, *argv: str) -> Any:
        """Run a command with ``-f json``; return what it shows."""
        code, out, err = self.run(*argv, "-f", "json")
        assert code == 0, err
        return json.loads(out)


class Disk:
    """A VDI that a guest writes to, and what must be on it."""

    def __init__(self, place: Place, size: int = SIZE) -> None:
        self.place = place
        self.uuid = place.disk(size, written=[])
        self.content = bytearray(size)

    def write(self, seed: str, *ranges: Sequence[int]) -> bytes:
        """Write a pattern at each ``(offset, length)``; return what is on the disk now."""
        self.place.control.guest_pattern(self.uuid, seed, ranges)
        for offset, length in ranges:
            self.content[offset:offset + length] = pattern(seed, offset, length)
        return bytes(self.content)


class Compare:
    """Compares VDIs with what must be on them, and keeps count for the table."""

    def __init__(self, operation: str, place: Place) -> None:
        self._row = operation, place.kind
        self._place = place
        _table.setdefault(self._row, 0)

    def __call__(self, vdi_uuid: str, content: bytes) -> None:
        size = int(self._place.record(vdi_uuid)["virtual_size"])
        wanted = content.ljust(size, b"\0")
        assert self._place.control.guest_sha256(vdi_uuid) == hashlib.sha256(wanted).hexdigest()
        self.file(self._place.content(vdi_uuid), wanted)

    def file(self, found: bytes, wanted: bytes) -> None:
        """Compare bytes that are no VDI."""
        assert len(found) == len(wanted)
        assert found == wanted
        _table[self._row] += len(wanted)


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dict[str, Place]]:
    """An SR of each kind, all on one host."""
    simulated = SimulatedHost(tmp_path_factory.mktemp("host"), "ext")
    simulated.start()
    conf = tmp_path_factory.mktemp("conf") / "swift-vhd.conf"
    write_conf(conf, simulated)
    try:
        settings = Host(simulated, "ext").settings
        with Session(settings) as session:
            refs = {"ext": str(session.call("SR.get_by_uuid", simulated.ready["sr_uuid"]))}
            for kind in KINDS[1:]:
                refs[kind] = make_sr(session, kind, 200 * GIB)
        yield {kind: Place(simulated, kind, ref, conf) for kind, ref in refs.items()}
    finally:
        assert simulated.stop() == 0, simulated.log()


def make_sr(session: Session, kind: str, size: int) -> str:
    """Make an SR of a kind; return its reference."""
    driver, _, allocation = kind.partition(" ")
    [host] = session.call("host.get_all")
    return str(session.call(
        "SR.create", host, {}, str(size), kind, "", driver, "user", False,
        {"allocation": allocation} if allocation else {}))


def write_conf(path: Path, simulated: SimulatedHost) -> configparser.RawConfigParser:
    """Write a configuration that knows the host alone; return what is in it."""
    conf = configparser.RawConfigParser()
    conf["xenserver"] = {"connection_url": simulated.url, "connection_username": "root",
                         "connection_password": PASSWORD}
    with open(path, "w") as file:
        conf.write(file)
    return conf


@pytest.fixture(params=KINDS)
def place(places: Dict[str, Place], request: Any) -> Iterator[Place]:
    """Each kind of SR in turn, emptied afterwards."""
    yield places[request.param]
    places[request.param].clear()


@pytest.fixture
def compare(place: Place, request: Any) -> Compare:
    return Compare(request.node.originalname.replace("test_", "").replace("_", " "), place)


@pytest.fixture
def disk(place: Place) -> Disk:
    """A disk that has been written to: whole blocks, odd places, and nothing in between."""
    made = Disk(place)
    made.write("first", (0, 5 * MIB), (9 * MIB + 512, 1536), (SIZE - 4096, 4096))
    return made


@pytest.fixture
def small_sr(places: Dict[str, Place], tmp_path: Path) -> Iterator[Callable[[str, int], Place]]:
    """Return a function that makes an SR of a kind with so many bytes."""
    made: List[Place] = []
    ext = places["ext"]

    def make(kind: str, size: int) -> Place:
        conf = tmp_path / "swift-vhd.conf"
        write_conf(conf, ext.simulated)
        with ext.session() as session:
            made.append(Place(ext.simulated, kind, make_sr(session, kind, size), conf))
        return made[-1]

    yield make
    for each in made:
        each.clear()
        for pbd in each.call("SR.get_PBDs", each.sr_ref):
            each.call("PBD.unplug", pbd)
        each.call("SR.forget", each.sr_ref)


