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

"""PUT /import_raw_vdi, by curl as it is and by a bare socket."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from nova_swift_handler.sandbox.xapi.control import pattern
from tests.functional.simulator.process import SimulatedHost, curl, responses
from tests.functional.simulator.test_protocol import failure
from tests.functional.simulator.transfers import (
    MIB,
    Connection,
    Mover,
    first,
    sha256,
    vhd_of_raw,
    wait_until,
)

SIZE = 10 * MIB
IO_ERROR = ["VDI_IO_ERROR", "Device I/O errors"]
#: Where the bitmap of the first block stands in the export of a 10 MiB disk.
FIRST_BITMAP = 2048 + 512


@pytest.fixture
def mover(host: SimulatedHost, session: Any) -> Mover:
    return Mover(host, session)


@pytest.fixture
def target(host: SimulatedHost, mover: Mover, sr: str) -> Any:
    """The uuid of an empty disk of five blocks."""
    yield mover.disk(sr)
    host.control.clear_faults()
    for ref in mover.xapi.SR.get_VDIs(sr):
        if mover.xapi.VDI.get_managed(ref):
            wait_until(lambda ref=ref: not mover.xapi.VDI.get_VBDs(ref))
            mover.xapi.VDI.destroy(ref)
    host.control.gc_run()


@pytest.fixture
def stream(host: SimulatedHost, mover: Mover, sr: str) -> bytes:
    """A VHD with data in its first and last block."""
    uuid = mover.disk(sr)
    host.control.guest_pattern(uuid, "s", [[0, 2 * MIB], [8 * MIB, MIB]])
    return mover.export("vdi=%s&format=vhd" % uuid).body


def content() -> bytes:
    return pattern("s", 0, 2 * MIB) + bytes(6 * MIB) + pattern("s", 8 * MIB, MIB) + bytes(MIB)


def test_an_import_writes_the_disk_and_names_it_in_the_task(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes, tmp_path: Path,
) -> None:
    done = mover.import_("vdi=%s&format=vhd" % target, stream, tmp_path, expect="1")
    assert [head.split(b"\r\n")[0] for head in done.heads] == [b"HTTP/1.1 200 OK"]
    assert first(done.heads, b"content-length") is None
    assert done.body == b""
    assert done.task["status"] == "success" and done.task["progress"] == 1.0
    assert done.task["result"] == (
        "<value>%s</value>" % mover.xapi.VDI.get_by_uuid(target))
    assert host.control.guest_sha256(target) == sha256(content())


def test_a_vhd_of_qemu_is_as_good(
    host: SimulatedHost, mover: Mover, target: str, tmp_path: Path,
) -> None:
    done = mover.import_("vdi=%s&format=vhd" % target, vhd_of_raw(content(), tmp_path), tmp_path)
    assert done.task["status"] == "success"
    assert host.control.guest_sha256(target) == sha256(content())


def test_the_answer_comes_before_the_body(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes,
) -> None:
    with mover.task() as task:
        client = Connection(host.url)
        client.send("PUT /import_raw_vdi?vdi=%s&format=vhd HTTP/1.1" % target,
                    "Content-Length: %d" % len(stream), "Cookie: " + mover.cookie(task))
        assert client.socket.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        assert mover.xapi.task.get_status(task) == "pending"
        client.socket.sendall(stream)
        client.socket.makefile("rb").read()
        assert mover.xapi.task.get_status(task) == "success"


def test_a_delta_goes_on_top_of_what_is_there(
    host: SimulatedHost, mover: Mover, target: str, sr: str, tmp_path: Path,
) -> None:
    source = mover.disk(sr)
    host.control.guest_pattern(source, "a", [[0, SIZE]])
    full = mover.export("vdi=%s&format=vhd" % source).body
    before = mover.xapi.VDI.get_uuid(
        mover.xapi.VDI.snapshot(mover.xapi.VDI.get_by_uuid(source)))
    host.control.guest_pattern(source, "b", [[5 * MIB, 100]])
    delta = mover.export("vdi=%s&base=%s&format=vhd" % (source, before)).body
    assert len(delta) < len(full)
    for data in (full, delta):
        assert mover.import_(
            "vdi=%s&format=vhd" % target, data, tmp_path).task["status"] == "success"
    assert host.control.guest_sha256(target) == host.control.guest_sha256(source)


def test_bitmaps_are_honoured_to_the_sector(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes, tmp_path: Path,
) -> None:
    host.control.guest_pattern(target, "old", [[0, SIZE]])
    partial = bytearray(stream)
    # Of the first block only sectors 0 and 9 count: bits from the top of each byte.
    partial[FIRST_BITMAP:FIRST_BITMAP + 512] = b"\x80\x40" + bytes(510)
    assert mover.import_(
        "vdi=%s&format=vhd" % target, bytes(partial), tmp_path).task["status"] == "success"
    expected = bytearray(pattern("old", 0, SIZE))
    expected[0:512] = pattern("s", 0, 512)
    expected[9 * 512:10 * 512] = pattern("s", 9 * 512, 512)
    expected[8 * MIB:10 * MIB] = content()[8 * MIB:]
    assert host.control.guest_sha256(target) == sha256(bytes(expected))


def test_raw_data_are_written_as_they_are(
    host: SimulatedHost, mover: Mover, target: str, tmp_path: Path,
) -> None:
    host.control.guest_pattern(target, "old", [[0, SIZE]])
    done = mover.import_("vdi=%s" % target, content()[:9 * MIB], tmp_path)
    assert done.task["status"] == "success"
    assert host.control.guest_sha256(target) == sha256(
        content()[:9 * MIB] + pattern("old", 9 * MIB, MIB))


def test_raw_data_without_a_disk_make_one(
    host: SimulatedHost, mover: Mover, target: str, tmp_path: Path,
) -> None:
    done = mover.import_("sr_uuid=%s" % host.ready["sr_uuid"], content(), tmp_path)
    ref = done.task["result"].replace("<value>", "").replace("</value>", "")
    record = mover.xapi.VDI.get_record(ref)
    assert record["name_label"] == "Imported VDI" and record["virtual_size"] == str(SIZE)
    assert host.control.guest_sha256(record["uuid"]) == sha256(content())


def test_frames_are_xapis_own_chunks(
    host: SimulatedHost, mover: Mover, target: str, tmp_path: Path,
) -> None:
    frames = b"".join(
        struct.pack("<QI", offset, len(data)) + data
        for offset, data in ((4 * MIB, b"x" * 1024), (0, b"y" * 512))) + bytes(12)
    done = mover.import_("vdi=%s&chunked=false" % target, frames, tmp_path)
    assert done.task["status"] == "success"
    assert host.control.guest_read(target, 4 * MIB, 1024) == b"x" * 1024
    assert host.control.guest_read(target, 0, 513) == b"y" * 512 + b"\0"


@pytest.mark.parametrize(("query", "options", "status", "error"), [
    ("vdi=%s&format=vmdk", [], "HTTP/1.0 404", ["INTERNAL_ERROR", "Unknown format vmdk"]),
    ("vdi=%s&format=vhd&chunked=1", [], "HTTP/1.0 404",
     ["INTERNAL_ERROR", "Cannot handle chunked VHD"]),
    ("vdi=%s&format=vhd", ["--header", "Transfer-Encoding: chunked"], "HTTP/1.0 404",
     ["INTERNAL_ERROR", "Cannot handle encoding: chunked"]),
    ("sr_uuid=%sr&format=vhd", [], "HTTP/1.0 400",
     ["INTERNAL_ERROR", "Importing a VHD directly into an SR not yet supported"]),
    ("format=vhd", [], "HTTP/1.1 400", ["VDI_MISSING"]),
    ("vdi=gone", [], "HTTP/1.1 500",
     ["RBAC_PERMISSION_DENIED", "http/put_import_raw_vdi", "UUID_INVALID: [ VDI; gone ]"]),
])
def test_what_cannot_be_served_is_refused_before_the_200(
    mover: Mover, target: str, tmp_path: Path, query: str, options: Any, status: str, error: Any,
) -> None:
    query = query.replace("%sr", mover.host.ready["sr_uuid"]).replace("%s", target)
    done = mover.import_(query, b"x" * 1000, tmp_path, *options)
    assert done.status.startswith(status)
    if not status.endswith("500"):
        assert done.body == b""
    assert done.error == error


def test_a_bad_session_is_refused_and_the_task_untouched(
    host: SimulatedHost, mover: Mover, target: str, tmp_path: Path,
) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with mover.task() as task:
        done = curl("--upload-file", str(tmp_path / "x"), "--cookie", "session_id=wrong",
                    "%s/import_raw_vdi?vdi=%s&task_id=%s" % (host.url, target, task))
        heads = responses(done.stdout)
        assert heads[0].startswith(b"HTTP/1.1 401 Unauthorised")
        assert first(heads, b"www-authenticate") == b' Basic realm="put_import_raw_vdi"'
        assert mover.xapi.task.get_status(task) == "pending"


def broken(stream: bytes, how: str) -> bytes:
    changed = bytearray(stream)
    if how == "no vhd":
        return b"x" * len(stream)
    if how == "truncated":
        return stream[:len(stream) // 2]
    if how == "footer checksum":
        changed[68] ^= 1
    if how == "header checksum":
        changed[512 + 40] ^= 1
    if how == "trailing footer":
        changed[-512] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "how", ["no vhd", "truncated", "footer checksum", "header checksum", "trailing footer"])
def test_a_broken_vhd_fails_after_the_200(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes, tmp_path: Path, how: str,
) -> None:
    done = mover.import_("vdi=%s&format=vhd" % target, broken(stream, how), tmp_path)
    assert [head.split(b"\r\n")[0] for head in done.heads] == [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 500 Internal Error"]
    assert done.error == IO_ERROR
    assert wait_until(lambda: host.control.state()["dom0_VBD"] == 0)


def test_a_larger_vhd_fails_only_at_a_block_beyond_the_end(
    host: SimulatedHost, mover: Mover, target: str, sr: str, stream: bytes, tmp_path: Path,
) -> None:
    small = mover.disk(sr, 4 * MIB)
    done = mover.import_("vdi=%s&format=vhd" % small, stream, tmp_path)
    assert done.error == IO_ERROR
    assert host.control.guest_read(small, 0, 4096) == pattern("s", 0, 4096)  # no rollback


def test_a_read_only_disk_is_refused_after_the_200(
    mover: Mover, target: str, stream: bytes, tmp_path: Path,
) -> None:
    vdi = mover.xapi.VDI.get_by_uuid(target)
    mover.xapi.VDI.set_read_only(vdi, True)
    done = mover.import_("vdi=%s&format=vhd" % target, stream, tmp_path)
    assert done.status == "HTTP/1.1 200 OK"
    assert done.error == ["VDI_READONLY", vdi]


def test_a_disk_being_exported_cannot_be_imported_into(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes, tmp_path: Path,
) -> None:
    host.control.set_fault("hang", direction="export", after=10)
    with mover.task() as task:
        client = Connection(host.url)
        client.send("GET /export_raw_vdi?vdi=%s HTTP/1.1" % target,
                    "Cookie: " + mover.cookie(task))
        assert wait_until(lambda: host.control.state()["dom0_VBD"] == 1)
        done = mover.import_("vdi=%s&format=vhd" % target, stream, tmp_path)
        assert done.error[0] == "INTERNAL_ERROR" and "Illegal_transition" in done.error[1]
        host.control.clear_faults()
        client.socket.makefile("rb").read()
        mover.settled(task)


def test_a_client_that_leaves_fails_the_task_and_the_data_stay(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes,
) -> None:
    host.control.set_fault("vbd_linger", seconds=1.0, times=1)
    vdi = mover.xapi.VDI.get_by_uuid(target)
    with mover.task() as task:
        client = Connection(host.url)
        client.send("PUT /import_raw_vdi?vdi=%s&format=vhd HTTP/1.1" % target,
                    "Content-Length: %d" % len(stream), "Cookie: " + mover.cookie(task))
        # Closing with something unread would reset the connection and take data along.
        assert client.head().startswith("HTTP/1.1 200 OK")
        client.socket.sendall(stream[:FIRST_BITMAP + 512 + 2 * MIB])
        client.close()
        assert wait_until(lambda: not host.control.faults())
        assert failure(mover.xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
        assert wait_until(lambda: not mover.xapi.VDI.get_VBDs(vdi))
        assert mover.settled(task)["error_info"] == IO_ERROR
    assert host.control.guest_read(target, 0, 4096) == pattern("s", 0, 4096)


def test_a_task_can_fail_although_all_was_written(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes, tmp_path: Path,
) -> None:
    host.control.set_fault("task_fail_after_200", direction="import", times=1)
    done = mover.import_("vdi=%s&format=vhd" % target, stream, tmp_path)
    assert len(done.heads) == 3 and done.error == IO_ERROR
    assert host.control.guest_sha256(target) == sha256(content())
    assert mover.import_(
        "vdi=%s&format=vhd" % target, stream, tmp_path).task["status"] == "success"


@pytest.mark.parametrize("fault", [
    ("import_cut", {"after": 3 * MIB}), ("import_cut", {"after": 3 * MIB, "reset": True}),
    ("sr_full", {"after": 3 * MIB})])
def test_an_import_is_stopped_in_the_middle(
    host: SimulatedHost, mover: Mover, target: str, stream: bytes, tmp_path: Path, fault: Any,
) -> None:
    name, arguments = fault
    host.control.set_fault(name, **arguments)
    done = mover.import_("vdi=%s&format=vhd" % target, stream, tmp_path)
    assert done.error == IO_ERROR
    assert len(done.heads) == (3 if name == "sr_full" else 1)
    assert host.control.guest_sha256(target) != sha256(content())


def test_a_disc_can_be_uploaded_into_an_iso_sr(
    host: SimulatedHost, mover: Mover, target: str, tmp_path: Path,
) -> None:
    iso_sr = mover.xapi.SR.get_by_uuid(host.ready["iso_sr_uuid"])
    disc = pattern("iso", 0, 3 * MIB + 2048)
    uuid = mover.disk(iso_sr, len(disc), sm_config={"path": "disc.iso"})
    done = mover.import_("vdi=%s&format=raw" % uuid, disc, tmp_path)
    assert done.task["status"] == "success"
    assert host.control.guest_sha256(uuid) == sha256(disc)
    assert mover.export("vdi=%s" % uuid).body == disc
    mover.xapi.VDI.destroy(mover.xapi.VDI.get_by_uuid(uuid))
