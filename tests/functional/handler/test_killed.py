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

"""nova-compute or its transfer process dies in the middle: what is left is taken back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest

from nova_swift_handler.transfer import process
from tests.functional.handler.bench import MIB, Bench, Host, eventually
from tests.functional.handler.wire import Wire
from tests.functional.simulator.process import PASSWORD, environment
from tests.unit.transfer import images

WRITTEN = [[0, 40 * MIB]]

SESSIONS = ["session"]
"""What a killed process leaves open; XAPI forgets those that nobody uses."""

# Started, and not imported: that would put eventlet's patches into this process as well.
_PROGRAM = Path(__file__).with_name("compute.py")

_CONFIG = """
[DEFAULT]
transport_url = fake:/
state_path = {state}
host = host-1
[xenserver]
connection_url = {xapi}
connection_username = root
connection_password = {password}
[glance]
api_servers = {glance}
[swift_vhd]
segment_size = 4
upload_threads = 2
download_threads = 1
staging_dir = {state}
endpoint_override = {swift}
glance_registration = {registration}
"""


class Compute:
    """A process in nova-compute's place that makes one call of the handler's."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self._bench = bench
        self._directory = directory
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._log = directory / "compute.log"

    def start(self, host: Host, glance: Wire, swift: Wire, xapi: str = "",
              registration: str = "auto", **request: str) -> None:
        config = self._directory / "nova.conf"
        config.write_text(_CONFIG.format(
            state=self._directory, xapi=xapi or host.settings.url, password=PASSWORD,
            glance=glance.url, swift=swift.url, registration=registration))
        user = self._bench.token()
        request.update(token=user.token, user_id=user.user_id, project_id=user.project_id,
                       instance=str(uuid.uuid4()))
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), self._bench.env["config_file"],
                 str(config)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment())
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode("utf-8"))
        self._process.stdin.close()

    def staged(self) -> List[Path]:
        """Return the directories in which a transfer stages, or has staged, a chain."""
        return list(self._directory.glob("swift_vhd-staging-*"))

    def transfers(self) -> List[int]:
        """Return the pids of its transfer processes."""
        assert self._process is not None
        found = []
        for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
            try:
                stat = Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
                command = Path("/proc/%d/cmdline" % pid).read_bytes()
            except OSError:
                continue
            if int(stat[1]) == self._process.pid and b"nova_swift_handler.transfer" in command:
                found.append(pid)
        return found

    def kill_transfer(self) -> None:
        os.kill(self.transfers()[0], signal.SIGKILL)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()

    def answer(self) -> Dict[str, Any]:
        """Wait for what the call gave; nothing from a process that was killed."""
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout as output:
            said = output.read()
        self._process.wait(60)
        log = self.log()
        self._bench.check_text(log)
        return dict(json.loads(said)) if said else {"log": log}

    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)


@pytest.fixture
def nova(bench: Bench, tmp_path: Path) -> Iterator[Compute]:
    made = Compute(bench, tmp_path)
    yield made
    made.end()


@pytest.fixture
def swift(bench: Bench) -> Iterator[Wire]:
    with Wire(bench.env["images_account_url"]) as wire:
        yield wire


@pytest.fixture
def glance(bench: Bench) -> Iterator[Wire]:
    with Wire(bench.env["glance_url"]) as wire:
        yield wire


def test_the_handler_itself_stores_and_boots(bench: Bench, host: Host, nova: Compute,
                                             glance: Wire, swift: Wire) -> None:
    """Without this the tests below could pass for the wrong reason."""
    snapshot, image_id = host.snapshot(host.disk(written=WRITTEN)), bench.queued()
    nova.start(host, glance, swift, image=image_id, vdi=snapshot)
    assert nova.answer() == {"result": None}
    assert bench.image(image_id)["status"] == "active"
    nova.start(host, glance, swift, image=image_id)
    booted = nova.answer()["result"]["root"]["uuid"]
    assert host.control.guest_sha256(booted) == host.control.guest_sha256(snapshot)
    assert host.record(booted)["other_config"]["nova_disk_type"] == "root"


def gone(bench: Bench, image_id: str) -> bool:
    """Whether Glance knows the image no more."""
    return bool(bench.glance("GET", "/v2/images/" + image_id, "admin",
                             raise_exc=False).status_code == 404)


@pytest.mark.parametrize("when", ["in the middle of the upload", "before registration"])
def test_the_transfer_process_is_killed_in_a_snapshot(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire, when: str) -> None:
    snapshot, image_id = host.snapshot(host.disk(written=WRITTEN)), bench.queued()
    if when == "before registration":
        # Its last request to Swift.
        swift.when(b"-images/%s" % image_id.encode("ascii"), nova.kill_transfer)
    else:
        swift.when(b"/000003 HTTP", nova.kill_transfer)
    with bench.nothing_left(host, apart_from=SESSIONS):
        nova.start(host, glance, swift, image=image_id, vdi=snapshot)
        answer = nova.answer()
        assert answer["error"] == "CouldNotUploadImage"
        assert image_id in answer["message"] and "exit status -9" in answer["message"]
    assert gone(bench, image_id)


_REGISTRATIONS = {
    "it has just told Glance of the location": ("location", b"POST /v2/images/%s/locations"),
    "it waits for Glance to use the location": ("location", b"GET /v2/images/%s HTTP"),
    "it uploads the image": ("upload", b"PUT /v2/images/%s/file"),
}


