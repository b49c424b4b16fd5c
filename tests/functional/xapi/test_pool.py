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

"""A pool of two hosts: the session finds the master, disks' data the host that sees the SR."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import import_
from nova_swift_handler.xapi import session as sessions
from tests.functional.simulator.process import SimulatedHost
from tests.unit.xapi import certificates

from .conftest import MIB, SIZE, WRITTEN, settings
from .test_round_trip import exported, pieces


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for both hosts, and its key."""
    return certificates.make(tmp_path_factory.mktemp("tls"), ["127.0.0.1", "127.0.0.2"])[1]


@pytest.fixture(scope="module", params=["plain", "tls"])
def pool(request: Any, tmp_path_factory: pytest.TempPathFactory,
         certificate: Path) -> Iterator[SimulatedHost]:
    """Hosts without TLS, and hosts that redirect from plain HTTP to https as XAPI does."""
    options = ["--slave", "127.0.0.2,lvm", "--shared-sr", "nfs"]
    if request.param == "tls":
        options += ["--tls-cert", str(certificate), "--tls-port", "0",
                    "--tls-key", str(certificate)]
    running = SimulatedHost(tmp_path_factory.mktemp("pool"), "ext", *options)
    running.start()
    yield running
    assert running.stop() == 0, running.log()


class Client:
    """A session with the pool by one of its hosts."""

    def __init__(self, pool: SimulatedHost, session: sessions.Session) -> None:
        self.session, self.control = session, pool.control
        self.srs: Dict[str, str] = {
            "master's": pool.ready["sr_uuid"], "slave's": pool.ready["hosts"][1]["sr_uuid"],
            "shared": pool.ready["shared_sr_uuid"]}

    def disk(self, sr: str) -> str:
        ref = str(self.session.call("SR.get_by_uuid", self.srs[sr]))
        return disks.create_vdi(self.session, ref, SIZE, "disk", "", {})

    def written(self, sr: str) -> str:
        uuid = self.disk(sr)
        self.control.guest_pattern(uuid, "data", WRITTEN)
        return uuid


@pytest.fixture(params=[0, 1], ids=["by the master", "by the slave"])
def client(request: Any, pool: SimulatedHost, certificate: Path) -> Iterator[Client]:
    url = pool.ready["hosts"][request.param]["url"]
    before = pool.control.state()
    with sessions.Session(settings(pool, url=url, cafile=str(certificate))) as session:
        yield Client(pool, session)
        for record in session.call("VDI.get_all_records").values():
            if record["managed"]:
                disks.destroy_vdi(session, str(record["uuid"]), timeout=20)
    pool.control.gc_run()
    assert pool.control.state() == before


@pytest.mark.parametrize("target", ["master's", "slave's", "shared"])
@pytest.mark.parametrize("source", ["master's", "slave's", "shared"])
def test_disks_move_between_all_srs_whichever_host_is_asked(
        client: Client, source: str, target: str) -> None:
    uuid = client.written(source)
    data = exported(client, uuid)  # type: ignore[arg-type]
    copy = client.disk(target)
    import_.import_disk(client.session, copy, len(data), pieces(data))
    assert client.control.guest_sha256(copy) == client.control.guest_sha256(uuid)


def test_a_session_that_ended_is_renewed_at_the_master_and_by_redirects_too(
        client: Client) -> None:
    uuids = [client.written(sr) for sr in client.srs]
    for uuid in uuids:
        client.control.expire_sessions()
        data = exported(client, uuid, fmt="raw", length=SIZE)  # type: ignore[arg-type]
        assert len(data) == SIZE


def test_a_disk_that_runs_on_the_other_host_is_refused_and_stays_as_it_is(
        pool: SimulatedHost, client: Client) -> None:
    call, uuid = client.session.call, client.written("shared")
    other = next(host for host in pool.ready["hosts"]
                 if host["address"] != client.session.endpoint.host)
    vm = call("VM.create", {"name_label": "vm", "memory_dynamic_max": str(MIB)})
    call("VBD.create", {
        "VM": vm, "VDI": call("VDI.get_by_uuid", uuid), "userdevice": "0", "mode": "RW",
        "bootable": True, "type": "Disk", "empty": False, "other_config": {}})
    call("VM.start_on", vm, call("host.get_by_uuid", other["host_uuid"]), False, False)
    before = client.control.guest_sha256(uuid)
    with pytest.raises(exceptions.TaskFailed, match=r"another host.*snapshot") as caught:
        import_.import_disk(client.session, uuid, SIZE, pieces(bytes(SIZE)), fmt="raw")
    assert caught.value.code == "SR_BACKEND_FAILURE_46"
    assert client.control.guest_sha256(uuid) == before
    call("VM.hard_shutdown", vm)
    call("VM.destroy", vm)


def test_a_redirect_to_a_host_whose_certificate_is_not_trusted_ends_there(
        pool: SimulatedHost, client: Client) -> None:
    if not pool.ready["hosts"][0]["secure_url"].startswith("https:"):
        pytest.skip("these hosts have no certificates")
    elsewhere = "slave's" if client.session.endpoint.host == "127.0.0.1" else "master's"
    uuid = client.written(elsewhere)
    url = str(client.session.endpoint)
    with sessions.Session(settings(pool, url=url)) as session, \
            pytest.raises(exceptions.XapiUnreachable, match="xapi_cafile"):
        exported(Client(pool, session), uuid)  # type: ignore[arg-type]
