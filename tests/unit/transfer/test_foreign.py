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

"""Images that others stored become exactly their disk, or nothing and a clear error."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import itertools
import pathlib
import random
import tarfile
import tracemalloc
from typing import Any, List, Tuple, Type, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.files import tgz
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer import chain, foreign

from ..vhd import disks, independent
from ..vhd.independent import Block
from . import images
from .target import FakeTarget

_MIB = 2 ** 20


def _load(data: bytes, transfer: TransferSettings, **kwargs: Any) -> FakeTarget:
    target = FakeTarget()
    stream = images.ImageStream(data, **kwargs)
    foreign.load(stream, cast(Any, target), transfer)
    assert stream.ended, "Glance's checksum is only looked at when its stream was read to the end"
    return target


def _unstaged(transfer: TransferSettings) -> TransferSettings:
    return dataclasses.replace(transfer, staging_limit=0)


# -- one VHD ----------------------------------------------------------------------------------

@pytest.mark.parametrize("block_size", [images.SMALL, 512 * 1024, 2 * _MIB])
def test_a_plain_vhd_becomes_its_disk_exact_to_the_sector(staging: TransferSettings,
                                                          block_size: int) -> None:
    made = images.chain(1, blocks=4, block_size=block_size)
    assert _load(made.vhds[0], _unstaged(staging)).disk == made.disk


def test_a_tgz_of_one_vhd_is_not_staged(staging: TransferSettings) -> None:
    made = images.chain(1)
    target = _load(images.numbered(made.vhds), _unstaged(staging))
    assert target.disk == made.disk
    assert len(target.lengths) == 1


def test_an_empty_disk_is_one(staging: TransferSettings) -> None:
    vhd = independent.build(5 * 512, {}, block_size=images.SMALL)
    assert _load(vhd, staging).disk == bytes(5 * 512)


def test_a_disk_that_is_no_multiple_of_its_blocks_ends_where_it_should(
        staging: TransferSettings) -> None:
    vhd = independent.build(images.SMALL + 512, {
        number: Block(independent.full(images.SMALL), disks.noise(images.SMALL, number))
        for number in (0, 1)}, block_size=images.SMALL)
    assert _load(vhd, staging).disk == disks.noise(images.SMALL, 0) + disks.noise(
        images.SMALL, 1)[:512]


@pytest.mark.parametrize("sectors", [1, 7, 8, 9, 100, 4095, 4096])
def test_nothing_is_said_to_be_beyond_the_disks_end(staging: TransferSettings,
                                                    sectors: int) -> None:
    """The VDI is larger, and a guest would see it there."""
    block_size = independent.MIB2
    vhd = independent.build(block_size + 512 * sectors, {
        number: Block(independent.full(block_size), disks.noise(block_size, number))
        for number in (0, 1)})
    sent = independent.parse(_load(vhd, staging).sent[0])
    assert sent.blocks[0].bitmap == independent.full(block_size)
    assert sent.blocks[1].bitmap == independent.bitmap(
        [number < sectors for number in range(4096)])


@pytest.mark.parametrize("compress", [False, True])
def test_what_qemu_makes_boots(staging: TransferSettings, qemu_img: Any, compress: bool,
                               tmp_path: pathlib.Path) -> None:
    raw = disks.disk(9 * _MIB + 1024, [0, 2, 4])
    (tmp_path / "disk.raw").write_bytes(raw)
    # The very command that the error for other formats recommends.
    qemu_img.run("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on",
                 str(tmp_path / "disk.raw"), str(tmp_path / "disk.vhd"))
    vhd = (tmp_path / "disk.vhd").read_bytes()
    target = _load(images.numbered([vhd]) if compress else vhd, _unstaged(staging))
    assert target.disk == raw


# -- chains -----------------------------------------------------------------------------------

@pytest.mark.parametrize("order", [*itertools.permutations(range(3)), (0, 1), (1, 0)])
def test_a_chain_is_coalesced_whatever_the_order_in_its_tar(staging: TransferSettings,
                                                            order: Tuple[int, ...]) -> None:
    made = images.chain(len(order), seed=len(order))
    target = _load(images.numbered(made.vhds, order), staging)
    assert target.disk == made.disk
    assert len(target.lengths) == len(order)


@settings(max_examples=40,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(2, 5), st.integers(0, 10 ** 6), st.data())
def test_any_chain_of_partial_bitmaps_is_exact(staging: TransferSettings, count: int, seed: int,
                                               data: st.DataObject) -> None:
    # Disks grow from base to leaf, never the other way.
    steps = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    sizes = list(itertools.accumulate([images.SMALL + 512] + [step * 1536 for step in steps[1:]]))
    made = images.chain(count, seed=seed, sizes=sizes[::-1])
    order = data.draw(st.permutations(range(count)))
    assert _load(images.numbered(made.vhds, order), staging, seed=seed).disk == made.disk


@pytest.mark.parametrize("count", [2, 5, 30])
def test_a_chain_that_comes_leaf_first_is_not_staged(staging: TransferSettings,
                                                     count: int) -> None:
    made = images.chain(count, seed=count)
    assert _load(images.numbered(made.vhds), _unstaged(staging)).disk == made.disk


def test_what_a_child_has_is_not_sent_again(staging: TransferSettings) -> None:
    """Of whole blocks nothing at all; of others only the sectors that are new."""
    size = 3 * 2 * _MIB
    half = independent.bitmap([number % 2 == 0 for number in range(4096)])
    full = independent.full(2 * _MIB)
    leaf = independent.build(size, {0: Block(full, disks.noise(2 * _MIB, 1)),
                                    1: Block(half, disks.noise(2 * _MIB, 2))},
                             independent.DIFFERENCING, unique_id=images.unique_id(0),
                             parent_id=images.unique_id(1))
    base = independent.build(size, {number: Block(full, disks.noise(2 * _MIB, 10 + number))
                                    for number in range(3)}, unique_id=images.unique_id(1))
    target = _load(images.numbered([leaf, base]), _unstaged(staging))
    sent = independent.parse(target.sent[1]).blocks
    assert sorted(sent) == [1, 2]
    assert sent[1].bitmap == independent.bitmap([number % 2 == 1 for number in range(4096)])
    assert sent[2].bitmap == full


def test_a_chain_of_two_mib_blocks_is_exact(staging: TransferSettings) -> None:
    made = images.chain(2, blocks=3, block_size=2 * _MIB)
    assert _load(images.numbered(made.vhds, [1, 0]), staging).disk == made.disk


def test_a_chain_is_said_to_fill_the_blocks_that_any_of_it_has(staging: TransferSettings) -> None:
    def vhd(numbers: List[int], **parent: Any) -> bytes:
        return independent.build(11 * _MIB, {
            number: Block(independent.full(2 * _MIB), disks.noise(2 * _MIB, number))
            for number in numbers}, unique_id=images.unique_id(len(numbers)), **parent)

    base = vhd([0, 1, 5])
    leaf = vhd([1, 3], kind=independent.DIFFERENCING, parent_id=images.unique_id(3),
               parent_name="1.vhd")
    assert _load(images.numbered([leaf, base], [1, 0]), staging).blocks == 4
    assert _load(images.numbered([leaf, base]), staging).blocks == 2, "that is all that is known"


def test_a_plain_vhd_is_said_to_fill_its_blocks(staging: TransferSettings) -> None:
    made = images.chain(1, blocks=3, block_size=2 * _MIB)
    assert _load(made.vhds[0], staging).blocks == len(independent.parse(made.vhds[0]).blocks)


def test_names_of_the_old_style_are_understood(staging: TransferSettings) -> None:
    made = images.chain(3)
    data = images.tgz([("image.vhd", made.vhds[1]), ("snap.vhd", made.vhds[0]),
                       ("base.vhd", made.vhds[2])])
    assert _load(data, staging).disk == made.disk


def test_other_members_are_passed_over(staging: TransferSettings) -> None:
    made = images.chain(2)
    data = images.tgz([("manifest.ovf", b"<xml/>"), ("1.vhd", made.vhds[1]),
                       ("kernel", b"k" * 3000), ("0.vhd", made.vhds[0])])
    assert _load(data, staging).disk == made.disk


def test_a_link_in_the_tar_is_not_followed(staging: TransferSettings,
                                           tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret.vhd").write_bytes(images.chain(1).vhds[0])
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo("0.vhd")
            info.type = kind
            info.linkname = str(tmp_path / "secret.vhd")
            tar.addfile(info)
    target = FakeTarget()
    with pytest.raises(exceptions.ImageUnsupported, match="holds no VHD"):
        foreign.load(images.ImageStream(gzip.compress(raw.getvalue())), cast(Any, target),
                     staging)
    assert target.disk is None


# -- what is refused --------------------------------------------------------------------------

def _refused(data: bytes, transfer: TransferSettings, kind: Type[Exception],
             match: str) -> FakeTarget:
    target = FakeTarget()
    with pytest.raises(kind, match=match):
        foreign.load(images.ImageStream(data), cast(Any, target), transfer)
    return target


_TWO = images.chain(2)
_ONE = images.chain(1)


@pytest.mark.parametrize(("data", "match"), [
    (b"", "begins with b''"),
    (b"\x1f", "begins with"),
    (b"QFI\xfb" + bytes(5000), r"QFI.*neither a dynamic VHD.*qemu-img"),
    (bytes(5000), r"neither a dynamic VHD.*raw or qcow2"),
    (disks.noise(5000, 1), "neither a dynamic VHD"),
    (b"KDMV" + bytes(5000), "KDMV"),
    (images.tgz([("disk.raw", bytes(5000))]), "holds no VHD"),
    (images.tgz([("0.vhd", bytes(1024) + independent.footer(1024, independent.FIXED))]),
     r"0\.vhd' in the image begins with .* no dynamic VHD; a fixed VHD"),
    (images.tgz([("0.vhd", bytes(5000))]), r"0\.vhd' in the image"),
    (images.tgz([("1.vhd", b"QFI\xfb" + bytes(5000)), ("0.vhd", bytes(5000))]),
     r"1\.vhd' in the image begins with .*QFI"),
], ids=["empty", "one byte", "qcow2", "zeros", "noise", "vmdk", "tar without VHDs",
        "fixed", "raw", "qcow2 base"])
def test_what_cannot_be_booted_is_said_to_be_so_and_no_vdi_made(
        staging: TransferSettings, data: bytes, match: str) -> None:
    target = _refused(data, _unstaged(staging), exceptions.ImageUnsupported, match)
    assert target.disk is None


def test_a_members_name_writes_no_lines_of_its_own_into_a_log(staging: TransferSettings) -> None:
    data = images.tgz([("a\n2026-01-01 ERROR nova: \x1b[2J/0.vhd", bytes(5000))])
    with pytest.raises(exceptions.ImageUnsupported) as caught:
        foreign.load(images.ImageStream(data), cast(Any, FakeTarget()), staging)
    assert str(caught.value).isprintable()


def test_an_empty_tar_is_refused(staging: TransferSettings) -> None:
    # Python 3.8 calls it damaged.
    _refused(images.tgz([]), staging, exceptions.SwiftVhdError, "holds no VHD|damaged")


def test_a_differencing_vhd_alone_names_the_parent_it_wants(staging: TransferSettings) -> None:
    target = _refused(_TWO.vhds[0], staging, exceptions.ChainBroken, r"'1\.vhd'.*not in the image")
    assert target.disk is None


_BROKEN: List[Any] = [
    pytest.param(images.tgz([("0.vhd", _TWO.vhds[0])]), "not there", id="parent missing"),
    pytest.param(images.tgz([("1.vhd", _TWO.vhds[1])]), r"lacks 0\.vhd", id="leaf missing"),
    pytest.param(images.tgz([("0.vhd", _TWO.vhds[0]), ("1.vhd", _ONE.vhds[0])]), "wants",
                 id="parent of another chain"),
    pytest.param(images.tgz([("0.vhd", _TWO.vhds[0])] * 2 + [("1.vhd", _TWO.vhds[1])]), "twice",
                 id="leaf repeated"),
    pytest.param(images.tgz([("30.vhd", _TWO.vhds[1]), ("0.vhd", _TWO.vhds[0])]),
                 "number 30, and no chain has more than 30", id="beyond the longest"),
    pytest.param(images.tgz([("1.vhd", _TWO.vhds[1]), ("0.vhd", _ONE.vhds[0])]), "whole disk",
                 id="whole leaf behind a base"),
]


@pytest.mark.parametrize(("data", "match"), _BROKEN)
def test_a_broken_chain_is_refused(staging: TransferSettings, data: bytes, match: str) -> None:
    _refused(data, staging, exceptions.ChainBroken, match)


@pytest.mark.parametrize("strange", [1, 2])
def test_what_is_no_child_of_what_is_staged_makes_no_vdi(staging: TransferSettings,
                                                         strange: int) -> None:
    made = images.chain(3)
    stranger = independent.build(len(made.disk), {}, independent.DIFFERENCING, images.SMALL,
                                 b"a stranger's id ", images.unique_id(2))
    vhds = [*made.vhds[:strange], stranger, *made.vhds[strange + 1:]]
    target = _refused(images.numbered(vhds, [2, 1, 0]), staging, exceptions.ChainBroken,
                      "wants the parent")
    assert target.disk is None


def test_a_vhd_of_less_than_nothing_makes_no_room_for_others(staging: TransferSettings) -> None:
    with chain.Staging(staging) as staged, pytest.raises(exceptions.ImageCorrupt, match="have -5"):
        staged.add(1, -5, io.BytesIO(bytes(5)))


def test_a_base_behind_a_whole_leaf_is_refused(staging: TransferSettings) -> None:
    data = images.tgz([("0.vhd", _ONE.vhds[0]), ("1.vhd", _TWO.vhds[1])])
    _refused(data, staging, exceptions.ChainBroken, r"no parent, yet 1\.vhd")


def test_a_chain_beyond_the_staging_limit_is_refused(staging: TransferSettings) -> None:
    limited = dataclasses.replace(staging, staging_limit=len(_TWO.vhds[1]) - 1)
    target = _refused(images.numbered(_TWO.vhds, [1, 0]), limited, exceptions.StagingFull,
                      "staging_limit")
    assert target.disk is None


@pytest.mark.parametrize("at", [3, 10, 18, 100, 0.3, 0.5, 0.9, -30])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_truncated_tgz_never_makes_a_whole_disk(staging: TransferSettings, count: int,
                                                  at: float) -> None:
    made = images.chain(count)
    data = images.numbered(made.vhds, list(reversed(range(count))))
    target = FakeTarget()
    cut = data[:int(at * len(data)) if isinstance(at, float) else int(at)]
    try:
        foreign.load(images.ImageStream(cut), cast(Any, target), staging)
    except exceptions.SwiftVhdError:
        return
    # The tar's own end may be missing where all of its VHDs are there.
    assert target.disk == made.disk
    assert at == -30


@pytest.mark.parametrize("at", [0.3, 0.6, 0.99])
def test_a_truncated_plain_vhd_is_refused(staging: TransferSettings, at: float) -> None:
    vhd = images.chain(1).vhds[0]
    target = FakeTarget()
    with pytest.raises(exceptions.VhdError):
        foreign.load(images.ImageStream(vhd[:int(at * len(vhd))], length=len(vhd)),
                     cast(Any, target), staging)
    assert target.lengths == []


def test_a_damaged_gzip_is_named_so(staging: TransferSettings) -> None:
    data = bytearray(images.numbered(_TWO.vhds))
    data[len(data) // 2:len(data) // 2 + 50] = bytes(50)
    target = FakeTarget()
    with pytest.raises(exceptions.SwiftVhdError):
        foreign.load(images.ImageStream(bytes(data)), cast(Any, target), staging)


def test_a_gzip_of_something_else_is_corrupt(staging: TransferSettings) -> None:
    _refused(gzip.compress(disks.noise(5000, 3)), staging, exceptions.ImageCorrupt, "damaged")


@settings(max_examples=150,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_no_damage_makes_anything_but_our_error(staging: TransferSettings,
                                                data: st.DataObject) -> None:
    made = images.chain(data.draw(st.integers(1, 2)), blocks=2)
    raw = bytearray(gzip.decompress(images.numbered(made.vhds)))
    for _number in range(data.draw(st.integers(1, 5))):
        # Mostly the members' headers: sizes, types, checksums.
        at = data.draw(st.one_of(st.integers(0, 511), st.integers(0, len(raw) - 1)))
        raw[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        total = sum(raw[:148]) + 8 * 32 + sum(raw[156:512])
        raw[148:156] = b"%06o\0 " % (total % 0o1000000)
    with contextlib.suppress(exceptions.SwiftVhdError):
        foreign.load(images.ImageStream(gzip.compress(bytes(raw), 1)), cast(Any, FakeTarget()),
                     staging)


@pytest.mark.parametrize("kind", ["pax", "sparse"])
def test_a_member_with_absurd_extended_headers_makes_our_error(staging: TransferSettings,
                                                               kind: str) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("0.vhd")
        info.size = len(_ONE.vhds[0])
        info.pax_headers = ({"size": "many"} if kind == "pax" else
                            {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                             "GNU.sparse.name": "0.vhd", "GNU.sparse.realsize": "x"})
        tar.addfile(info, io.BytesIO(_ONE.vhds[0]))
    target = FakeTarget()
    with contextlib.suppress(exceptions.SwiftVhdError):
        foreign.load(images.ImageStream(gzip.compress(raw.getvalue())), cast(Any, target),
                     staging)
        assert target.disk == _ONE.disk


def test_a_bomb_takes_no_memory_and_no_staging(staging: TransferSettings) -> None:
    # 256 MiB of zeros in 1 MiB, as a base whose leaf comes later.
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as packed:
        info = tarfile.TarInfo("1.vhd")
        info.size = 256 * _MIB
        packed.write(info.tobuf())
        packed.write(_TWO.vhds[1][:512])
        for _piece in range(256):
            packed.write(bytes(_MIB))
    tracemalloc.start()
    try:
        _refused(raw.getvalue(), staging, exceptions.StagingFull, "staging_limit")
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * _MIB


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE,
                                  tarfile.XGLTYPE])
def test_a_bomb_in_a_members_headers_takes_no_memory(staging: TransferSettings,
                                                     kind: bytes) -> None:
    # tarfile takes long names and extended attributes into memory whole.
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as packed:
        info = tarfile.TarInfo("name")
        info.type = kind
        info.size = 200 * _MIB
        packed.write(info.tobuf())
        for _piece in range(200):
            packed.write(b"a" * _MIB)
    tracemalloc.start()
    try:
        _refused(raw.getvalue(), staging, exceptions.ImageCorrupt, "headers have more than")
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * _MIB


@pytest.mark.parametrize("name", ["0.vhd", "1.vhd", "README"])
def test_a_file_of_endless_holes_is_refused(staging: TransferSettings, name: str) -> None:
    # 300 bytes that say they are an exabyte: to be read for ever, or staged until nothing is free.
    parts = b"1\n0\n512\n".ljust(512, b"\0") + independent.footer(2 * _MIB, data_offset=2 ** 50)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.size = len(parts)
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                            "GNU.sparse.name": name, "GNU.sparse.realsize": str(2 ** 60)}
        tar.addfile(info, io.BytesIO(parts))
    data = gzip.compress(raw.getvalue())
    target = _refused(data, staging, exceptions.ImageUnsupported,
                      name + " stored as a sparse file")
    assert target.disk is None


@pytest.mark.parametrize("behind", [True, False])
def test_what_unpacks_to_much_else_is_not_read_to_its_end(
        staging: TransferSettings, behind: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tgz, "_PASSED_OVER", 2 * _MIB)
    raw = (gzip.decompress(images.numbered(_ONE.vhds)) + bytes(8 * _MIB) if behind else
           gzip.decompress(images.tgz([("README", bytes(8 * _MIB))])))
    _refused(gzip.compress(raw), staging, exceptions.ImageUnsupported, "of something else than")


def test_a_tar_of_countless_files_is_refused(staging: TransferSettings) -> None:
    data = images.tgz([("file%d" % number, b"") for number in range(5000)])
    _refused(data, staging, exceptions.ImageUnsupported, "more than 1000 files")


def test_memory_does_not_grow_with_the_disk(staging: TransferSettings) -> None:
    rng = random.Random(5)
    blocks = {number: Block(independent.full(2 * _MIB), bytes([rng.randrange(255)]) * (2 * _MIB))
              for number in range(24)}
    data = images.numbered([independent.build(48 * _MIB, blocks)])
    del blocks

    class Counting(FakeTarget):
        def apply(self, length: int, chunks: Any) -> None:
            assert sum(len(chunk) for chunk in chunks) == length
            self.disk = None

    target = Counting()
    target.create = lambda size, blocks: setattr(  # type: ignore[method-assign]
        target, "uuid", "v")
    tracemalloc.start()
    try:
        foreign.load(images.ImageStream(data), cast(Any, target), staging)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 * _MIB


def test_the_leaf_decides_the_size(staging: TransferSettings) -> None:
    made = images.chain(2, sizes=[3 * images.SMALL, images.SMALL])
    target = _load(images.numbered(made.vhds), staging)
    assert target.disk is not None
    assert len(target.disk) == 3 * images.SMALL
    assert chain.LEAF == "0.vhd"
