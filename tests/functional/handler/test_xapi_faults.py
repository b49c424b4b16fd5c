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

"""Every way in which a host fails a job: told with its reason, and nothing is left anywhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Type

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import MIB, Bench, Host, eventually
from tests.functional.handler.wire import Wire
from tests.functional.simulator.process import SimulatedHost
from tests.unit.transfer import images


class Case(NamedTuple):
    fault: str
    args: Dict[str, Any]
    kind: Type[exceptions.SwiftVhdError]
    phrases: List[str]


_EXPORTS = {
    "cut at once": Case("export_cut", {"after": 0}, exceptions.TaskFailed, ["VDI_IO_ERROR"]),
    "cut in the middle": Case(
        "export_cut", {"after": 5 * MIB + 700}, exceptions.TaskFailed, ["VDI_IO_ERROR"]),
    "reset in the middle": Case(
        "export_cut", {"after": 5 * MIB, "reset": True}, exceptions.TaskFailed,
        ["VDI_IO_ERROR"]),
    "an error's text in the middle": Case(
        "export_garbage", {"after": 5 * MIB}, exceptions.TaskFailed, ["VDI_IO_ERROR"]),
    "an error's text after all data": Case(
        "export_garbage", {"after": None}, exceptions.TaskFailed, ["VDI_IO_ERROR"]),
    "its task fails after all data": Case(
        "task_fail_after_200", {"direction": "export", "code": "SR_BACKEND_FAILURE_46"},
        exceptions.TaskFailed, ["SR_BACKEND_FAILURE_46"]),
    "hangs": Case(
        "hang", {"direction": "export", "after": 3 * MIB}, exceptions.TransferCut,
        ["no byte passed", "for 2 s", "look at the host's load"]),
}


@pytest.mark.parametrize("name", list(_EXPORTS))
def test_an_export(bench: Bench, host: Host, name: str) -> None:
    case = _EXPORTS[name]
    snapshot = host.snapshot(host.disk())
    job = bench.snapshot_job(host, snapshot, idle_timeout=2.0)
    with bench.nothing_left(host):
        host.control.set_fault(case.fault, **case.args)
        bench.refuses(job, case.kind, "exporting VDI " + snapshot, *case.phrases)


_IMPORTS = {
    "cut in the middle": Case(
        "import_cut", {"after": 5 * MIB + 700}, exceptions.TaskFailed, ["VDI_IO_ERROR"]),
    "reset in the middle": Case(
        "import_cut", {"after": 5 * MIB, "reset": True}, exceptions.TaskFailed,
        ["VDI_IO_ERROR"]),
    "its task fails after all data": Case(
        "task_fail_after_200", {"direction": "import", "code": "SR_BACKEND_FAILURE_46"},
        exceptions.TaskFailed, ["SR_BACKEND_FAILURE_46"]),
    "lingers attached after a cut": Case(
        "import_cut", {"after": 5 * MIB}, exceptions.TaskFailed, ["VDI_IO_ERROR"]),
}


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A chain, so that a fault may strike when much has been written already."""
    return images.numbered(images.chain(2, block_size=2 * MIB, blocks=6).vhds)


@pytest.mark.parametrize("origin", ["ours", "foreign"])
@pytest.mark.parametrize("name", list(_IMPORTS))
def test_an_import(bench: Bench, host: Host, whole: bytes, name: str, origin: str) -> None:
    case = _IMPORTS[name]
    image_id = bench.stored(host)[0] if origin == "ours" else bench.uploaded(whole)
    with bench.nothing_left(host):
        host.control.set_fault(case.fault, **case.args)
        if "lingers" in name:
            host.control.set_fault("vbd_linger", seconds=3.0)
        bench.refuses(bench.boot_job(host, image_id), case.kind, "importing into VDI",
                      *case.phrases)


def test_an_import_that_hangs(bench: Bench, host: Host) -> None:
    # More than the sockets between take in by themselves.
    image_id = bench.store(host, host.disk(written=[[0, 40 * MIB]]))
    host.control.calls(clear=True)

    def recover() -> None:
        # Only a host that goes on lets go of the disk, which is waited for.
        eventually(lambda: "VDI.destroy" in host.control.calls())
        host.control.clear_faults()

    recovery = threading.Thread(target=recover)
    with bench.nothing_left(host):
        host.control.set_fault("hang", direction="import", after=3 * MIB)
        recovery.start()
        bench.refuses(bench.boot_job(host, image_id, idle_timeout=2.0), exceptions.TransferCut,
                      "importing into VDI", "no byte passed", "for 2 s")
        recovery.join()


