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

"""Every way a simulated host can fail a transfer: told clearly, and nothing left behind."""

from __future__ import annotations

import pathlib
import threading
from typing import Any, Callable, Iterator

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import export as exports
from nova_swift_handler.xapi import import_
from nova_swift_handler.xapi import session as sessions
from tests.functional.simulator.process import SimulatedHost

from .conftest import MIB, SIZE, Client, settings
from .test_round_trip import exported, pieces


@pytest.fixture
def source(client: Client) -> str:
    return client.written()


def read_all(client: Client, uuid: str, length: int) -> None:
    """Read as the product does: what is promised, a shortfall being told by the task."""
    with exports.Export(client.session, uuid) as export:
        got = export.read(length)
        if len(got) < length:
            raise export.failure() or AssertionError("a short export is called a success")
        export.finish()


@pytest.mark.parametrize("after", [0, 1000, 3 * MIB])
@pytest.mark.parametrize("reset", [False, True])
def test_an_export_cut_in_the_middle(client: Client, source: str, raises: Any, after: int,
                                     reset: bool) -> None:
    length = len(exported(client, source))
    client.control.set_fault("export_cut", after=after, reset=reset)
    with raises(exceptions.TaskFailed, f"exporting VDI {source} failed.*VDI_IO_ERROR", client):
        read_all(client, source, length)


@pytest.mark.parametrize("after", [0, 1000, 3 * MIB, None])
def test_an_export_that_ends_in_an_error_text(client: Client, source: str, raises: Any,
                                              after: Any) -> None:
    length = len(exported(client, source))
    client.control.set_fault("export_garbage", after=after)
    with raises(exceptions.TaskFailed, f"exporting VDI {source} failed.*VDI_IO_ERROR", client):
        read_all(client, source, length)


@pytest.mark.parametrize("code", ["VDI_IO_ERROR", "SR_BACKEND_FAILURE_46"])
def test_an_export_whose_task_fails_after_all_data(client: Client, source: str, raises: Any,
                                                   code: str) -> None:
    length = len(exported(client, source))
    client.control.set_fault("task_fail_after_200", direction="export", code=code)
    with raises(exceptions.TaskFailed, code, client):
        read_all(client, source, length)


@pytest.mark.parametrize("after", [0, 3 * MIB])
def test_an_export_that_hangs(connect: Callable[..., Client], host: SimulatedHost, raises: Any,
                              after: int) -> None:
    client = connect(host, idle_timeout=1)
    source = client.written()
    length = len(exported(client, source))
    client.control.set_fault("hang", direction="export", after=after)
    with raises(exceptions.TransferCut, "no byte passed.*for 1 s", client):
        read_all(client, source, length)


@pytest.mark.parametrize("after", [1000, 3 * MIB])
@pytest.mark.parametrize("reset", [False, True])
def test_an_import_cut_in_the_middle(client: Client, source: str, raises: Any, after: int,
                                     reset: bool) -> None:
    data = exported(client, source)
    client.control.set_fault("import_cut", after=after, reset=reset)
    target = client.disk()
    why = f"importing into VDI {target} failed.*VDI_IO_ERROR"
    with raises(exceptions.TaskFailed, why, client):
        import_.import_disk(client.session, target, len(data), pieces(data))
    disks.destroy_vdi(client.session, target, timeout=20)


def test_an_import_whose_task_fails_after_all_data(client: Client, source: str,
                                                   raises: Any) -> None:
    data = exported(client, source)
    client.control.set_fault("task_fail_after_200", direction="import",
                             code="SR_BACKEND_FAILURE_46", params=["", "not available", ""])
    with raises(exceptions.TaskFailed, "SR_BACKEND_FAILURE_46.*not available", client):
        import_.import_disk(client.session, client.disk(), len(data), pieces(data))


def test_an_import_that_hangs(connect: Callable[..., Client], host: SimulatedHost,
                              raises: Any) -> None:
    client = connect(host, idle_timeout=1)
    target = client.disk(512 * MIB)
    client.control.set_fault("hang", direction="import", after=MIB)
    with raises(exceptions.TransferCut, "no byte passed.*for 1 s", client):
        import_.import_disk(client.session, target, 512 * MIB,
                            (bytes(MIB) for _ in range(512)), fmt="raw")


def test_an_import_for_which_the_sr_has_no_room(client: Client, source: str,
                                                raises: Any) -> None:
    data = exported(client, source)
    target = client.disk()
    client.control.set_fault("sr_full", after=2 * MIB)
    with raises(exceptions.XapiError, f"importing into VDI {target} failed", client):
        import_.import_disk(client.session, target, len(data), pieces(data))


@pytest.fixture
def small(tmp_path: pathlib.Path, request: Any) -> Iterator[SimulatedHost]:
    """A host whose SR has 64 MiB, and keeps to it."""
    simulated = SimulatedHost(tmp_path, request.param, "--sr-size", str(64 * MIB))
    simulated.start()
    try:
        yield simulated
    finally:
        assert simulated.stop() == 0, simulated.log()


