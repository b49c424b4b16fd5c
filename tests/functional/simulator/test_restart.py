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

"""A host that is stopped, or killed, comes back as the host it was."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Iterator

import pytest
import XenAPI

from tests.functional.simulator.process import PASSWORD, SimulatedHost, environment
from tests.functional.simulator.test_disks import make_vm
from tests.functional.simulator.test_protocol import failure, raw_call
from tests.functional.simulator.transfers import MIB, Connection, Mover, wait_until


@pytest.fixture(params=["ext", "lvm"])
def host(request: Any, tmp_path: Any) -> Iterator[SimulatedHost]:
    """A host of one's own, to be mistreated."""
    running = SimulatedHost(tmp_path, request.param)
    running.start()
    yield running
    if running.running:
        assert running.stop() == 0, running.log()


def login(host: SimulatedHost) -> Any:
    session = XenAPI.Session(host.url)
    session.login_with_password("root", PASSWORD, "1.0", "tests")
    return session


def test_everything_has_the_uuids_and_the_data_it_had(host: SimulatedHost) -> None:
    session = login(host)
    mover = Mover(host, session)
    sr = session.xenapi.SR.get_by_uuid(host.ready["sr_uuid"])
    uuid = mover.disk(sr, other_config={"k": "v"})
    host.control.guest_pattern(uuid, "x", [[0, 3 * MIB]])
    snapshot = session.xenapi.VDI.snapshot(session.xenapi.VDI.get_by_uuid(uuid))
    before, ready = host.control.guest_sha256(uuid), dict(host.ready)
    records = session.xenapi.VDI.get_all_records()
    others = {cls: getattr(session.xenapi, cls).get_all_records()
              for cls in ("SR", "network", "pool", "VM")}
    assert host.stop() == 0
    host.start()
    again = login(host)
    assert {key: host.ready[key] for key in ready if key != "pid"} == {
        key: ready[key] for key in ready if key != "pid"}
    assert again.xenapi.VDI.get_all_records() == records
    assert again.xenapi.VDI.get_snapshot_of(snapshot) in records
    for cls, known in others.items():
        assert getattr(again.xenapi, cls).get_all_records() == known
    assert host.control.guest_sha256(uuid) == before


def test_sessions_do_not_survive(host: SimulatedHost) -> None:
    old = login(host)._session
    host.stop()
    host.start()
    assert raw_call(host, "pool.get_all", old)["ErrorDescription"] == ["SESSION_INVALID", old]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_transfer_is_over_and_its_disk_free(host: SimulatedHost, end: str) -> None:
    session = login(host)
    mover = Mover(host, session)
    sr = session.xenapi.SR.get_by_uuid(host.ready["sr_uuid"])
    uuid = mover.disk(sr)
    host.control.guest_pattern(uuid, "x", [[0, 10 * MIB]])
    host.control.set_fault("hang", direction="export", after=MIB)
    task = session.xenapi.task.create("export", "")
    client = Connection(host.url)
    client.send("GET /export_raw_vdi?vdi=%s HTTP/1.1" % uuid, "Cookie: " + mover.cookie(task))
    assert wait_until(lambda: host.control.state()["dom0_VBD"] == 1)
    getattr(host, end)()
    host.start()
    xapi = login(host).xenapi
    assert xapi.task.get_status(task) in ("cancelled", "failure")
    vdi = xapi.VDI.get_by_uuid(uuid)
    assert xapi.VDI.get_VBDs(vdi) == []
    assert not [key for key in xapi.VDI.get_sm_config(vdi) if key.startswith("host_")]
    xapi.VDI.destroy(vdi)


def test_guests_run_on(host: SimulatedHost) -> None:
    session = login(host)
    sr = session.xenapi.SR.get_by_uuid(host.ready["sr_uuid"])
    uuid = Mover(host, session).disk(sr)
    vm = make_vm(session.xenapi, session.xenapi.VDI.get_by_uuid(uuid))
    session.xenapi.VM.start(vm, False, False)
    host.control.guest_write(uuid, 0, b"before")
    host.kill()
    host.start()
    xapi = login(host).xenapi
    assert xapi.VM.get_power_state(vm) == "Running"
    vdi = xapi.VDI.get_by_uuid(uuid)
    assert failure(xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
    assert host.control.guest_read(uuid, 0, 6) == b"before"
    xapi.VM.hard_shutdown(vm)
    xapi.VDI.destroy(vdi)


def test_a_host_ends_with_its_starter(host: SimulatedHost) -> None:
    assert host.abandon() == 0
    host.start()


def test_a_second_process_keeps_its_hands_off(host: SimulatedHost) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.sandbox.xapi",
         "--root", str(host.directory / "state")],
        capture_output=True, text=True, env=environment(), timeout=30, check=False)
    assert done.returncode != 0 and "in use" in done.stderr


def test_only_loopback_is_served(tmp_path: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.sandbox.xapi", "--root", str(tmp_path),
         "--listen", "0.0.0.0:0"],
        capture_output=True, text=True, env=environment(), timeout=30, check=False)
    assert done.returncode == 2 and "loopback" in done.stderr