@pytest.fixture(params=["ext", "lvm"])
def small(tmp_path: Path, request: Any) -> Iterator[Host]:
    """A host whose SR has no room for a disk of 41 MiB."""
    simulated = SimulatedHost(tmp_path / "small", request.param, "--sr-size", str(32 * MIB))
    simulated.start()
    try:
        yield Host(simulated, request.param)
    finally:
        assert simulated.stop() == 0, simulated.log()


def test_an_sr_without_room(bench: Bench, ext: Host, small: Host) -> None:
    image_id = bench.store(ext, ext.disk(written=[[0, 40 * MIB]]))
    with bench.nothing_left(small):
        small.control.calls(clear=True)
        bench.refuses(bench.boot_job(small, image_id), exceptions.SrFull,
                      "making a disk of .* with 20 blocks of data needs [0-9]+ bytes on SR",
                      "has [0-9]+ free; free or add space on the SR")
        assert "VDI.create" not in small.control.calls()


@pytest.mark.parametrize("small", ["ext"], indirect=True)
def test_an_sr_that_another_fills_meanwhile(bench: Bench, ext: Host, small: Host) -> None:
    image_id = bench.store(ext, ext.disk(written=[[0, 20 * MIB]]))
    other = small.disk(written=[])

    def fill(event: Dict[str, Any]) -> None:
        if event["event"] == "vdi":
            small.control.guest_pattern(other, "other", [[0, 20 * MIB]])
            small.control.clear_faults("hang")

    with bench.nothing_left(small):
        small.control.set_fault("hang", direction="import", after=4 * MIB)
        bench.refuses(bench.boot_job(small, image_id), exceptions.SrFull, "importing into VDI",
                      "bytes free", run=lambda job: process.run(job, fill))


def test_a_disk_that_cannot_be_made(bench: Bench, ext: Host) -> None:
    image_id, _sha256 = bench.stored(ext)
    with bench.nothing_left(ext):
        ext.control.set_fault("vdi_create_fail")
        bench.refuses(bench.boot_job(ext, image_id), exceptions.XapiError, "creating a VDI of",
                      "SR_BACKEND_FAILURE_78")


@pytest.mark.parametrize("origin", ["ours", "foreign"])
@pytest.mark.parametrize("method", ["VDI.create", "VDI.remove_from_other_config"])
def test_an_answer_about_a_disk_that_is_lost(bench: Bench, host: Host, whole: bytes, method: str,
                                             origin: str) -> None:
    image_id = bench.stored(host)[0] if origin == "ours" else bench.uploaded(whole)
    with bench.nothing_left(host):
        host.control.calls(clear=True)
        host.control.set_fault("answer_lost", method=method, times=1)
        bench.refuses(bench.boot_job(host, image_id), exceptions.XapiUnreachable,
                      "creating a VDI of|handing over VDI")
        assert host.control.calls().count("VDI.destroy") == 1


def test_a_disk_that_is_made_long_after_its_creation_was_given_up(bench: Bench,
                                                                  host: Host) -> None:
    image_id, _sha256 = bench.stored(host)
    job = bench.boot_job(host, image_id, call_timeout=2.0)
    with bench.nothing_left(host):
        host.control.calls(clear=True)
        host.control.set_fault("vdi_create_slow", seconds=3.5, times=1)
        bench.refuses(job, exceptions.XapiUnreachable, "creating a VDI of")
        assert host.control.calls().count("VDI.destroy") == 1


def test_a_disk_that_is_handed_over_says_nothing_of_its_transfer(bench: Bench,
                                                                 host: Host) -> None:
    image_id, _sha256 = bench.stored(host)
    result = process.run(bench.boot_job(host, image_id))
    assert host.record(result["vdi_uuid"])["other_config"] == {"nova_disk_type": "root"}


