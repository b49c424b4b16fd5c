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

"""Imports: applied on top, exact to the sector bitmap, forward only, never rolled back."""

from __future__ import annotations

import io
import random
import struct
from typing import Callable, List, Optional, Tuple

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, checksum, noise
from tests.unit.vhd import independent
from tests.unit.vhd.independent import footer, header

RNG = random.Random(11)
DATA = noise(RNG, BLOCK)
FULL = b"\xff" * 512


def vhd(size: int, blocks: List[Tuple[int, bytes, bytes]], kind: int = independent.DYNAMIC,
        block_size: int = BLOCK) -> bytes:
    """Return a VHD of (index, bitmap, data) blocks, in the order given."""
    return independent.build(
        size, {index: independent.Block(bitmap.ljust(-(-len(bitmap) // 512) * 512, b"\0"), data)
               for index, bitmap, data in blocks}, kind, block_size,
        order=[index for index, _bitmap, _data in blocks])


def fails(bench: Bench, uuid: str, stream: bytes, length: Optional[int] = None) -> None:
    with pytest.raises(StorageError) as failure:
        bench.import_(uuid, stream, length)
    assert (failure.value.code, failure.value.params) == ("VDI_IO_ERROR", ["Device I/O errors"])


def test_only_sectors_with_a_bit_are_written(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1)
    bits = RNG.getrandbits(4096)
    bench.import_(uuid, vhd(8 * MIB, [(1, bits.to_bytes(512, "big"), DATA)]))
    for sector in range(4096):
        if bits >> (4095 - sector) & 1:
            at = BLOCK + sector * 512
            bench.disks[uuid][at:at + 512] = DATA[sector * 512:sector * 512 + 512]
    bench.check()


def test_the_first_sector_is_the_top_bit_of_the_first_byte(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.import_(uuid, vhd(8 * MIB, [(0, b"\x80" + bytes(511), DATA)]))
    bench.disks[uuid][:512] = DATA[:512]
    bench.check()


def test_what_the_stream_lacks_stays(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1, 2)
    bench.import_(uuid, vhd(8 * MIB, [(1, FULL, DATA)]))
    bench.disks[uuid][BLOCK:2 * BLOCK] = DATA
    bench.check()


def test_zeros_are_written_as_data(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 1)
    bench.import_(uuid, vhd(8 * MIB, [(1, FULL, bytes(BLOCK))]))
    bench.disks[uuid][BLOCK:2 * BLOCK] = bytes(BLOCK)
    bench.check()


def test_a_differencing_vhd_is_applied_like_any_other(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.import_(uuid, vhd(8 * MIB, [(2, FULL, DATA)], kind=4))
    bench.disks[uuid][2 * BLOCK:3 * BLOCK] = DATA
    bench.check()


def test_blocks_may_lie_in_any_order(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    blocks = [(number, FULL, noise(RNG, BLOCK)) for number in (3, 0, 2)]
    bench.import_(uuid, vhd(8 * MIB, blocks))
    for number, _, data in blocks:
        bench.disks[uuid][number * BLOCK:(number + 1) * BLOCK] = data
    bench.check()


@pytest.mark.parametrize("block_size", [512, 4096, 512 * 1024, 8 * MIB])
def test_other_block_sizes_are_read(bench: Bench, block_size: int) -> None:
    uuid = bench.create(8 * MIB)
    data = noise(RNG, block_size)
    bitmap = b"\xff" * max(1, block_size // 4096)
    bench.import_(uuid, vhd(8 * MIB, [(0, bitmap, data)], block_size=block_size))
    bench.disks[uuid][:block_size] = data
    bench.check()


def test_a_smaller_vhd_is_accepted(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.import_(uuid, vhd(4 * MIB, [(1, FULL, DATA)]))
    bench.disks[uuid][BLOCK:2 * BLOCK] = DATA
    bench.check()


def test_a_larger_vhd_is_accepted_while_its_blocks_fit(bench: Bench) -> None:
    uuid = bench.create(4 * MIB)
    bench.import_(uuid, vhd(80 * MIB, [(1, FULL, DATA)]))
    bench.disks[uuid][BLOCK:2 * BLOCK] = DATA
    bench.check()


def test_a_block_beyond_the_disk_fails_after_those_before_it(bench: Bench) -> None:
    uuid = bench.create(4 * MIB)
    fails(bench, uuid, vhd(8 * MIB, [(0, FULL, DATA), (3, FULL, DATA)]))
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


def test_a_cut_stream_fails_and_keeps_what_came(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA), (1, FULL, DATA)])
    fails(bench, uuid, stream[:-BLOCK], len(stream))
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 1000, 1536, 2047])
def test_a_stream_cut_in_its_metadata_fails(bench: Bench, keep: int) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA)])
    fails(bench, uuid, stream[:keep], len(stream))
    bench.check()


def _patch(stream: bytes, offset: int, value: bytes) -> bytes:
    return stream[:offset] + value + stream[offset + len(value):]


def _fixed(stream: bytes) -> bytes:
    return footer(8 * MIB, kind=2, data_offset=2 ** 64 - 1) + stream[512:]


def _kind(number: int) -> Callable[[bytes], bytes]:
    return lambda stream: footer(8 * MIB, kind=number) + stream[512:]


def _sealed(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    """Change the header and repair its checksum."""
    def change(stream: bytes) -> bytes:
        head = bytearray(stream[512:1536])
        head[offset:offset + len(value)] = value
        head[36:40] = bytes(4)
        struct.pack_into(">I", head, 36, checksum(head))
        return stream[:512] + bytes(head) + stream[1536:]
    return change


@pytest.mark.parametrize("damage", [
    lambda stream: b"no VHD at all" * 1000,
    lambda stream: _patch(stream, 0, b"connectix"),
    lambda stream: _patch(stream, 12, b"\0\2\0\0"),
    lambda stream: _patch(stream, 64, b"\0\0\0\0"),
    lambda stream: _patch(stream, 512, b"cxspares"),
    lambda stream: _patch(stream, 512 + 36, b"\0\0\0\0"),
    _fixed, _kind(0), _kind(5),
    _sealed(8, bytes(8)), _sealed(24, b"\0\0\0\1"), _sealed(32, b"\0\x30\0\0"),
    _sealed(576, b"EVIL"),
], ids=["text", "cookie", "version", "footer-checksum", "header-cookie", "header-checksum",
        "fixed", "type-0", "type-5", "data-offset", "header-version", "block-size", "locator"])
def test_damaged_metadata_fails_before_anything_is_written(
    bench: Bench, damage: Callable[[bytes], bytes]
) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    fails(bench, uuid, damage(vhd(8 * MIB, [(0, FULL, DATA)])))
    bench.check()


def test_a_damaged_last_footer_fails_though_all_was_written(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA)])
    fails(bench, uuid, stream[:-100] + bytes(100)[:99] + b"x")
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


