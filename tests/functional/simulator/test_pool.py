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

"""A pool of two hosts: the slave's refusals, redirects, a shared SR, who may have a disk open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
import XenAPI

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import (
    PASSWORD,
    SimulatedHost,
    curl,
    environment,
    responses,
)
from tests.functional.simulator.test_protocol import failure, raw_call
from tests.functional.simulator.transfers import MIB, Connection, raw_of_vhd, sha256, wait_until
from tests.unit.xapi import certificates

_STREAM_IMAGES = Path(__file__).with_name("stream_images.py")
SIZE = 256 * MIB
WRITTEN = [[0, 5 * MIB], [17 * MIB + 512, 1536], [SIZE - MIB, MIB]]


@pytest.fixture(scope="module", params=["nfs", "lvmoiscsi"])
def pool(request: Any, tmp_path_factory: Any) -> Iterator[SimulatedHost]:
    """A master with an EXT SR, a slave with an LVM SR, and an SR both see."""
    running = SimulatedHost(
        tmp_path_factory.mktemp("pool"), "ext", "--slave", "127.0.0.2,lvm,second",
        "--shared-sr", request.param)
    running.start()
    yield running
    if running.running:
        assert running.stop() == 0, running.log()


class Client:
    """A session with the pool, and what is in it."""

    def __init__(self, pool: SimulatedHost):
        self.pool, self.control = pool, pool.control
        self.session = XenAPI.Session(pool.url)
        self.session.login_with_password("root", PASSWORD, "1.0", "tests")
        self.xapi = self.session.xenapi
        self.hosts = [self.xapi.host.get_by_uuid(host["host_uuid"])
                      for host in pool.ready["hosts"]]
        self.urls = [host["url"] for host in pool.ready["hosts"]]
        self.srs = [self.xapi.SR.get_by_uuid(host["sr_uuid"]) for host in pool.ready["hosts"]]
        self.shared = self.xapi.SR.get_by_uuid(pool.ready["shared_sr_uuid"])

    def disk(self, sr: str, seed: str = "data") -> str:
        """A written VDI's uuid."""
        uuid = self.xapi.VDI.get_uuid(self.xapi.VDI.create(vdi_record(sr, SIZE)))
        self.control.guest_pattern(uuid, seed, WRITTEN)
        return uuid

    def query(self, vdi: str, **more: str) -> str:
        fields = {"session_id": self.session._session, "vdi": vdi, "format": "vhd", **more}
        return "&".join("%s=%s" % pair for pair in fields.items())

    def vm(self, uuid: str) -> str:
        vm = self.xapi.VM.create({"name_label": "vm", "memory_dynamic_max": str(MIB)})
        self.xapi.VBD.create({
            "VM": vm, "VDI": self.xapi.VDI.get_by_uuid(uuid), "userdevice": "0", "mode": "RW",
            "bootable": True, "type": "Disk", "empty": False, "other_config": {}})
        return vm

    def clean(self) -> None:
        self.control.clear_faults()
        for vm in self.xapi.VM.get_all():
            if not self.xapi.VM.get_is_control_domain(vm):
                if self.xapi.VM.get_power_state(vm) != "Halted":
                    self.xapi.VM.hard_shutdown(vm)
                self.xapi.VM.destroy(vm)
        for sr in [*self.srs, self.shared]:
            for vdi in self.xapi.SR.get_VDIs(sr):
                if self.xapi.VDI.get_managed(vdi):
                    assert wait_until(lambda: not self.xapi.VDI.get_VBDs(vdi))  # noqa: B023
                    self.xapi.VDI.destroy(vdi)
        for task in self.xapi.task.get_all():
            self.xapi.task.destroy(task)
        self.control.gc_run()
        self.session.xenapi.session.logout()


@pytest.fixture
def client(pool: SimulatedHost) -> Iterator[Client]:
    opened = Client(pool)
    yield opened
    opened.clean()


def export(client: Client, url: str, vdi: str, *options: str, **more: str) -> Any:
    return curl(*options, "%s/export_raw_vdi?%s" % (url, client.query(vdi, **more)))