@pytest.mark.parametrize("what", ["snapshot", "boot"])
def test_a_login_that_is_refused(bench: Bench, ext: Host, what: str) -> None:
    if what == "boot":
        job: Any = bench.boot_job(ext, bench.uploaded(images.numbered(
            images.chain(1, block_size=2 * MIB, blocks=2).vhds)))
    else:
        job = bench.snapshot_job(ext, ext.snapshot(ext.disk()))
    with bench.nothing_left(ext):
        ext.control.set_fault("login_fail")
        bench.refuses(job, exceptions.XapiError, "logging in to .* as 'root'",
                      "SESSION_AUTHENTICATION_FAILED", "connection_password")


def test_a_snapshot_that_does_not_exist(bench: Bench, ext: Host) -> None:
    missing = "6f1c4b1e-0f7c-4c43-9a6b-1b1a5a6d7e8f"
    with bench.nothing_left(ext):
        bench.refuses(bench.snapshot_job(ext, missing), exceptions.RecordMissing,
                      "exporting VDI " + missing, "UUID_INVALID")


def test_an_sr_that_is_not_plugged(bench: Bench, ext: Host) -> None:
    image_id, _sha256 = bench.stored(ext)
    with bench.nothing_left(ext):
        ext.control.set_fault("rpc_fail", method="VDI.create", code="SR_BACKEND_FAILURE_47",
                              params=["", "The SR is not available", ""])
        bench.refuses(bench.boot_job(ext, image_id), exceptions.XapiError,
                      "creating a VDI of", "check that the SR is plugged")


@pytest.mark.parametrize("what", ["snapshot", "boot"])
def test_a_host_that_cannot_be_reached(bench: Bench, ext: Host, what: str) -> None:
    with Wire(ext.settings.url) as wire:
        if what == "boot":
            job: Any = bench.boot_job(ext, bench.stored(ext)[0], xapi=wire.url)
        else:
            job = bench.snapshot_job(ext, ext.snapshot(ext.disk()), xapi=wire.url)
        wire.down()
        with bench.nothing_left(ext):
            bench.refuses(job, exceptions.XapiUnreachable, "logging in to",
                          "check .xenserver. connection_url")


@pytest.mark.parametrize("small", ["ext"], indirect=True)
def test_a_host_that_is_restarted_in_the_middle_of_a_boot(bench: Bench, ext: Host,
                                                          small: Host) -> None:
    """Its toolstack may be at any time; then it refuses connections for a while."""
    image_id = bench.store(ext, ext.disk(written=[[0, 20 * MIB]]))
    restart = threading.Timer(4.0, small.simulated.start)

    def strike(event: Dict[str, Any]) -> None:
        if event["event"] == "progress" and not restart.is_alive():
            small.simulated.kill()
            restart.start()

    small.control.set_fault("rate", bytes_per_second=2 * MIB)
    bench.refuses(bench.boot_job(small, image_id), exceptions.TransferCut, "importing into VDI",
                  run=lambda job: process.run(job, strike))
    restart.join()
    assert small.vdis() == []


def test_a_transfer_that_takes_longer_than_allowed(bench: Bench, ext: Host) -> None:
    image_id, _sha256 = bench.stored(ext)
    snapshot = ext.snapshot(ext.disk())
    for job in (bench.boot_job(ext, image_id, timeout_in_all=1.0),
                bench.snapshot_job(ext, snapshot, timeout_in_all=1.0)):
        with bench.nothing_left(ext):
            ext.control.set_fault("rate", bytes_per_second=2 * MIB)
            bench.refuses(job, exceptions.TransferFailed, "given up", "after 1 s",
                          "transfer_timeout")


def test_a_session_that_expires_meanwhile_is_renewed(bench: Bench, host: Host) -> None:
    image_id, sha256 = bench.stored(host)
    job = bench.boot_job(host, image_id)
    expired: List[int] = []

    def expire(event: Dict[str, Any]) -> None:
        if event["event"] == "vdi" and not expired:
            expired.append(host.control.expire_sessions())

    result = process.run(job, expire)
    assert expired and expired[0] >= 1  # killed transfers leave theirs behind
    assert host.control.guest_sha256(result["vdi_uuid"]) == sha256
