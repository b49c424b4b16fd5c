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

"""The export stream, byte by byte as vhd-tool writes it, read here with struct alone."""

from __future__ import annotations

import os
import struct
from typing import Dict, List, Optional

import pytest

from nova_swift_handler.sandbox.xapi.storage import export
from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from tests.unit.sandbox.storage.harness import BLOCK, GIB, MIB, Bench, checksum, new_uuid

UNUSED = 0xFFFFFFFF


def blocks_of(stream: bytes, size: int) -> Dict[int, bytes]:
    """Check the stream's layout; return its blocks."""
    entries = -(-size // BLOCK)
    table = -(-4 * entries // 512) * 512
    assert stream[:512] == stream[-512:]
    assert stream[1536:2048] == bytes(512)
    bat = struct.unpack_from(">%dI" % (table // 4), stream, 2048)
    assert set(bat[entries:]) <= {UNUSED}
    place = (2048 + table) // 512
    found = {}
    for index, entry in enumerate(bat):
        if entry == UNUSED:
            continue
        assert entry == place
        assert stream[place * 512:place * 512 + 512] == b"\xff" * 512
        found[index] = stream[place * 512 + 512:place * 512 + 512 + BLOCK]
        place += 4097
    assert len(stream) == place * 512 + 512
    return found


def expected(bench: Bench, uuid: str, blocks: List[int]) -> Dict[int, bytes]:
    return {b: bytes(bench.disks[uuid][b * BLOCK:(b + 1) * BLOCK]) for b in blocks}


@pytest.mark.parametrize(("gib", "length"), [
    (8, 18944), (10, 23040), (100, 207360), (2040, 4180480)])
def test_an_empty_disk_has_the_known_length(ext: Bench, gib: int, length: int) -> None:
    uuid = new_uuid()
    ext.sr.create(uuid, gib * GIB, {})
    assert len(ext.export(uuid)) == length


def test_a_fully_allocated_8_gib_disk_has_the_known_length() -> None:
    assert export.Plan(8 * GIB, range(4096)).length == 8592050688


def test_footer_of_a_full_export(bench: Bench) -> None:
    uuid = bench.create(40 * MIB)
    foot = bench.export(uuid)[:512]
    fields = struct.unpack_from(">8sIIQI4sIIQQIII16sB", foot)
    assert fields[:10] == (b"conectix", 2, 0x10000, 512, 0, b"caml", 1, 0, 40 * MIB, 40 * MIB)
    cylinders, heads, sectors = struct.unpack_from(">HBB", foot, 56)
    assert (cylinders, heads, sectors) == (40 * MIB // 512 // 17 // 5, 5, 17)
    assert fields[11] == 3
    assert fields[12] == checksum(foot[:64] + bytes(4) + foot[68:])
    assert fields[14] == 0
    assert foot[85:] == bytes(427)


def test_header_of_a_full_export(bench: Bench) -> None:
    uuid = bench.create(40 * MIB)
    bench.fill(uuid, 3)
    bench.snapshot(uuid)
    head = bench.export(uuid)[512:1536]
    assert struct.unpack_from(">8sQQIII", head) == (
        b"cxsparse", 2 ** 64 - 1, 2048, 0x10000, 20, BLOCK)
    assert struct.unpack_from(">I", head, 36)[0] == checksum(head[:36] + bytes(4) + head[40:])
    assert head[40:] == bytes(1024 - 40)


def test_uuid_is_new_in_every_export_and_none_of_the_disks(bench: Bench) -> None:
    uuid = bench.create(4 * MIB)
    seen = {bench.export(uuid)[68:84] for _ in range(3)}
    with open(bench.file_of(uuid), "rb") as source:
        seen.add(source.read(512)[68:84])
    assert len(seen) == 4


def test_blocks_allocated_anywhere_in_the_chain_are_sent_whole(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 7, 1)
    bench.snapshot(uuid)
    bench.write(uuid, 4 * BLOCK + 700, b"partial")
    bench.write(uuid, 7 * BLOCK, b"over")
    bench.snapshot(uuid)
    bench.write(uuid, 2 * BLOCK, bytes(512))
    stream = bench.export(uuid)
    assert blocks_of(stream, 20 * MIB) == expected(bench, uuid, [1, 2, 4, 7])


def test_an_allocated_block_of_zeros_is_sent(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.write(uuid, BLOCK, bytes(BLOCK))
    assert blocks_of(bench.export(uuid), 8 * MIB) == {1: bytes(BLOCK)}


def _delta(bench: Bench, uuid: str, base: Optional[str], blocks: List[int]) -> bytes:
    stream = bench.export(uuid, base=base)
    assert blocks_of(stream, len(bench.disks[uuid])) == expected(bench, uuid, blocks)
    return stream


def test_a_delta_has_the_blocks_touched_since_the_base(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 1, 2)
    old = bench.snapshot(uuid)
    bench.write(uuid, 2 * BLOCK + 5, b"new")
    bench.fill(uuid, 9)
    new = bench.snapshot(uuid)
    _delta(bench, new, old, [2, 9])
    _delta(bench, uuid, old, [2, 9])


def test_a_delta_backwards_sends_the_older_content(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 1, 2)
    old = bench.snapshot(uuid)
    bench.fill(uuid, 2, 9, seed=5)
    new = bench.snapshot(uuid)
    stream = _delta(bench, old, new, [2, 9])
    assert blocks_of(stream, 20 * MIB)[9] == bytes(BLOCK)


def test_a_delta_of_a_disk_to_itself_is_empty(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 1, 2)
    _delta(bench, uuid, uuid, [])


def test_a_delta_between_unrelated_disks_sends_what_either_has(bench: Bench) -> None:
    one, two = bench.create(20 * MIB), bench.create(20 * MIB)
    bench.fill(one, 1, 2)
    bench.fill(two, 2, 5)
    _delta(bench, one, two, [1, 2, 5])


def test_a_delta_between_clones_sends_both_sides(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 1, 2)
    clone = bench.snapshot(uuid, clone=True)
    bench.fill(clone, 3)
    bench.fill(uuid, 4)
    _delta(bench, clone, uuid, [3, 4])


def test_a_delta_to_a_smaller_disk_stays_within_it(bench: Bench) -> None:
    small, large = bench.create(4 * MIB), bench.create(20 * MIB)
    bench.fill(large, 1, 8)
    _delta(bench, small, large, [1])


def test_header_of_a_delta_names_the_bases_file(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    old = bench.snapshot(uuid)
    bench.fill(uuid, 3)
    stream = bench.export(uuid, base=old)
    path = bench.file_of(old)
    with open(path, "rb") as source:
        identity = source.read(512)[68:84]
    assert struct.unpack_from(">I", stream, 60) == (4,)
    head = stream[512:1536]
    assert head[40:56] == identity
    assert struct.unpack_from(">I", head, 56)[0] == int(os.stat(path).st_mtime) - 946684800
    name = head[64:576].decode("utf-16-be").rstrip("\0")
    where = {"ext": "/run/sr-mount/%s/", "lvm": "/dev/VG_XenStorage-%s/"}[bench.kind]
    assert name == where % bench.uuid + os.path.basename(path)
    assert struct.unpack_from(">4sIIIQ", head, 576) == (
        b"MacX", 1, len("file://" + name), 0, 1536)
    assert head[600:] == bytes(1024 - 600)


def test_a_raw_disk_is_sent_without_its_blocks_of_zeros(bench: Bench) -> None:
    uuid = bench.create(8 * MIB, type="raw")
    bench.write(uuid, 3 * BLOCK + 5, b"x")
    bench.write(uuid, BLOCK, bytes(BLOCK))
    assert blocks_of(bench.export(uuid), 8 * MIB) == expected(bench, uuid, [3])


@pytest.mark.parametrize("raw_is_base", [True, False])
def test_differences_of_raw_disks_are_refused(bench: Bench, raw_is_base: bool) -> None:
    raw, vhd = bench.create(8 * MIB, type="raw"), bench.create(8 * MIB)
    disk, base = (vhd, raw) if raw_is_base else (raw, vhd)
    sent: List[bytes] = []
    with pytest.raises(StorageError) as failure:
        bench.sr.export_vhd(disk, sent.append, base=base)
    assert failure.value.code == "INTERNAL_ERROR"
    assert not sent


def test_an_unknown_base_is_refused(bench: Bench) -> None:
    uuid, other = bench.create(8 * MIB), new_uuid()
    with pytest.raises(StorageError) as failure:
        bench.export(uuid, base=other)
    assert (failure.value.code, failure.value.params) == ("UUID_INVALID", ["VDI", other])


def test_a_raw_export_is_the_whole_disk(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 2)
    pieces: List[bytes] = []
    assert bench.sr.export_raw(uuid, pieces.append) == 8 * MIB
    assert b"".join(pieces) == bench.disks[uuid]


def test_an_aborted_export_leaves_the_disk_free(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)

    def cut(_data: bytes) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        bench.sr.export_vhd(uuid, cut)
    bench.sr.destroy(uuid)


def test_progress_ends_at_one(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1)
    seen: List[float] = []
    bench.sr.export_vhd(uuid, lambda _data: None, progress=seen.append)
    assert seen == [0.5, 1.0]
