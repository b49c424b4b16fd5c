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

"""Images that cannot be booted are refused with a reason, and leave no VDI."""

from __future__ import annotations

import random
import struct
from typing import Any, Callable, Dict, List, NamedTuple, Type

import pytest

from nova_swift_handler import exceptions
from tests.functional.handler.bench import MIB, Bench, Host
from tests.unit.transfer import images
from tests.unit.vhd import independent

BLOCK = independent.MIB2
SIZE = 5 * BLOCK
TABLE = 1536
"""Where independent.build puts the BAT."""


def vhd(**options: Any) -> bytes:
    """Return a VHD with data in the first, the third and the last block."""
    noise = random.Random(7)
    blocks = {number: independent.Block(independent.full(BLOCK), noise.getrandbits(
        BLOCK * 8).to_bytes(BLOCK, "big")) for number in (0, 2, 4)}
    return independent.build(SIZE, blocks, **options)


def with_entry(block: int, sector: int, entries: int = 5) -> bytes:
    """Return that VHD with another BAT entry for a block."""
    data = bytearray(vhd(entries=entries))
    struct.pack_into(">I", data, TABLE + 4 * block, sector)
    return bytes(data)


def with_damaged_footer(*offsets: int) -> bytes:
    """Return that VHD with a bit of the footer's at each of these places flipped."""
    data = bytearray(vhd())
    for offset in offsets:
        data[offset] ^= 1
    return bytes(data)


def chain(*numbers: int) -> bytes:
    """Return the tgz of the chain of three VHDs with only these, in this order."""
    vhds = images.chain(3, block_size=BLOCK, blocks=3).vhds
    return images.numbered(vhds, numbers)


def with_foreign_parent() -> bytes:
    ours = images.chain(2, block_size=BLOCK, blocks=3).vhds
    theirs = vhd(unique_id=b"another parent!!")
    return images.numbered([ours[0], theirs])


class Case(NamedTuple):
    """:ivar disk_format: as Glance is told; today's looks into bytes that are said to be a VHD."""

    make: Callable[[], bytes]
    container_format: str
    kind: Type[exceptions.SwiftVhdError]
    phrases: List[str]
    disk_format: str = "vhd"


