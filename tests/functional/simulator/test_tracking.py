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

"""Changed block tracking: the logs, their chain, and snapshots of which only the log is left."""

from __future__ import annotations

import base64
from typing import Any, List, Set

import pytest

from tests.functional.simulator.conftest import vdi_record
from tests.functional.simulator.process import SimulatedHost, curl
from tests.functional.simulator.test_disks import clean, make_vm
from tests.functional.simulator.test_protocol import failure

KIB, MIB = 1 << 10, 1 << 20
SIZE = 64 * MIB


class Tracked:
    """A disk whose changes are logged."""

    def __init__(self, host: SimulatedHost, xapi: Any, sr: str):
        self.host, self.xapi, self.sr = host, xapi, sr
        self.ref = xapi.VDI.create(vdi_record(sr, SIZE))
        self.uuid = xapi.VDI.get_uuid(self.ref)
        xapi.VDI.enable_cbt(self.ref)

    def write(self, offset: int, length: int = 1) -> None:
        self.host.control.guest_write(self.uuid, offset, b"x" * length)

    def snapshot(self) -> str:
        return self.xapi.VDI.snapshot(self.ref)

    def changed(self, start: str, end: str) -> Set[int]:
        """Numbers of the 64 KiB blocks, block 0 being the top bit of the first byte."""
        bits = base64.b64decode(self.xapi.VDI.list_changed_blocks(start, end))
        assert len(bits) * 8 * 64 * KIB == int(self.xapi.VDI.get_virtual_size(end))
        return {8 * index + bit for index, byte in enumerate(bits) for bit in range(8)
                if byte & (0x80 >> bit)}


@pytest.fixture
def tracked(host: SimulatedHost, xapi: Any, sr: str) -> Any:
    yield Tracked(host, xapi, sr)
    clean(host, xapi, sr)


def test_what_was_written_between_two_snapshots_is_told(tracked: Tracked) -> None:
    first = tracked.snapshot()
    tracked.write(0)
    tracked.write(64 * KIB * 9 - 1, 2)  # across a border
    tracked.write(SIZE - 1)
    second = tracked.snapshot()
    assert tracked.changed(first, second) == {0, 8, 9, 1023}
    tracked.write(64 * KIB * 100, 64 * KIB)
    third = tracked.snapshot()
    assert tracked.changed(second, third) == {100}
    assert tracked.changed(first, third) == {0, 8, 9, 100, 1023}  # the union
    tracked.write(64 * KIB * 5)
    assert tracked.changed(third, tracked.ref) == {5}


def test_what_an_import_writes_is_told_too(tracked: Tracked, session: Any, tmp_path: Any) -> None:
    first = tracked.snapshot()
    (tmp_path / "data").write_bytes(b"y" * (3 * MIB))
    curl("--upload-file", str(tmp_path / "data"), "--expect100-timeout", "0.01",
         "%s/import_raw_vdi?session_id=%s&vdi=%s" % (
             tracked.host.url, session._session, tracked.ref))
    assert set(range(48)) <= tracked.changed(first, tracked.snapshot())


def test_a_disk_that_grew_has_a_longer_list(tracked: Tracked) -> None:
    first = tracked.snapshot()
    tracked.write(0)
    second = tracked.snapshot()
    tracked.xapi.VDI.resize(tracked.ref, str(2 * SIZE))
    tracked.write(2 * SIZE - 1)
    third = tracked.snapshot()
    assert tracked.changed(first, third) == {0, 2047}
    assert tracked.changed(second, third) == {2047}


def test_what_is_no_chain_is_refused(tracked: Tracked, sr: str) -> None:
    first = tracked.snapshot()
    second = tracked.snapshot()
    unrelated = Tracked(tracked.host, tracked.xapi, sr)
    clone = tracked.xapi.VDI.clone(first)
    for start, end in ((first, first), (second, first), (first, unrelated.ref), (first, clone)):
        error = failure(tracked.xapi.VDI.list_changed_blocks, start, end)
        assert error[0] == "SR_BACKEND_FAILURE_460", (start, end)
        assert "Failed to calculate changed blocks for given VDIs. [opterr=" in error[2]
    vm = make_vm(tracked.xapi, tracked.ref)
    tracked.xapi.VM.start(vm, False, False)
    assert failure(tracked.xapi.VDI.list_changed_blocks, first, tracked.ref) == [
        "VDI_IN_USE", tracked.ref, "list_changed_blocks"]


def test_a_snapshot_that_goes_leaves_its_log_to_the_next(tracked: Tracked) -> None:
    first = tracked.snapshot()
    tracked.write(0)
    middle = tracked.snapshot()
    tracked.write(64 * KIB)
    last = tracked.snapshot()
    tracked.xapi.VDI.destroy(middle)
    tracked.host.control.gc_run(tracked.host.ready["sr_uuid"])
    assert tracked.changed(first, last) == {0, 1}


