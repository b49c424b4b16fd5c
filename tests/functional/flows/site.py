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

"""A region: its Nova, its simulated host, and what of the two must always be true."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Set

import XenAPI

from nova_swift_handler.sandbox import process as processes
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.xapi.control import Control
from tests.functional.flows.tenant import FLAVOR, Tenant, eventually

MIB = 1024 * 1024

Ranges = Sequence[Sequence[int]]

TRANSIENT = ("VM", "VBD", "dom0_VBD", "snapshot", "task", "pending_task")


class Site:
    """One region.

    :ivar kind: ``ext`` or ``lvm``.
    :ivar alice: whose servers and images they are.
    :ivar xapi: a session of the PyPI package XenAPI.
    """

    def __init__(self, cloud: Any, kind: str) -> None:
        self.cloud = cloud
        self.kind = kind
        self.env: Dict[str, Any] = cloud.region(kind)
        self.control: Control = cloud.control(kind)
        self.alice = Tenant(cloud, "alice", kind)
        self.admin = Tenant(cloud, "admin", kind)
        self._servers: List[str] = []
        session = XenAPI.Session(self.env["xapi_url"])
        session.login_with_password(self.env["xapi_user"], self.env["xapi_password"], "1.0",
                                    "tests")
        self.xapi = session.xenapi

    # -- servers ------------------------------------------------------------------------------

    def order(self, image: str, name: str = "server", flavor: str = FLAVOR, **more: Any) -> str:
        """Ask for a server, deleted after the test; return its id."""
        server = self.alice.boot(image, name, flavor, **more)
        self._servers.append(server)
        return server

    def boot(self, image: str, name: str = "server", flavor: str = FLAVOR, **more: Any) -> str:
        """Return the id of a server that runs."""
        server = self.order(image, name, flavor, **more)
        self.alice.settled(server)
        return server

    def delete_servers(self) -> None:
        for server in self._servers:
            self.alice.delete(server)
        self._servers.clear()

    def delete_images(self) -> None:
        """Delete what images Alice has."""
        for row in self.alice.glance("GET", "/v2/images?visibility=private&limit=500").json()[
                "images"]:
            self.alice.delete_image(row["id"])

    def delete(self, server: str) -> None:
        self.alice.delete(server)
        self._servers.remove(server)

    def name(self, server: str) -> str:
        """Return what the server's VM is called."""
        return str(self.admin.server(server)["OS-EXT-SRV-ATTR:instance_name"])

    def disks(self, server: str, suffix: str = "") -> List[Dict[str, Any]]:
        """Return the disks of a server's VM, or of the one whose name has this suffix."""
        if not self.xapi.VM.get_by_name_label(self.name(server) + suffix):
            return []
        return self.control.vm_disks(self.name(server) + suffix)

    def root(self, server: str, suffix: str = "") -> str:
        """Return the uuid of a server's root VDI."""
        return str(self.disks(server, suffix)[0]["vdi_uuid"])

    # -- the guests ---------------------------------------------------------------------------

    def write(self, server: str, seed: str, *ranges: Sequence[int]) -> None:
        """Let the guest write ``pattern(seed, ...)`` at each (offset, length)."""
        self.control.guest_pattern(self.root(server), seed, list(ranges))

    def sha256(self, server: str, suffix: str = "") -> str:
        """Return the digest of the guest's disk."""
        return self.control.guest_sha256(self.root(server, suffix))

    def stored(self, server: str, name: str = "snapshot") -> str:
        """Snapshot a server; return the id of the image once all is done."""
        image = self.alice.snapshot(server, name)
        self.alice.active(image)
        self.alice.settled(server)
        return image

    # -- what is on the SR --------------------------------------------------------------------

    def vdis(self) -> Dict[str, Dict[str, Any]]:
        """Return the records of the SR's VDIs but base copies, by uuid."""
        sr = self.xapi.SR.get_by_uuid(self.env["sr_uuid"])
        return {record["uuid"]: record for record in self.xapi.VDI.get_all_records().values()
                if record["managed"] and record["SR"] == sr}

    def cached(self) -> Dict[str, str]:
        """Return the uuids of the VDIs that Nova keeps of images, by image id."""
        return {record["other_config"]["image-id"]: uuid for uuid, record in self.vdis().items()
                if "image-id" in record["other_config"]}

    @contextlib.contextmanager
    def nothing_left(self) -> Iterator[None]:
        """See that the host is in the end as it was before, but for images that Nova keeps.

        Servers made meanwhile are deleted first.
        """
        before, disks = self.control.state(), set(self.vdis())
        yield
        self.delete_servers()
        after = self.control.state()
        assert {name: after[name] for name in TRANSIENT} == {
            name: before[name] for name in TRANSIENT}
        assert set(self.vdis()) - set(self.cached().values()) <= disks

    def collect(self) -> None:
        """Let the SR's collector come to its end."""
        self.control.gc_run(self.env["sr_uuid"])

    # -- Nova itself --------------------------------------------------------------------------

    @property
    def service(self) -> str:
        return "nova-" + self.kind

    @contextlib.contextmanager
    def configured(self, section: str, **options: Any) -> Iterator[None]:
        """Run Nova with other options meanwhile."""
        with self.configured_all({section: options}):
            yield

    @contextlib.contextmanager
    def configured_all(self, sections: Dict[str, Dict[str, Any]]) -> Iterator[None]:
        """Run Nova with other options of several sections meanwhile."""
        path = Path(self.env["nova_conf"])
        before = path.read_text()
        config = configparser.RawConfigParser(strict=False)
        config.optionxform = str  # type: ignore[assignment,method-assign]
        config.read_string(before)
        for section, options in sections.items():
            if section != "DEFAULT" and not config.has_section(section):
                config.add_section(section)
            for name, value in options.items():
                config.set(section, name, str(value))
        with path.open("w") as file:
            config.write(file)
        try:
            self.cloud.sandbox.restart(self.service)
            yield
        finally:
            path.write_text(before)
            self.cloud.sandbox.restart(self.service)

    def pid(self) -> int:
        """Return the process of nova-compute."""
        found = processes.load(Layout(self.cloud.root).pid(self.service))
        assert found is not None
        return found.pid

    def kill(self) -> Set[int]:
        """Kill nova-compute; return its transfers, which live on until they notice."""
        pid = self.pid()
        transfers = set(children(pid))
        os.kill(pid, signal.SIGKILL)
        eventually("nova-compute to die", lambda: processes.identify(pid) is None)
        return transfers

    def fail(self) -> None:
        """Kill nova-compute and its transfers at the same moment, as a power failure would."""
        transfers = children(self.pid())
        assert transfers
        for pid in transfers:
            os.kill(pid, signal.SIGSTOP)  # or it could notice that it is alone, and clean up
        for pid in self.kill():
            os.kill(pid, signal.SIGKILL)

    def is_up(self) -> bool:
        """Tell whether there is a nova-compute."""
        return processes.identify(self.pid()) is not None

    def start_again(self) -> None:
        self.cloud.sandbox.restart(self.service)

    # -- our commands -------------------------------------------------------------------------

    def swift_vhd(self, *argv: str) -> Any:
        """Run ``swift-vhd``; return what it says as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "nova_swift_handler.cli.app", "--config-file",
             self.env["nova_conf"], *argv, "-f", "json"],
            capture_output=True, check=False, text=True)
        assert done.returncode == 0, "exit code %d: %s%s" % (
            done.returncode, done.stderr, done.stdout)
        return json.loads(done.stdout)

    def reconcile(self) -> None:
        """Let what is stored follow Glance, which tests delete most images of."""
        self.swift_vhd("store", "reconcile", "--force")

    def swift(self, method: str, path: str) -> Any:
        """Ask Swift, as our service account."""
        return self.cloud.session("swift-vhd").request(
            "%s/%s" % (self.cloud.env["images_account_url"], path), method, raise_exc=False)

    def objects(self, server: str, prefix: str) -> List[str]:
        """Return the objects of a server's volume whose names begin so."""
        answer = self.swift("GET", "%s-volume-%s?format=json&prefix=%s" % (
            self.cloud.env["container_prefix"], server, prefix))
        return [] if answer.status_code == 404 else [row["name"] for row in answer.json()]

    def points(self, server: str) -> List[str]:
        """Return the images whose points a server's volume holds."""
        return sorted({name.split("/")[1] for name in self.objects(server, "points/")})

    def point(self, server: str, image: str) -> Dict[str, Any]:
        """Return a point's record."""
        return dict(self.swift("GET", "%s-volume-%s/points/%s/point.json" % (
            self.cloud.env["container_prefix"], server, image)).json())


def children(pid: int) -> List[int]:
    """Return the transfer processes of a process."""
    found = []
    for each in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        try:
            stat = Path("/proc/%d/stat" % each).read_text().rpartition(")")[2].split()
            command = Path("/proc/%d/cmdline" % each).read_bytes()
        except OSError:
            continue
        if int(stat[1]) == pid and b"nova_swift_handler.transfer" in command:
            found.append(each)
    return found