_BARE, _OVF = "bare", "ovf"
_CASES: Dict[str, Case] = {
    "vhd cut inside a block": Case(
        lambda: vhd()[:-BLOCK], _BARE, exceptions.VhdError, ["beyond the file's end"]),
    "vhd cut inside the head": Case(
        lambda: vhd()[:1000], _BARE, exceptions.VhdTruncated, ["ends inside its header"]),
    "vhd without its last footer": Case(
        lambda: vhd()[:-512], _BARE, exceptions.VhdError, ["beyond the file's end"]),
    "wrong checksum of the first footer": Case(
        lambda: with_damaged_footer(100), _BARE, exceptions.VhdError,
        ["footer is damaged", "checksum"]),
    "wrong checksum of the last footer": Case(
        lambda: with_damaged_footer(-400), _BARE, exceptions.VhdError,
        ["footer is damaged", "checksum"]),
    "raw": Case(
        lambda: bytes(MIB), _BARE, exceptions.ImageUnsupported, ["neither", "qemu-img convert"],
        "raw"),
    "qcow2": Case(
        lambda: b"QFI\xfb\0\0\0\3" + bytes(MIB), _BARE, exceptions.ImageUnsupported,
        ["QFI", "qemu-img convert"], "qcow2"),
    "fixed vhd": Case(
        lambda: bytes(SIZE) + independent.footer(SIZE, independent.FIXED), _BARE,
        exceptions.ImageUnsupported, ["fixed VHD", "qemu-img convert"], "raw"),
    "raw in a tgz": Case(
        lambda: images.tgz([("0.vhd", bytes(MIB))]), _OVF,
        exceptions.ImageUnsupported, ["0.vhd", "qemu-img convert"]),
    "fixed vhd in a tgz": Case(
        lambda: images.tgz([("0.vhd", bytes(SIZE) + independent.footer(
            SIZE, independent.FIXED))]), _OVF, exceptions.ImageUnsupported,
        ["0.vhd", "qemu-img convert"]),
    "tgz of anything": Case(
        lambda: images.tgz([("image.ovf", b"<xml/>")]), _OVF, exceptions.ImageUnsupported,
        ["holds no VHD", "0.vhd"]),
    "bat entry beyond the disk's end": Case(
        lambda: with_entry(5, 8, entries=6), _BARE, exceptions.VhdError,
        ["places block 5", "ends with block 4"]),
    "bat entry beyond the file's end": Case(
        lambda: with_entry(1, 1 << 30), _BARE, exceptions.VhdError,
        ["places block 1", "beyond the file's end"]),
    "bat entry over another": Case(
        lambda: with_entry(1, 8), _BARE, exceptions.VhdError, ["places block"]),
    "differencing vhd alone": Case(
        lambda: vhd(kind=independent.DIFFERENCING, parent_id=b"p" * 16, parent_name="base.vhd"),
        _BARE, exceptions.ChainBroken, ["base.vhd", "not in the image"]),
    "chain without its base": Case(
        lambda: chain(0, 1), _OVF, exceptions.ChainBroken, ["1.vhd", "not there"]),
    "chain without its middle": Case(
        lambda: chain(0, 2), _OVF, exceptions.ChainBroken, ["lacks 1.vhd"]),
    "chain without its leaf": Case(
        lambda: chain(1, 2), _OVF, exceptions.ChainBroken, ["lacks 0.vhd"]),
    "chain with a foreign parent": Case(
        with_foreign_parent, _OVF, exceptions.ChainBroken, ["wants the parent", "1.vhd"]),
    "chain with a parent twice": Case(
        lambda: chain(0, 1, 2, 1), _OVF, exceptions.ChainBroken, ["VHD 1", "twice"]),
    "whole leaf and yet a parent": Case(
        lambda: images.numbered([vhd(), vhd(unique_id=b"a parent of none")]), _OVF,
        exceptions.ChainBroken, ["has no parent", "1.vhd"]),
    "tgz cut in the middle": Case(
        lambda: chain(2, 1, 0)[:-3 * MIB], _OVF, exceptions.ImageCorrupt, ["truncated tgz"]),
    "tgz cut in the middle of a lone vhd": Case(
        lambda: images.numbered([vhd()])[:-3 * MIB], _OVF, exceptions.ImageCorrupt,
        ["truncated tgz"]),
    "tgz without its last bytes": Case(
        lambda: images.numbered([vhd()])[:-4], _OVF, exceptions.ImageCorrupt,
        ["truncated tgz"]),
}


@pytest.mark.parametrize("name", list(_CASES))
def test_an_image_that_is_no_disk(bench: Bench, hosts: Dict[str, Host], name: str) -> None:
    case = _CASES[name]
    # One SR type a case: which it is matters to none of them.
    host = hosts[("ext", "lvm")[list(_CASES).index(name) % 2]]
    image_id = bench.uploaded(case.make(), case.container_format,
                              disk_format=case.disk_format)
    advice = ["vhd-util check"] if issubclass(case.kind, exceptions.VhdError) else []
    with bench.nothing_left(host):
        bench.refuses(bench.boot_job(host, image_id), case.kind, *case.phrases, *advice)


def test_a_chain_larger_than_the_staging_limit(bench: Bench, host: Host) -> None:
    image_id = bench.uploaded(chain(2, 1, 0))
    with bench.nothing_left(host):
        bench.refuses(bench.boot_job(host, image_id, staging_limit=4 * MIB),
                      exceptions.StagingFull, str(4 * MIB), "raise staging_limit")


def test_a_vhd_larger_than_one_can_be(bench: Bench, ext: Host) -> None:
    size = 3 * 1024 ** 4
    image_id = bench.uploaded(independent.footer(size) + bytes(MIB), "bare")
    with bench.nothing_left(ext):
        bench.refuses(bench.boot_job(ext, image_id), exceptions.VhdError, str(size),
                      "2040 GiB")
