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

"""Disks out of and into simulated hosts, bit for bit."""

from __future__ import annotations

import io
from typing import Callable, Iterator, List, Optional

import pytest

from nova_swift_handler.vhd.reader import StreamReader
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import export as exports
from nova_swift_handler.xapi import import_, repository, sizes
from tests.functional.simulator.process import SimulatedHost

from .conftest import MIB, SIZE, WRITTEN, Client

TABLES = 2048 + 512
"""Bytes before the first block of an exported VHD of SIZE: its BAT fits in a sector (f.ml)."""


def exported(client: Client, uuid: str, base: Optional[str] = None, fmt: str = "vhd",
             length: Optional[int] = None) -> bytes:
    """Export a VDI, reading what its tables promise, or ``length`` bytes."""
    with exports.Export(client.session, uuid, base, fmt) as export:
        if length is None:
            tables = export.read(TABLES)
            data = tables + export.read(StreamReader(io.BytesIO(tables)).end + 512 - TABLES)
        else:
            data = export.read(length)
        assert export.position == len(data)
        export.finish()
    return data


def pieces(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 1234567):
        yield data[at:at + 1234567]


def test_a_disk_goes_from_one_sr_type_to_the_other(
        client: Client, connect: Callable[..., Client], other: SimulatedHost) -> None:
    uuid = client.written()
    data = exported(client, uuid)
    seen: List[int] = []
    there = connect(other)
    copy = there.disk()
    import_.import_disk(there.session, copy, len(data), pieces(data), progress=seen.append)
    assert there.control.guest_sha256(copy) == client.control.guest_sha256(uuid)
    assert seen[-1] == len(data)


def test_an_empty_disk_is_exported_as_its_tables_only(client: Client) -> None:
    assert len(exported(client, client.disk())) == TABLES + 512


def test_a_snapshot_is_exported_as_it_was_while_the_guest_goes_on(client: Client) -> None:
    uuid = client.written()
    snapshot = client.snapshot(uuid)
    before = client.control.guest_sha256(uuid)
    client.control.guest_pattern(uuid, "second", [[3 * MIB, 10 * MIB]])
    data = exported(client, snapshot)
    copy = client.disk()
    import_.import_disk(client.session, copy, len(data), [data])
    assert client.control.guest_sha256(copy) == before


def test_differences_are_applied_on_top(client: Client) -> None:
    uuid = client.written()
    first = client.snapshot(uuid)
    client.control.guest_pattern(uuid, "second", [[3 * MIB + 512, 3 * MIB], [30 * MIB, 512]])
    second = client.snapshot(uuid)
    full, delta = exported(client, first), exported(client, second, base=first)
    assert len(delta) < len(full)
    copy = client.disk()
    for data in (full, delta):
        import_.import_disk(client.session, copy, len(data), pieces(data))
    assert client.control.guest_sha256(copy) == client.control.guest_sha256(second)


def test_a_raw_disk_goes_round(client: Client) -> None:
    uuid = client.written()
    data = exported(client, uuid, fmt="raw", length=SIZE)
    copy = client.disk()
    import_.import_disk(client.session, copy, SIZE, pieces(data), fmt="raw")
    assert client.control.guest_sha256(copy) == client.control.guest_sha256(uuid)


def test_a_session_may_expire_in_mid_transfer(client: Client) -> None:
    uuid = client.written()
    first, _ = client.session.credentials()
    copy = client.disk()
    data = exported(client, uuid)

    def chunks() -> Iterator[bytes]:
        for piece in pieces(data):
            client.control.expire_sessions()
            yield piece

    import_.import_disk(client.session, copy, len(data), chunks())
    assert client.control.guest_sha256(copy) == client.control.guest_sha256(uuid)
    assert client.session.credentials()[0] != first


@pytest.mark.parametrize("size", [1, 2 * MIB, 8 * 1024 ** 3 + 1])
def test_sizes_are_rounded_up_and_told(client: Client, size: int) -> None:
    uuid = client.disk(size)
    assert disks.virtual_size(client.session, uuid) == -(-size // (2 * MIB)) * 2 * MIB


def test_an_sr_tells_its_type_and_what_is_free(client: Client, host: SimulatedHost) -> None:
    before = repository.measure(client.session, client.sr)
    assert before.layout in (sizes.FILE, sizes.LVM_THICK)
    uuid = client.written()
    used = before.free - repository.measure(client.session, client.sr).free
    assert used >= sum(length for _, length in WRITTEN)
    assert used >= (SIZE if before.layout == sizes.LVM_THICK else 0)
    assert disks.get_record(client.session, uuid)["name_label"] == "disk"