def test_tracking_is_a_field_and_switched_by_verbs_alone(tracked: Tracked, xapi: Any) -> None:
    assert xapi.VDI.get_cbt_enabled(tracked.ref) is True
    xapi.VDI.enable_cbt(tracked.ref)  # again: nothing
    snapshot = tracked.snapshot()
    assert xapi.VDI.get_cbt_enabled(snapshot) is True
    assert xapi.VDI.get_cbt_enabled(xapi.VDI.clone(snapshot)) is False
    for verb in (xapi.VDI.enable_cbt, xapi.VDI.disable_cbt):
        assert failure(verb, snapshot) == [
            "OPERATION_NOT_ALLOWED", "VDI is a snapshot: %s" % snapshot]
    xapi.VDI.disable_cbt(tracked.ref)
    assert xapi.VDI.get_cbt_enabled(tracked.ref) is False
    assert failure(xapi.VDI.list_changed_blocks, snapshot, tracked.ref)[0] == (
        "SR_BACKEND_FAILURE_460")
    xapi.VDI.disable_cbt(tracked.ref)
    iso = xapi.SR.get_by_uuid(tracked.host.ready["iso_sr_uuid"])
    disc = xapi.VDI.create(vdi_record(iso, 12345))
    assert failure(xapi.VDI.enable_cbt, disc) == ["SR_OPERATION_NOT_SUPPORTED", iso]
    xapi.VDI.destroy(disc)


def test_a_snapshot_without_data_still_tells_what_changed(tracked: Tracked, xapi: Any) -> None:
    tracked.write(0)
    first = tracked.snapshot()
    tracked.write(64 * KIB * 3)
    second = tracked.snapshot()
    uuid, size = xapi.VDI.get_uuid(first), int(xapi.VDI.get_virtual_size(first))
    xapi.VDI.data_destroy(first)
    xapi.VDI.data_destroy(first)  # again: nothing
    record = xapi.VDI.get_record(first)
    assert (record["type"], record["uuid"]) == ("cbt_metadata", uuid)
    assert int(record["virtual_size"]) == size and record["cbt_enabled"] is True
    xapi.SR.scan(tracked.sr)
    tracked.host.control.gc_run(tracked.host.ready["sr_uuid"])
    assert xapi.VDI.get_by_uuid(uuid) == first
    assert tracked.changed(first, second) == {3}


def refusals(xapi: Any, metadata: str, sr: str) -> List[Any]:
    return [
        (xapi.VDI.snapshot, (metadata,)), (xapi.VDI.clone, (metadata,)),
        (xapi.VDI.copy, (metadata, sr)), (xapi.VDI.resize, (metadata, str(2 * SIZE))),
        (xapi.VDI.get_nbd_info, (metadata,)),
    ]


def test_what_has_no_data_can_do_nothing_else(tracked: Tracked, xapi: Any, session: Any) -> None:
    first = tracked.snapshot()
    tracked.write(0)
    second = tracked.snapshot()
    xapi.VDI.data_destroy(first)
    incompatible = ["VDI_INCOMPATIBLE_TYPE", first, "cbt_metadata"]
    for verb, arguments in refusals(xapi, first, tracked.sr):
        assert failure(verb, *arguments) == incompatible, verb
    with pytest.raises(Exception, match="VDI_INCOMPATIBLE_TYPE"):
        make_vm(xapi, first)
    task = xapi.task.create("export", "")
    curl("%s/export_raw_vdi?session_id=%s&format=vhd&vdi=%s&base=%s&task_id=%s" % (
        tracked.host.url, session._session, second, first, task))
    assert xapi.task.get_error_info(task) == incompatible  # it cannot be a base either
    xapi.task.destroy(task)
    xapi.VDI.destroy(first)
    assert failure(xapi.VDI.get_record, first)[0] == "HANDLE_INVALID"


def test_only_tracked_snapshots_that_nobody_uses_lose_their_data(
    tracked: Tracked, xapi: Any, sr: str,
) -> None:
    assert failure(xapi.VDI.data_destroy, tracked.ref) == [
        "OPERATION_NOT_ALLOWED", "VDI is not a snapshot: %s" % tracked.ref]
    plain = xapi.VDI.snapshot(xapi.VDI.create(vdi_record(sr)))
    assert failure(xapi.VDI.data_destroy, plain) == ["VDI_NO_CBT_METADATA", plain]
    used = tracked.snapshot()
    make_vm(xapi, used)
    assert failure(xapi.VDI.data_destroy, used) == ["VDI_IN_USE", used, "data_destroy"]
    assert xapi.VDI.get_type(used) == "user"


def test_a_tracked_disk_keeps_its_mode_at_boot(tracked: Tracked, xapi: Any) -> None:
    assert failure(xapi.VDI.set_on_boot, tracked.ref, "reset") == [
        "VDI_CBT_ENABLED", tracked.ref]
    xapi.VDI.disable_cbt(tracked.ref)
    xapi.VDI.set_on_boot(tracked.ref, "reset")
    for verb, arguments in ((xapi.VDI.snapshot, ()), (xapi.VDI.copy, (tracked.sr,)),
                            (xapi.VDI.enable_cbt, ())):
        assert failure(verb, tracked.ref, *arguments) == [
            "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]
    xapi.VDI.set_on_boot(tracked.ref, "persist")


def test_logs_survive_the_host(tmp_path: Any) -> None:
    import XenAPI

    from tests.functional.simulator.process import PASSWORD
    host = SimulatedHost(tmp_path, "lvm")
    host.start()
    session = XenAPI.Session(host.url)
    session.login_with_password("root", PASSWORD, "1.0", "tests")
    sr = session.xenapi.SR.get_by_uuid(host.ready["sr_uuid"])
    tracked = Tracked(host, session.xenapi, sr)
    first = tracked.snapshot()
    tracked.write(64 * KIB * 7)
    host.kill()
    host.start()
    tracked.host = host
    tracked.write(64 * KIB * 9)
    session.login_with_password("root", PASSWORD, "1.0", "tests")
    assert tracked.changed(first, tracked.snapshot()) == {7, 9}
    assert host.stop() == 0