@pytest.mark.parametrize("small", ["ext"], indirect=True)
def test_a_file_sr_that_runs_full_is_told_as_full(
        small: SimulatedHost, connect: Callable[..., Client], raises: Any) -> None:
    client = connect(small)
    target = client.disk(128 * MIB)
    with raises(exceptions.SrFull, f"importing into VDI {target} failed.*bytes free", client):
        import_.import_disk(client.session, target, 128 * MIB,
                            (b"full" * (MIB // 4) for _ in range(128)), fmt="raw")
    disks.destroy_vdi(client.session, target, timeout=20)


@pytest.mark.parametrize("small", ["lvm"], indirect=True)
def test_a_volume_that_does_not_fit_is_told_as_full(
        small: SimulatedHost, connect: Callable[..., Client], raises: Any) -> None:
    client = connect(small)
    before = client.control.state()
    with raises(exceptions.SrFull, "creating a VDI of .* on SR .*SR_BACKEND_FAILURE_44", client):
        client.disk(128 * MIB)
    assert client.control.state() == before


def test_a_disk_that_cannot_be_made(client: Client, raises: Any) -> None:
    client.control.set_fault("vdi_create_fail")
    with raises(exceptions.XapiError, "SR_BACKEND_FAILURE_78", client):
        client.disk()


@pytest.mark.parametrize("fault", [("slow", {"seconds_per_mib": 0.02}),
                                   ("rate", {"bytes_per_second": 30 * MIB})])
def test_slow_is_no_fault(connect: Callable[..., Client], host: SimulatedHost,
                          fault: Any) -> None:
    client = connect(host, idle_timeout=2)
    source = client.written()
    client.control.set_fault(fault[0], **fault[1])
    data = exported(client, source)
    target = client.disk()
    import_.import_disk(client.session, target, len(data), pieces(data))
    assert client.control.guest_sha256(target) == client.control.guest_sha256(source)


def test_a_refused_login_says_what_to_check(client: Client, host: SimulatedHost,
                                            raises: Any) -> None:
    client.control.set_fault("login_fail")
    with raises(exceptions.XapiError, "connection_username", client), \
            sessions.Session(settings(host)):
        pass


def test_a_call_that_is_never_answered_ends(client: Client, raises: Any) -> None:
    client.control.set_fault("hang", direction="rpc", method="SR.scan")
    with raises(exceptions.XapiUnreachable, "SR.scan failed.*did not answer in time", client):
        client.session.call("SR.scan", client.sr, read_timeout=0.5)


def test_no_vhd_is_an_error_of_the_task(client: Client, raises: Any) -> None:
    junk = b"no VHD at all" * 100000
    with raises(exceptions.TaskFailed, "VDI_IO_ERROR", client):
        import_.import_disk(client.session, client.disk(), len(junk), pieces(junk))


def test_a_truncated_vhd_is_an_error_of_the_task(client: Client, source: str,
                                                 raises: Any) -> None:
    data = exported(client, source)[:-700]
    with raises(exceptions.TaskFailed, "VDI_IO_ERROR", client):
        import_.import_disk(client.session, client.disk(), len(data), pieces(data))


def test_a_source_that_breaks_leaves_a_disk_that_can_be_destroyed(client: Client,
                                                                  source: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield data[:3 * MIB]
        raise ZeroDivisionError

    data = exported(client, source)
    target = client.disk()
    client.control.set_fault("vbd_linger", seconds=1.5)
    with pytest.raises(ZeroDivisionError):
        import_.import_disk(client.session, target, len(data), chunks())
    disks.destroy_vdi(client.session, target, timeout=60)


def test_a_disk_is_destroyed_once_its_export_lets_go(client: Client, source: str) -> None:
    destroyer = threading.Thread(
        target=disks.destroy_vdi, args=(client.session, source), kwargs={"timeout": 60})
    with exports.Export(client.session, source) as export:
        export.read(100)
        destroyer.start()
        destroyer.join(1)
        assert destroyer.is_alive()
    destroyer.join(30)
    assert not destroyer.is_alive()
    with pytest.raises(exceptions.XapiError, match="UUID_INVALID"):
        disks.get_record(client.session, source)


def test_an_import_into_a_disk_that_is_being_exported(client: Client, source: str,
                                                      raises: Any) -> None:
    data = exported(client, source)
    before = client.control.guest_sha256(source)
    client.control.set_fault("rate", direction="export", bytes_per_second=2 * MIB)
    with exports.Export(client.session, source) as export:
        export.read(3000)
        with raises(exceptions.TaskFailed, f"importing into VDI {source} failed", client):
            import_.import_disk(client.session, source, len(data), pieces(data))
    assert client.control.guest_sha256(source) == before


@pytest.mark.parametrize("base", ["ffffffff-0000-4000-8000-000000000000", None])
def test_disks_that_do_not_exist(client: Client, source: str, raises: Any, base: Any) -> None:
    missing = "ffffffff-0000-4000-8000-000000000000"
    with raises(exceptions.XapiError, f"exporting VDI.*UUID_INVALID.*{missing}", client), \
            exports.Export(client.session, source if base else missing, base):
        pass
    with raises(exceptions.XapiError, f"importing into VDI {missing}.*UUID_INVALID", client):
        import_.import_disk(client.session, missing, 512, [bytes(512)])
    disks.destroy_vdi(client.session, missing)


def test_a_disk_larger_than_its_target_is_an_error(client: Client, source: str,
                                                   raises: Any) -> None:
    data = exported(client, source)
    with raises(exceptions.TaskFailed, "VDI_IO_ERROR", client):
        import_.import_disk(client.session, client.disk(SIZE // 2), len(data), pieces(data))