def test_a_slave_takes_no_login_and_names_the_master(client: Client) -> None:
    for password in (PASSWORD, "guess"):  # it does not even look
        slave = XenAPI.Session(client.urls[1])
        with pytest.raises(XenAPI.Failure) as caught:
            # The package itself would go to the port of plain XAPI at the master's address.
            slave._login("login_with_password", ["root", password, "1.0", "tests"])
        assert caught.value.details == ["HOST_IS_SLAVE", "127.0.0.1"]


def test_a_slave_takes_no_calls_of_the_pools_sessions(
    pool: SimulatedHost, client: Client,
) -> None:
    import xmlrpc.client
    slave = xmlrpc.client.ServerProxy(client.urls[1])
    session = client.session._session
    assert slave.VDI.get_all(session) == {
        "Status": "Failure", "ErrorDescription": ["HOST_IS_SLAVE", "127.0.0.1"]}
    assert slave.VDI.get_all("OpaqueRef:gone")["ErrorDescription"] == [
        "SESSION_INVALID", "OpaqueRef:gone"]
    own = slave.session.slave_local_login_with_password("root", PASSWORD)["Value"]
    assert slave.host.get_all(own)["Status"] == "Success"
    assert raw_call(pool, "host.get_all", own)["ErrorDescription"][0] == "SESSION_INVALID"
    assert slave.session.local_logout(own)["Status"] == "Success"
    assert slave.host.get_all(own)["ErrorDescription"][0] == "SESSION_INVALID"


def test_the_master_knows_both_hosts_and_what_each_of_them_sees(client: Client) -> None:
    xapi = client.xapi
    assert set(xapi.host.get_all()) == set(client.hosts)
    [pool] = xapi.pool.get_all()
    assert xapi.pool.get_master(pool) == client.hosts[0]
    assert xapi.pool.get_default_SR(pool) == client.shared
    assert [xapi.host.get_address(host) for host in client.hosts] == ["127.0.0.1", "127.0.0.2"]
    assert [xapi.SR.get_type(sr) for sr in client.srs] == ["ext", "lvm"]
    for host, sr in zip(client.hosts, client.srs):
        [pbd] = xapi.SR.get_PBDs(sr)
        assert xapi.PBD.get_host(pbd) == host and xapi.SR.get_shared(sr) is False
        [pif] = xapi.PIF.get_all_records_where(
            'field "IP" = "%s"' % xapi.host.get_address(host)).values()
        assert pif["host"] == host
    assert xapi.SR.get_shared(client.shared) is True
    assert {xapi.PBD.get_host(pbd) for pbd in xapi.SR.get_PBDs(client.shared)} == (
        set(client.hosts))
    dom0s = [xapi.host.get_control_domain(host) for host in client.hosts]
    assert [xapi.VM.get_resident_on(dom0) for dom0 in dom0s] == client.hosts


@pytest.mark.parametrize(("asked", "sees"), [(0, 1), (1, 0)])
def test_a_host_that_does_not_see_the_sr_sends_the_client_to_one_that_does(
    client: Client, tmp_path: Path, asked: int, sees: int,
) -> None:
    uuid = client.disk(client.srs[sees])
    task = client.xapi.task.create("export", "")
    answer = export(client, client.urls[asked], uuid, task_id=task)
    [head, body] = responses(answer.stdout)
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 302 Found"
    assert "Location: %s/export_raw_vdi?%s" % (
        client.urls[sees], client.query(uuid, task_id=task)) in lines
    assert body == b""
    assert client.xapi.task.get_status(task) == "pending"  # the redirect does not touch it
    followed = export(client, client.urls[asked], uuid, "--location", task_id=task)
    assert followed.returncode == 0
    assert client.xapi.task.get_status(task) == "success"
    stream = responses(followed.stdout)[-1]
    assert raw_of_vhd(stream, tmp_path, SIZE) == client.control.guest_sha256(uuid)


