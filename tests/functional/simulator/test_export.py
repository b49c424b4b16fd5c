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

"""GET /export_raw_vdi, by curl as it is and by a bare socket."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from tests.functional.simulator.process import PASSWORD, SimulatedHost, curl, responses
from tests.functional.simulator.test_protocol import failure
from tests.functional.simulator.transfers import (
    MIB,
    Connection,
    Mover,
    first,
    raw_of_vhd,
    sha256,
    wait_until,
)

EMPTY_10_MIB = 2048 + 512 + 512  # head, one BAT sector for 5 blocks, footer
BLOCK = 2 * MIB + 512


@pytest.fixture
def mover(host: SimulatedHost, session: Any) -> Mover:
    return Mover(host, session)


@pytest.fixture
def disk(host: SimulatedHost, mover: Mover, sr: str) -> Any:
    """The uuid of a disk with data in two of its five blocks."""
    uuid = mover.disk(sr)
    host.control.guest_pattern(uuid, "a", [[0, 4096], [9 * MIB, MIB]])
    yield uuid
    for ref in mover.xapi.SR.get_VDIs(sr):
        if mover.xapi.VDI.get_managed(ref):
            wait_until(lambda ref=ref: not mover.xapi.VDI.get_VBDs(ref))
            mover.xapi.VDI.destroy(ref)
    host.control.gc_run()


def test_an_export_is_the_disk_as_a_vhd(
    host: SimulatedHost, mover: Mover, disk: str, tmp_path: Path,
) -> None:
    done = mover.export("vdi=%s&format=vhd" % disk)
    assert done.exit_code == 0 and done.status == "HTTP/1.1 200 OK"
    assert len(done.body) == EMPTY_10_MIB + 2 * BLOCK
    assert raw_of_vhd(done.body, tmp_path, 10 * MIB) == host.control.guest_sha256(disk)
    assert (done.task["status"], done.task["result"], done.task["progress"]) == (
        "success", "", 1.0)
    assert done.task["allowed_operations"] == []


def test_the_head_says_nothing_of_a_length(mover: Mover, disk: str) -> None:
    done = mover.export("vdi=%s&format=VHD" % disk)
    assert first(done.heads, b"content-length") is None
    assert first(done.heads, b"transfer-encoding") is None
    assert re.fullmatch(rb"OpaqueRef:[0-9a-f-]{36}", first(done.heads, b"task-id"))
    assert first(done.heads, b"content-type") == b"application/vhd"
    assert disk.encode() + b".vhd" in first(done.heads, b"content-disposition")
    assert first(done.heads, b"connection") == b" close"


def test_every_export_has_a_uuid_of_its_own(mover: Mover, disk: str) -> None:
    uuids = {mover.export("vdi=%s&format=vhd" % disk).body[68:84] for _ in range(3)}
    assert len(uuids) == 3


def test_raw_is_the_default_and_is_the_whole_disk(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    done = mover.export("vdi=%s" % mover.xapi.VDI.get_by_uuid(disk))
    assert sha256(done.body) == host.control.guest_sha256(disk)
    assert first(done.heads, b"content-type") == b"application/octet-stream"


def test_a_delta_holds_what_either_chain_has_alone(
    host: SimulatedHost, mover: Mover, disk: str, sr: str,
) -> None:
    before = mover.xapi.VDI.get_uuid(mover.xapi.VDI.snapshot(mover.xapi.VDI.get_by_uuid(disk)))
    same = mover.export("vdi=%s&base=%s&format=vhd" % (disk, before))
    assert len(same.body) == EMPTY_10_MIB and same.task["status"] == "success"
    host.control.guest_write(disk, 4 * MIB, b"new")
    delta = mover.export("vdi=%s&base=%s&format=vhd" % (disk, before))
    assert len(delta.body) == EMPTY_10_MIB + BLOCK
    assert delta.body[60:64] == b"\0\0\0\4"  # a differencing disk
    backwards = mover.export("vdi=%s&base=%s&format=vhd" % (before, disk))
    assert len(backwards.body) == EMPTY_10_MIB + BLOCK
    stranger = mover.disk(sr)
    host.control.guest_write(stranger, 6 * MIB, b"x")
    unrelated = mover.export("vdi=%s&base=%s&format=vhd" % (disk, stranger))
    assert unrelated.task["status"] == "success"
    assert len(unrelated.body) == EMPTY_10_MIB + 4 * BLOCK


def test_basic_credentials_will_do(host: SimulatedHost, mover: Mover, disk: str) -> None:
    sessions = host.control.state()["session"]
    done = curl("--user", "root:" + PASSWORD,
                "%s/export_raw_vdi/?vdi=%s&format=vhd" % (host.url, disk))
    head, body = responses(done.stdout)
    assert head.startswith(b"HTTP/1.1 200 OK") and len(body) == EMPTY_10_MIB + 2 * BLOCK
    assert wait_until(lambda: host.control.state()["session"] == sessions)
    own_task = re.search(rb"task-id:(\S+)", head).group(1).decode()
    assert mover.xapi.task.get_status(own_task) == "success"
    mover.xapi.task.destroy(own_task)


@pytest.mark.parametrize("wrong", ["session", "password", "nothing"])
def test_who_is_nobody_is_refused_and_the_task_untouched(
    host: SimulatedHost, mover: Mover, disk: str, wrong: str,
) -> None:
    with mover.task() as task:
        query = "vdi=%s&task_id=%s" % (disk, task)
        options = {"session": ["--cookie", "session_id=OpaqueRef:wrong"],
                   "password": ["--user", "root:guess"], "nothing": []}[wrong]
        parts = responses(curl(*options, "%s/export_raw_vdi?%s" % (host.url, query)).stdout)
        assert parts[0].startswith(b"HTTP/1.1 401 Unauthorised")
        assert first(parts, b"www-authenticate") == b' Basic realm="get_export_raw_vdi"'
        assert mover.xapi.task.get_status(task) == "pending"


def test_the_cookies_session_wins_over_the_querys(mover: Mover, disk: str) -> None:
    done = mover.export("vdi=%s&session_id=OpaqueRef:wrong&format=vhd" % disk)
    assert done.status == "HTTP/1.1 200 OK"


def test_a_malformed_authorization_is_an_internal_error(host: SimulatedHost, disk: str) -> None:
    for text in ("Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"nocolon").decode()):
        done = curl("--header", "Authorization: " + text,
                    "%s/export_raw_vdi?vdi=%s" % (host.url, disk))
        assert responses(done.stdout)[0].startswith(b"HTTP/1.1 500 Internal Error")


@pytest.mark.parametrize("query", ["vdi=gone", "format=vhd"])
def test_an_unknown_disk_looks_like_a_missing_permission(mover: Mover, query: str) -> None:
    done = mover.export(query)
    assert done.status == "HTTP/1.1 500 Internal Error"
    name = "gone" if "gone" in query else ""
    assert done.error == ["RBAC_PERMISSION_DENIED", "http/get_export_raw_vdi",
                          "UUID_INVALID: [ VDI; %s ]" % name]


def test_an_unknown_format_is_refused_before_the_200(mover: Mover, disk: str) -> None:
    done = mover.export("vdi=%s&format=vmdk" % disk)
    assert done.status.startswith("HTTP/1.0 404") and done.body == b""
    assert done.error == ["INTERNAL_ERROR", "Unknown format vmdk"]


def test_what_fails_after_the_200_ends_in_the_body(mover: Mover, disk: str) -> None:
    mover.xapi.VDI.snapshot(mover.xapi.VDI.get_by_uuid(disk))
    base = mover.xapi.VDI.get_sm_config(mover.xapi.VDI.get_by_uuid(disk))["vhd-parent"]
    for query, error in (
            ("vdi=%s&format=vhd" % base,
             ["VDI_NOT_MANAGED", mover.xapi.VDI.get_by_uuid(base)]),
            ("vdi=%s&base=gone&format=vhd" % disk, ["UUID_INVALID", "VDI", "gone"])):
        done = mover.export(query)
        assert done.status == "HTTP/1.1 200 OK"
        assert done.heads[1].startswith(b"HTTP/1.1 500 Internal Error")
        assert error[0].encode() in done.body
        assert done.error == error


def test_the_disk_is_plugged_into_dom0_meanwhile(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    host.control.set_fault("hang", direction="export", after=100)
    xapi, vdi = mover.xapi, mover.xapi.VDI.get_by_uuid(disk)
    with mover.task() as task:
        client = Connection(host.url)
        client.send("GET /export_raw_vdi?vdi=%s&format=vhd HTTP/1.0" % disk,
                    "Cookie: " + mover.cookie(task))
        assert wait_until(lambda: host.control.state()["dom0_VBD"] == 1)
        [vbd] = xapi.VDI.get_VBDs(vdi)
        record = xapi.VBD.get_record(vbd)
        assert record["currently_attached"] and record["mode"] == "RO"
        assert xapi.VM.get_is_control_domain(record["VM"])
        assert failure(xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
        assert failure(xapi.VDI.resize, vdi, str(20 * MIB))[0] == "VDI_IN_USE"
        xapi.VDI.destroy(xapi.VDI.snapshot(vdi))
        assert xapi.task.get_status(task) == "pending"
        host.control.clear_faults()
        received = client.socket.makefile("rb").read()
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")  # whatever version was asked with
        assert mover.settled(task)["status"] == "success"
        assert xapi.VDI.get_VBDs(vdi) == []


def test_the_base_of_a_delta_is_plugged_as_well(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    base = mover.xapi.VDI.snapshot(mover.xapi.VDI.get_by_uuid(disk))
    host.control.set_fault("hang", direction="export", after=100)
    with mover.task() as task:
        client = Connection(host.url)
        client.send("GET /export_raw_vdi?vdi=%s&format=vhd&base=%s HTTP/1.1" % (disk, base),
                    "Cookie: " + mover.cookie(task))
        assert wait_until(lambda: host.control.state()["dom0_VBD"] == 2)
        assert failure(mover.xapi.VDI.destroy, base) == ["VDI_IN_USE", base, "destroy"]
        host.control.clear_faults()
        client.socket.makefile("rb").read()
        assert mover.settled(task)["status"] == "success"


def test_a_client_that_leaves_fails_the_task_and_the_vbd_lingers(
    host: SimulatedHost, mover: Mover, sr: str, disk: str,
) -> None:
    large = mover.disk(sr, 64 * MIB)
    host.control.guest_pattern(large, "b", [[0, 64 * MIB]])
    host.control.set_fault("vbd_linger", seconds=1.0, times=1)
    with mover.task() as task:
        client = Connection(host.url)
        client.send("GET /export_raw_vdi?vdi=%s&format=vhd HTTP/1.1" % large,
                    "Cookie: " + mover.cookie(task))
        assert client.socket.recv(1000)
        client.close()
        # The fault is used up once the host has noticed; from then on the VBD lingers.
        assert wait_until(lambda: not host.control.faults())
        vdi = mover.xapi.VDI.get_by_uuid(large)
        assert failure(mover.xapi.VDI.destroy, vdi) == ["VDI_IN_USE", vdi, "destroy"]
        assert wait_until(lambda: not mover.xapi.VDI.get_VBDs(vdi))
        assert mover.settled(task)["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]


def test_a_cut_export_ends_short_without_a_word(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    host.control.set_fault("export_cut", after=1000, times=1)
    done = mover.export("vdi=%s&format=vhd" % disk)
    assert done.exit_code == 0  # curl cannot know
    assert len(done.heads) == 1 and len(done.body) == 1000
    assert done.error == ["VDI_IO_ERROR", "Device I/O errors"]
    assert mover.export("vdi=%s&format=vhd" % disk).task["status"] == "success"


def test_a_reset_export_breaks_the_connection(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    host.control.set_fault("export_cut", after=1000, reset=True)
    done = mover.export("vdi=%s&format=vhd" % disk)
    assert done.exit_code == 56  # CURLE_RECV_ERROR
    assert done.error[0] == "VDI_IO_ERROR"


def test_garbage_follows_the_data(host: SimulatedHost, mover: Mover, disk: str) -> None:
    whole = mover.export("vdi=%s&format=vhd" % disk).body
    for after in (None, 5000):
        host.control.set_fault("export_garbage", after=after)
        done = mover.export("vdi=%s&format=vhd" % disk)
        length = len(whole) if after is None else after
        assert done.body[length:].startswith(b"HTTP/1.1 500 Internal Error\r\n")
        assert len(done.body) > length and done.exit_code == 0
        assert done.error[0] == "VDI_IO_ERROR"


def test_a_task_can_fail_although_all_data_came(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    host.control.set_fault("task_fail_after_200", direction="export", code="X", params=["y"])
    done = mover.export("vdi=%s&format=vhd" % disk)
    assert len(done.body) == EMPTY_10_MIB + 2 * BLOCK and len(done.heads) == 1
    assert done.error == ["X", "y"]


def test_a_fault_meant_for_another_disk_does_nothing(
    host: SimulatedHost, mover: Mover, disk: str,
) -> None:
    host.control.set_fault("export_cut", after=0, vdi="another")
    assert mover.export("vdi=%s&format=vhd" % disk).task["status"] == "success"
    assert "export_cut" in host.control.faults()


def test_a_capped_rate_is_kept(host: SimulatedHost, mover: Mover, disk: str) -> None:
    host.control.set_fault("rate", bytes_per_second=8 * MIB)
    host.control.set_fault("slow", seconds_per_mib=0.01)
    done = mover.export("vdi=%s&format=vhd" % disk)
    assert done.task["status"] == "success" and len(done.body) == EMPTY_10_MIB + 2 * BLOCK