@pytest.mark.parametrize("when", list(_REGISTRATIONS))
def test_the_transfer_process_is_killed_in_a_registration(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire, when: str) -> None:
    """Glance gets all it was sent and may be at work on it; the image goes before its bytes do."""
    snapshot, image_id = host.snapshot(host.disk(written=WRITTEN)), bench.queued()
    registration, text = _REGISTRATIONS[when]
    there: List[bool] = []

    def kill() -> None:
        swift.when(b"DELETE /", lambda: there.append(not gone(bench, image_id)))
        nova.kill_transfer()

    begun = b"POST /v2/images/%s/locations" if registration == "location" else text
    request = text % image_id.encode("ascii")
    if text == begun:
        glance.when(request, kill)
    else:
        glance.when(begun % image_id.encode("ascii"), lambda: glance.when(request, kill))
    with bench.nothing_left(host, apart_from=SESSIONS):
        nova.start(host, glance, swift, registration=registration, image=image_id, vdi=snapshot)
        answer = nova.answer()
        assert answer["error"] == "CouldNotUploadImage"
        assert "exit status -9" in answer["message"]
    assert there == [False]
    assert gone(bench, image_id)


def test_the_transfer_process_is_killed_and_glance_keeps_the_image(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire) -> None:
    """An image that cannot be deleted keeps its bytes, and somebody is told."""
    vdi = host.disk(written=WRITTEN)
    snapshot, image_id = host.snapshot(vdi), bench.queued(protected=True)
    glance.when(b"POST /v2/images/%s/locations" % image_id.encode("ascii"), nova.kill_transfer)
    nova.start(host, glance, swift, registration="location", image=image_id, vdi=snapshot)
    assert nova.answer()["error"] == "CouldNotUploadImage"
    assert "its disk is kept in Swift. Delete the image." in nova.log()
    eventually(lambda: bench.image(image_id)["status"] == "active")
    booted = process.run(bench.boot_job(host, image_id))["vdi_uuid"]
    assert host.control.guest_sha256(booted) == host.control.guest_sha256(vdi)
    bench.glance("PATCH", "/v2/images/" + image_id, headers={
        "Content-Type": "application/openstack-images-v2.1-json-patch"},
        data=json.dumps([{"op": "replace", "path": "/protected", "value": False}]))


def test_the_transfer_process_is_killed_in_a_boot(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire) -> None:
    image_id = bench.store(host, host.disk(written=WRITTEN))
    swift.when(b"/000003 HTTP", nova.kill_transfer)
    with bench.nothing_left(host, apart_from=SESSIONS):
        # XAPI takes a while to let go of a disk whose transfer broke.
        host.control.set_fault("vbd_linger", seconds=3.0)
        nova.start(host, glance, swift, image=image_id)
        answer = nova.answer()
        assert answer["error"] == "CouldNotFetchImage"
        assert image_id in answer["message"] and "exit status -9" in answer["message"]


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_the_transfer_process_is_killed_before_it_knows_its_vdi(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire,
        seconds: float) -> None:
    """The host goes on and makes the VDI, at once or later."""
    image_id = bench.store(host, host.disk(written=WRITTEN))
    with Wire(host.settings.url) as xapi, bench.nothing_left(host, apart_from=SESSIONS):
        host.control.set_fault("vdi_create_slow", seconds=seconds)
        host.control.calls(clear=True)
        xapi.when(b">VDI.create<", nova.kill_transfer)
        nova.start(host, glance, swift, xapi.url, image=image_id)
        answer = nova.answer()
        assert answer["error"] == "CouldNotFetchImage"
        assert "exit status -9" in answer["message"]
        calls = host.control.calls()
        assert calls.count("VDI.create") == calls.count("VDI.destroy") == 1


def test_the_transfer_process_is_killed_while_it_stages_a_chain(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire) -> None:
    chain = images.chain(2, block_size=2 * MIB, blocks=6)
    image_id = bench.uploaded(images.numbered(chain.vhds))
    glance.stall_answers(5 * MIB)
    with bench.nothing_left(host, apart_from=SESSIONS):
        nova.start(host, glance, swift, image=image_id)
        eventually(lambda: bool(nova.staged()))
        nova.kill_transfer()
        answer = nova.answer()
        assert answer["error"] == "CouldNotFetchImage"
        assert "exit status -9" in answer["message"]
    assert nova.staged() == []


def test_nova_compute_is_killed_in_a_snapshot(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire) -> None:
    """Its transfer process notices, and takes back all that shows."""
    snapshot, image_id = host.snapshot(host.disk(written=WRITTEN)), bench.queued()
    transfers: List[int] = []

    def kill() -> None:
        transfers.extend(nova.transfers())
        nova.kill()

    swift.when(b"/000003 HTTP", kill)
    with bench.nothing_left(host, apart_from=SESSIONS):
        host.control.set_fault("rate", bytes_per_second=8 * MIB)
        nova.start(host, glance, swift, image=image_id, vdi=snapshot)
        assert "result" not in nova.answer()
        eventually(lambda: not os.path.exists("/proc/%d" % transfers[0]))
    assert gone(bench, image_id)


def test_nova_compute_is_killed_in_a_boot(
        bench: Bench, host: Host, nova: Compute, glance: Wire, swift: Wire) -> None:
    image_id = bench.store(host, host.disk(written=WRITTEN))
    transfers: List[int] = []

    def kill() -> None:
        transfers.extend(nova.transfers())
        nova.kill()

    swift.when(b"/000003 HTTP", kill)
    with bench.nothing_left(host, apart_from=SESSIONS):
        host.control.set_fault("rate", bytes_per_second=8 * MIB, direction="import")
        nova.start(host, glance, swift, image=image_id)
        assert "result" not in nova.answer()
        eventually(lambda: not os.path.exists("/proc/%d" % transfers[0]))