def test_an_import_is_redirected_before_its_body_is_read(client: Client, tmp_path: Path) -> None:
    source, target = client.disk(client.srs[1]), client.disk(client.srs[1], "old")
    client.control.guest_write(target, 40 * MIB, b"stays")
    stream = responses(export(client, client.urls[1], source).stdout)[-1]
    (tmp_path / "disk").write_bytes(stream)
    asking = Connection(client.urls[0])
    asking.send("PUT /import_raw_vdi?%s HTTP/1.1" % client.query(target), "Host: x",
                "Content-Length: %d" % len(stream))
    assert asking.head().startswith("HTTP/1.1 302 Found")  # and not one byte was sent
    asking.close()
    task = client.xapi.task.create("import", "")
    done = curl("--location", "--upload-file", str(tmp_path / "disk"), "--expect100-timeout",
                "0.01", "%s/import_raw_vdi?%s" % (
                    client.urls[0], client.query(target, task_id=task)))
    assert b"HTTP/1.1 200 OK" in done.stdout
    assert wait_until(lambda: client.xapi.task.get_status(task) != "pending")
    record = client.xapi.task.get_record(task)
    assert record["status"] == "success"
    assert record["result"] == "<value>%s</value>" % client.xapi.VDI.get_by_uuid(target)
    assert client.control.guest_read(target, 40 * MIB, 5) == b"stays"
    assert client.control.guest_read(target, 0, 5 * MIB) == (
        client.control.guest_read(source, 0, 5 * MIB))


def test_a_new_disk_by_import_is_redirected_by_its_sr(client: Client) -> None:
    [head, _body] = responses(curl(
        "--request", "PUT", "%s/import_raw_vdi?session_id=%s&sr_id=%s" % (
            client.urls[0], client.session._session, client.srs[1])).stdout)
    assert b"302 Found" in head and client.urls[1].encode() in head


def test_basic_credentials_are_good_at_the_master_only(client: Client) -> None:
    uuid = client.disk(client.shared)
    heads = [responses(curl("--user", "root:" + PASSWORD, "--range", "0-0",
                            "%s/export_raw_vdi?vdi=%s&format=vhd" % (url, uuid)).stdout)[0]
             for url in client.urls]
    assert heads[0].startswith(b"HTTP/1.1 200 OK")
    assert heads[1].startswith(b"HTTP/1.1 401 ")


def test_what_one_host_writes_to_a_shared_sr_the_other_reads(
    client: Client, tmp_path: Path,
) -> None:
    source, target = client.disk(client.srs[0]), client.xapi.VDI.create(
        vdi_record(client.shared, SIZE))
    uuid = client.xapi.VDI.get_uuid(target)
    stream = responses(export(client, client.urls[0], source).stdout)[-1]
    (tmp_path / "disk").write_bytes(stream)
    done = curl("--upload-file", str(tmp_path / "disk"), "--expect100-timeout", "0.01",
                "%s/import_raw_vdi?%s" % (client.urls[1], client.query(uuid)))
    assert responses(done.stdout)[0].startswith(b"HTTP/1.1 200 OK")
    assert wait_until(lambda: client.xapi.VDI.get_VBDs(target) == [])
    digest = client.control.guest_sha256(source)
    for number, url in enumerate(client.urls):
        out = responses(export(client, url, uuid).stdout)[-1]
        assert raw_of_vhd(out, tmp_path, SIZE) == digest, number