def test_the_last_footer_is_looked_for_where_the_length_says(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA)])
    padded = stream[:-512] + bytes(4096) + stream[-512:]
    bench.import_(uuid, padded)
    fails(bench, uuid, padded, len(stream))
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


def test_without_a_length_the_import_fails_at_the_end(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA)])
    with pytest.raises(StorageError) as failure:
        bench.sr.import_vhd(uuid, io.BytesIO(stream).read, None)
    assert failure.value.code == "VDI_IO_ERROR"
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


def test_the_stream_never_moves_back(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    block = FULL + DATA
    overlapping = struct.pack(">128I", 4, 5, *[0xFFFFFFFF] * 126)
    stream = footer(8 * MIB) + header(4) + overlapping + block + block + footer(8 * MIB)
    fails(bench, uuid, stream)
    early = footer(8 * MIB) + header(4, table_offset=512) + bytes(4096)
    fails(bench, uuid, early)


def test_a_full_sr_fails_an_import(tmp_path: object) -> None:
    bench = Bench("ext", "%s/sr" % tmp_path, size=3 * MIB)
    uuid = bench.create(8 * MIB)
    fails(bench, uuid, vhd(8 * MIB, [(0, FULL, DATA), (1, FULL, DATA)]))
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


def test_progress_counts_blocks(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA), (1, FULL, DATA)])
    seen: List[float] = []
    bench.sr.import_vhd(uuid, io.BytesIO(stream).read, len(stream), seen.append)
    assert seen == [0.5, 1.0]


def test_short_reads_are_gathered(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    stream = vhd(8 * MIB, [(0, FULL, DATA)])
    source = io.BytesIO(stream)
    bench.sr.import_vhd(uuid, lambda n: source.read(min(n, RNG.randrange(1, 9999))), len(stream))
    bench.disks[uuid][:BLOCK] = DATA
    bench.check()


def test_a_vhd_cannot_go_into_a_raw_lvm_volume(lvm: Bench) -> None:
    uuid = lvm.create(8 * MIB, type="raw")
    fails(lvm, uuid, vhd(8 * MIB, [(0, FULL, DATA)]))
    lvm.check()


def test_a_raw_import_writes_so_many_bytes(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1, 2, 3)
    data = noise(RNG, 3 * MIB + 512)
    bench.sr.import_raw(uuid, io.BytesIO(data).read, len(data))
    bench.disks[uuid][:len(data)] = data
    bench.check()


def test_a_raw_import_without_length_wants_a_disk_full(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    data = noise(RNG, 8 * MIB)
    bench.sr.import_raw(uuid, io.BytesIO(data).read, None)
    assert bench.read(uuid) == data
    with pytest.raises(StorageError):
        bench.sr.import_raw(uuid, io.BytesIO(data[:-1]).read, None)


def test_a_raw_import_larger_than_the_disk_fails(bench: Bench) -> None:
    uuid = bench.create(2 * MIB)
    with pytest.raises(StorageError) as failure:
        bench.sr.import_raw(uuid, io.BytesIO(bytes(4 * MIB)).read, 4 * MIB)
    assert failure.value.code == "VDI_IO_ERROR"