def test_a_disk_that_is_written_on_one_host_is_refused_on_the_other(
    client: Client, tmp_path: Path,
) -> None:
    xapi, uuid = client.xapi, client.disk(client.shared)
    vdi, vm = xapi.VDI.get_by_uuid(uuid), client.vm(uuid)
    xapi.VM.start_on(vm, client.hosts[1], False, False)
    assert xapi.VM.get_resident_on(vm) == client.hosts[1]
    assert xapi.VDI.get_sm_config(vdi)["host_%s" % client.hosts[1]] == "RW"
    refused = ["SR_BACKEND_FAILURE_46", "",
               "The VDI is not available [opterr=VDI %s not detached cleanly]" % uuid, ""]
    for path, options in (("export", []), ("import", ["--request", "PUT"])):
        task = xapi.task.create(path, "")
        curl(*options, "%s/%s_raw_vdi?%s" % (
            client.urls[0], path, client.query(uuid, task_id=task)))
        assert wait_until(lambda: xapi.task.get_status(task) != "pending")  # noqa: B023
        assert xapi.task.get_error_info(task) == refused, path
    assert "host_%s" % client.hosts[0] not in xapi.VDI.get_sm_config(vdi)
    # Where it runs, the live disk can be read, and a snapshot of it anywhere.
    digest = client.control.guest_sha256(uuid)
    snapshot = xapi.VDI.get_uuid(xapi.VDI.snapshot(vdi))
    for url, exported in ((client.urls[1], uuid), *((url, snapshot) for url in client.urls)):
        stream = responses(export(client, url, exported).stdout)[-1]
        assert raw_of_vhd(stream, tmp_path, SIZE) == digest


def test_a_disk_that_is_read_on_one_host_cannot_be_written_on_the_other(client: Client) -> None:
    xapi, uuid = client.xapi, client.disk(client.shared)
    client.control.set_fault("hang", direction="export", after=4096)
    reading = Connection(client.urls[1])
    reading.send("GET /export_raw_vdi?%s HTTP/1.1" % client.query(uuid), "Host: x")
    reading.head()
    vdi = xapi.VDI.get_by_uuid(uuid)
    assert wait_until(
        lambda: xapi.VDI.get_sm_config(vdi).get("host_%s" % client.hosts[1]) == "RO")
    task = xapi.task.create("import", "")
    curl("--request", "PUT", "%s/import_raw_vdi?%s" % (
        client.urls[0], client.query(uuid, task_id=task)))
    assert wait_until(lambda: xapi.task.get_status(task) != "pending")
    assert xapi.task.get_error_info(task)[0] == "SR_BACKEND_FAILURE_46"
    client.control.clear_faults()
    reading.close()


def test_a_vm_starts_where_its_disks_are(client: Client) -> None:
    xapi = client.xapi
    for number, sr in enumerate(client.srs):
        vm = client.vm(client.disk(sr))
        assert failure(xapi.VM.start_on, vm, client.hosts[1 - number], False, False) == [
            "VM_REQUIRES_SR", vm, sr]
        xapi.VM.start(vm, False, False)
        assert xapi.VM.get_resident_on(vm) == client.hosts[number]
    shared = client.vm(client.disk(client.shared))
    xapi.VM.set_affinity(shared, client.hosts[1])
    xapi.VM.start(shared, False, False)
    assert xapi.VM.get_resident_on(shared) == client.hosts[1]
    split = client.vm(client.disk(client.srs[0]))
    xapi.VBD.create({
        "VM": split, "VDI": xapi.VDI.get_by_uuid(client.disk(client.srs[1])), "userdevice": "1",
        "mode": "RW", "bootable": False, "type": "Disk", "empty": False, "other_config": {}})
    assert failure(xapi.VM.start, split, False, False) == ["NO_HOSTS_AVAILABLE"]


def test_an_unplugged_host_redirects_and_without_any_host_there_is_no_way(
    client: Client,
) -> None:
    xapi, uuid = client.xapi, client.disk(client.shared)
    pbds: Dict[str, str] = {xapi.PBD.get_host(pbd): pbd
                            for pbd in xapi.SR.get_PBDs(client.shared)}
    first, second = (pbds[host] for host in client.hosts)
    xapi.PBD.unplug(first)
    [head, _body] = responses(export(client, client.urls[0], uuid).stdout)
    assert head.startswith(b"HTTP/1.1 302 Found")
    xapi.PBD.unplug(second)
    answer = responses(export(client, client.urls[0], uuid).stdout)
    assert answer[0].startswith(b"HTTP/1.1 500 ") and b"NO_HOSTS_AVAILABLE" in answer[-1]
    assert failure(xapi.VDI.snapshot, xapi.VDI.get_by_uuid(uuid)) == [
        "SR_HAS_NO_PBDS", client.shared]
    for pbd in (first, second):
        xapi.PBD.plug(pbd)
    assert responses(export(client, client.urls[0], uuid).stdout)[0].startswith(
        b"HTTP/1.1 200 OK")


def test_plugins_run_on_the_host_they_are_called_on(client: Client) -> None:
    names = [client.xapi.host.call_plugin(host, "xenhost.py", "host_data", {})
             for host in client.hosts]
    assert '"host_name-label": "xenserver"' in names[0]
    assert '"host_name-label": "second"' in names[1]


def test_a_pool_comes_back_and_a_host_left_out_is_down(tmp_path: Path) -> None:
    pool = SimulatedHost(tmp_path, "lvm", "--slave", "127.0.0.2,ext", "--shared-sr", "nfs")
    pool.start()
    before = Client(pool)
    uuid = before.disk(before.shared)
    digest = before.control.guest_sha256(uuid)
    vm = before.vm(uuid)
    before.xapi.VM.start_on(vm, before.hosts[1], False, False)
    pool.kill()
    pool.start()
    again = Client(pool)
    assert again.hosts == before.hosts and again.shared == before.shared
    vdi = again.xapi.VDI.get_by_uuid(uuid)
    assert again.xapi.VDI.get_sm_config(vdi)["host_%s" % again.hosts[1]] == "RW"
    assert again.control.guest_sha256(uuid) == digest
    again.xapi.VM.hard_shutdown(vm)
    assert pool.stop() == 0
    alone = SimulatedHost(tmp_path, "lvm")
    alone.start()
    left = Client(alone)
    metrics = [left.xapi.host.get_metrics(host) for host in before.hosts]
    assert [left.xapi.host_metrics.get_live(each) for each in metrics] == [True, False]
    assert failure(left.xapi.VM.start_on, vm, before.hosts[1], False, False) == [
        "HOST_OFFLINE", before.hosts[1]]
    assert alone.stop() == 0


def test_os_xenapi_finds_the_master_from_the_slave_and_moves_a_disk(
    client: Client, tmp_path: Path,
) -> None:
    pytest.importorskip("os_xenapi")
    uuid = client.disk(client.shared)
    done = subprocess.run(
        [sys.executable, str(_STREAM_IMAGES), client.urls[1], PASSWORD,
         client.pool.ready["shared_sr_uuid"], uuid, str(tmp_path / "image.tgz")],
        capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    copy = done.stdout.split()[-1]
    vdi = client.xapi.VDI.get_by_uuid(copy)
    assert wait_until(lambda: client.xapi.VDI.get_VBDs(vdi) == [])
    assert client.control.guest_sha256(copy) == client.control.guest_sha256(uuid)


def test_a_redirect_leads_to_tls_where_the_hosts_have_it(tmp_path: Path) -> None:
    _context, pem = certificates.make(tmp_path, ["127.0.0.1", "127.0.0.2"])
    pool = SimulatedHost(
        tmp_path / "pool", "ext", "--slave", "127.0.0.2", "--tls-cert", str(pem),
        "--tls-key", str(pem), "--tls-port", "0")
    pool.start()
    session = XenAPI.Session(pool.url)  # plain HTTP is there as well
    session.login_with_password("root", PASSWORD, "1.0", "tests")
    second = pool.ready["hosts"][1]
    sr = session.xenapi.SR.get_by_uuid(second["sr_uuid"])
    uuid = session.xenapi.VDI.get_uuid(session.xenapi.VDI.create(vdi_record(sr)))
    pool.control.guest_pattern(uuid, "data", [[0, MIB]])
    url = "%s/export_raw_vdi?session_id=%s&vdi=%s" % (pool.url, session._session, uuid)
    head = responses(curl(url).stdout)[0].decode()
    assert "Location: %s/export_raw_vdi?" % second["secure_url"] in head
    assert second["secure_url"].startswith("https://127.0.0.2:")
    done = curl("--location", "--cacert", str(pem), url)
    assert sha256(responses(done.stdout)[-1]) == pool.control.guest_sha256(uuid)
    assert curl("--location", url).returncode == 60  # the certificate is nobody's
    assert pool.stop() == 0
