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

"""Files of every kind become the disk that is in them, or are refused for what is wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import pathlib
import struct
import subprocess
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Type

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.sources import formats, packed, qcow2
from nova_swift_handler.transfer.sources.source import DiskSource, FileSource
from nova_swift_handler.vhd import constants
from tests.unit.vhd import disks, independent
from tests.unit.vhd.conftest import QemuImg, qemu_img  # noqa: F401  (fixture)
from tests.unit.vhd.independent import Block

from . import images

MIB = 2 ** 20
B = constants.BLOCK_SIZE
BOOT = bytes(510) + b"\x55\xaa"


@pytest.fixture
def staging(tmp_path: pathlib.Path) -> TransferSettings:
    (tmp_path / "staging").mkdir()
    return TransferSettings(staging_dir=str(tmp_path / "staging"))


def _read(source: DiskSource, wanted: Optional[Sequence[int]] = None) -> bytes:
    """Return the disk that a source gives, checking how it gives it."""
    with contextlib.closing(source.blocks(wanted)) as blocks:
        held = {}
        for number, data in blocks:
            assert not held or number > max(held), "ascending"
            assert len(data) == B
            held[number] = bytes(data)
    disk = bytearray(-(-source.virtual_size // B) * B)
    for number, data in held.items():
        disk[number * B:(number + 1) * B] = data
    assert not any(disk[source.virtual_size:]), "something beyond the disk's end"
    if wanted is not None:
        assert set(held) <= set(wanted)
    return bytes(disk[:source.virtual_size])


def _disk(paths: Sequence[Any], staging: TransferSettings, fmt: Optional[str] = None) -> bytes:
    """Return the disk in files, read twice."""
    with formats.opened([str(path) for path in paths], fmt, staging) as source:
        disk = _read(source)
        assert _read(source) == disk, "read again"
        assert _read(source, [1])[B:2 * B] == disk[B:2 * B]
    assert os.listdir(staging.staging_dir) == [], "something is left in the staging directory"
    return disk


def _refused(kind: Type[Exception], phrase: str, paths: Sequence[Any], staging: TransferSettings,
             fmt: Optional[str] = None) -> None:
    with pytest.raises(kind, match=phrase), formats.opened(
            [str(path) for path in paths], fmt, staging) as source:
        _read(source)
    assert os.listdir(staging.staging_dir) == [], "something is left in the staging directory"


def _bootable(size: int, filled: Sequence[int], seed: int = 1) -> bytes:
    return BOOT + disks.disk(size, filled, seed)[512:]


def _vhd(disk: bytes, order: Optional[List[int]] = None, kind: int = independent.DYNAMIC) -> bytes:
    if kind == independent.FIXED:
        return disk + independent.footer(len(disk), independent.FIXED)
    blocks = {number: Block(independent.full(B), data)
              for number, data in disks.cut(disk).items()}
    return independent.build(len(disk), blocks, order=order)


# -- raw ----------------------------------------------------------------------------------------

_pieces = st.lists(st.tuples(st.integers(0, 5 * B), st.integers(1, 3 * MIB)), max_size=5)


@settings(max_examples=30)
@given(sectors=st.integers(1, 5 * B // 512), pieces=_pieces, wanted=st.sets(st.integers(0, 5)))
def test_a_raw_file_with_holes_is_read_as_it_is(sectors: int, pieces: List[Tuple[int, int]],
                                                wanted: Any) -> None:
    size = sectors * 512
    model = bytearray(size)
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "disk"
        with open(path, "wb") as file:
            file.truncate(size)
            for number, (start, length) in enumerate(pieces):
                data = disks.noise(min(length, max(0, size - start)), number)
                file.seek(min(start, size))
                file.write(data)
                model[start:start + len(data)] = data
        there = TransferSettings(staging_dir=directory)
        with formats.opened([str(path)], formats.RAW, there) as source:
            assert _read(source) == model
            some = _read(source, sorted(wanted))
    for number in range(-(-size // B)):
        start = number * B
        expected = model[start:start + B] if number in wanted else bytes(B)
        assert some[start:start + B] == expected[:len(some) - start]


@pytest.mark.parametrize(("size", "phrase"), [
    (0, "it is empty"), (1000, "no multiple of 512"), (10 * B + 1, "no multiple of 512"),
    (constants.MAX_VIRTUAL_SIZE + 512, "up to 2040 GiB")])
def test_a_raw_disk_of_a_size_that_cannot_be_is_refused(
        size: int, phrase: str, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    path = tmp_path / "disk.raw"
    with open(path, "wb") as file:
        file.write(BOOT[:size])
        file.truncate(size)
    _refused(exceptions.ImageUnsupported, phrase, [path], staging, formats.RAW)


def test_the_largest_raw_disk_is_read(tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    path = tmp_path / "disk.raw"
    with open(path, "wb") as file:
        file.truncate(constants.MAX_VIRTUAL_SIZE)
        file.seek(constants.MAX_VIRTUAL_SIZE - 1)
        file.write(b"\1")
    with formats.opened([str(path)], formats.RAW, staging) as source:
        (number, data), = source.blocks()
        assert (number, data[-1], source.virtual_size) == (
            constants.MAX_VIRTUAL_SIZE // B - 1, 1, constants.MAX_VIRTUAL_SIZE)


@pytest.mark.parametrize("change", ["write", "shorten", "replace"])
def test_a_file_that_changes_while_it_is_read_is_refused(
        change: str, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(_bootable(3 * B, [0, 1, 2]))
    os.utime(path, (0, 0))  # within a tick of the file system's clock nothing shows in times
    with formats.opened([str(path)], None, staging) as source:
        blocks = source.blocks()
        next(blocks)
        if change == "replace":
            (tmp_path / "other").write_bytes(path.read_bytes())
            os.replace(tmp_path / "other", path)
        else:
            with open(path, "r+b") as file:
                file.truncate(B if change == "shorten" else 3 * B)
                file.write(b"x")
        with pytest.raises(exceptions.ImageUnsupported, match="while it was read"):
            for _block in blocks:
                pass


# -- what a file is -----------------------------------------------------------------------------

_ISO = BOOT + bytes(0x8001 - 512) + b"CD001" + bytes(B - 0x8006)


@pytest.mark.parametrize(("head", "phrase"), [
    (b"vhdxfile", "VHDX"), (b"KDMV", "VMDK"), (b"COWD", "VMDK"), (b"QED\0", "QED"),
    (b"# Disk DescriptorFile\n", "descriptor of a VMDK"), (_ISO, "ISO image.*iso create"),
    (bytes(257) + b"ustar\0", "tar archive"), (b"PK\3\4", "zip"), (b"BZh9", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"), (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"<<< Oracle VM".ljust(64, b"\0") + struct.pack("<I", 0xbeda107f), "VirtualBox"),
    (b"#!/bin/sh\n", "of no format that can be stored"), (b"", "of no format"),
    (bytes(1024), "of no format")])
def test_what_is_no_disk_is_refused_unless_it_is_said_to_be_raw(
        head: bytes, phrase: str, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    path = tmp_path / "disk"
    # With a boot record where the format leaves room for one.
    data = head if len(head) > 510 else head.ljust(510, b"\0") + (
        b"\x55\xaa" if phrase not in ("of no format that can be stored", "of no format") else b"")
    data = data.ljust(2 * B, b"\0")
    path.write_bytes(data)
    _refused(exceptions.ImageUnsupported, phrase + ".*--format raw", [path], staging)
    assert _disk([path], staging, formats.RAW) == data


@pytest.mark.parametrize("head", [
    b"conectix", qcow2.MAGIC, packed.GZIP, packed.XZ, b"KDMV", b"vhdxfile"])
def test_a_raw_disk_may_begin_with_anything(head: bytes, tmp_path: pathlib.Path,
                                            staging: TransferSettings) -> None:
    """A guest has written it there: nothing is opened that its bytes name."""
    path = tmp_path / "disk"
    data = head + _bootable(2 * B, [1])[len(head):]
    path.write_bytes(data)
    assert _disk([path], staging, formats.RAW) == data


@pytest.mark.parametrize("suffix", [".vhd", ".qcow2", ".vmdk", ".VHD"])
def test_a_boot_record_under_another_formats_name_is_suspicious(
        suffix: str, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    """Such is a fixed VHD that was cut off."""
    path = tmp_path / ("disk" + suffix)
    path.write_bytes(_vhd(_bootable(3 * B, [1]), kind=independent.FIXED)[:2 * B])
    _refused(exceptions.ImageUnsupported, "is called like a .* and is none", [path], staging)


@pytest.mark.parametrize("kind", [independent.FIXED, independent.DYNAMIC])
@pytest.mark.parametrize("name", ["disk.vhd", "disk"])
def test_vhds_of_both_kinds_are_told_by_their_bytes(
        kind: int, name: str, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    disk = _bootable(4 * B - 512, [0, 2])
    (tmp_path / name).write_bytes(_vhd(disk, kind=kind))
    assert _disk([tmp_path / name], staging) == disk


@pytest.mark.parametrize("kind", [independent.FIXED, independent.DYNAMIC])
def test_a_vhd_that_is_cut_off_is_refused(kind: int, tmp_path: pathlib.Path,
                                          staging: TransferSettings) -> None:
    whole = _vhd(_bootable(4 * B, [0, 2]), kind=kind)
    path = tmp_path / "disk.vhd"
    for size in (600, len(whole) // 2, len(whole) - 512, len(whole) - 1):
        path.write_bytes(whole[:size])
        _refused(exceptions.SwiftVhdError, "ends|cut off|no multiple|not a VHD|of no format|"
                 "footer", [path], staging)
        _refused(exceptions.VhdError, ".", [path], staging, formats.VHD)


def test_a_disk_that_needs_no_staging_needs_no_directory_for_it(tmp_path: pathlib.Path) -> None:
    """Nor the right to write into one that is nova-compute's."""
    nowhere = TransferSettings(staging_dir=str(tmp_path / "missing"))
    disk = _bootable(2 * B, [1])
    path = tmp_path / "disk"
    for data in (disk, _vhd(disk), gzip.compress(disk)):
        path.write_bytes(data)
        with formats.opened([str(path)], None, nowhere) as source:
            assert _read(source) == disk


def test_a_format_that_is_said_is_believed(tmp_path: pathlib.Path,
                                           staging: TransferSettings) -> None:
    path = tmp_path / "disk"
    path.write_bytes(_bootable(2 * B, [1]))
    _refused(exceptions.VhdError, "not a VHD", [path], staging, formats.VHD)
    _refused(exceptions.ImageUnsupported, "no qcow2 image", [path], staging, formats.QCOW2)
    _refused(exceptions.ImageCorrupt, "tgz", [path], staging, formats.OVF)
    _refused(exceptions.ImageUnsupported, "2 files make no disk", [path, path], staging,
             formats.RAW)


def test_a_file_that_cannot_be_read_is_named(tmp_path: pathlib.Path,
                                             staging: TransferSettings) -> None:
    _refused(exceptions.NotThere, "nothing cannot be read: No such file",
             [tmp_path / "nothing"], staging)
    _refused(exceptions.TransferFailed, "cannot be read: Is a directory", [tmp_path], staging)


def test_standard_input_is_taken(tmp_path: pathlib.Path, staging: TransferSettings,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    for data, disk in ((_bootable(3 * B, [1]), _bootable(3 * B, [1])),
                       (_vhd(_bootable(3 * B, [1])), _bootable(3 * B, [1]))):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert _disk([formats.STDIN], staging) == disk


# -- packed -------------------------------------------------------------------------------------

_PACKED = {
    "raw": lambda disk: disk,
    "dynamic": _vhd,
    "not in order": lambda disk: _vhd(disk, order=[2, 0]),
    "fixed": lambda disk: _vhd(disk, kind=independent.FIXED),
}


@pytest.mark.parametrize("inside", sorted(_PACKED))
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_compressed_disks_are_read(inside: str, pack: Any, tmp_path: pathlib.Path,
                                   staging: TransferSettings) -> None:
    disk = _bootable(4 * B - 512, [0, 2])
    path = tmp_path / "disk.packed"
    path.write_bytes(pack(_PACKED[inside](disk)))
    assert _disk([path], staging) == disk
    no_room = TransferSettings(staging_dir=staging.staging_dir, staging_limit=MIB)
    if inside in ("raw", "dynamic"):
        assert _disk([path], no_room) == disk, "read as it comes"
    else:
        _refused(exceptions.StagingFull, "more than the 1048576 bytes", [path], no_room)


def test_a_qcow2_image_that_is_compressed_is_unpacked(
        tmp_path: pathlib.Path, staging: TransferSettings,
        qemu_img: QemuImg) -> None:  # noqa: F811
    disk = _bootable(2 * B, [1])
    path = tmp_path / "disk.gz"
    path.write_bytes(gzip.compress(_qcow2(tmp_path, qemu_img, disk).read_bytes()))
    assert _disk([path], staging) == disk


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_what_is_packed_and_damaged_is_refused_before_it_is_read(
        pack: Any, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    whole = bytearray(pack(_bootable(4 * B, [0, 2])))
    path = tmp_path / "disk.packed"
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    for data in (whole[:-20], changed):
        path.write_bytes(bytes(data))
        with pytest.raises(exceptions.ImageCorrupt, match="damaged or cut off"), formats.opened(
                [str(path)], None, staging):
            pytest.fail("it was opened")


def test_what_is_packed_and_no_disk_is_refused(tmp_path: pathlib.Path,
                                               staging: TransferSettings) -> None:
    path = tmp_path / "notes.gz"
    path.write_bytes(gzip.compress(b"a text\n" * 200))
    _refused(exceptions.ImageUnsupported, "of no format", [path], staging)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_an_iso_with_a_boot_record_is_no_disk(
        pack: Any, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    iso = bytearray(_bootable(2 * B, [1]))
    iso[0x8001:0x8006] = b"CD001"
    path = tmp_path / "installer"
    path.write_bytes(pack(bytes(iso)))
    _refused(exceptions.ImageUnsupported, "like an ISO image", [path], staging)


@pytest.mark.parametrize("archive", [False, True])
def test_what_is_packed_and_changes_while_it_is_read_is_refused(
        archive: bool, tmp_path: pathlib.Path, staging: TransferSettings) -> None:
    path = tmp_path / "disk.gz"
    disk = _bootable(6 * B, range(6))
    path.write_bytes(images.tgz([("0.vhd", _vhd(disk))]) if archive else gzip.compress(disk))
    os.utime(path, (1, 1))
    with formats.opened([str(path)], None, staging) as source, contextlib.closing(
            source.blocks()) as blocks:
        next(blocks)
        with open(path, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"x")
        with pytest.raises(exceptions.ImageUnsupported, match="was changed while it was read"):
            list(blocks)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("block_size", [images.SMALL, B])
def test_an_archive_of_vhds_is_read(count: int, block_size: int, tmp_path: pathlib.Path,
                                    staging: TransferSettings) -> None:
    chain = images.chain(count, blocks=4, block_size=block_size)
    path = tmp_path / "image"
    path.write_bytes(images.numbered(chain.vhds, order=list(range(count))[::-1]))
    assert _disk([path], staging) == chain.disk
    assert _disk([path], staging, formats.OVF) == chain.disk


def test_an_archive_of_one_whole_vhd_needs_no_room(tmp_path: pathlib.Path,
                                                   staging: TransferSettings) -> None:
    disk = _bootable(4 * B, [0, 2])
    path = tmp_path / "image"
    path.write_bytes(images.tgz([("readme", b"x" * 999), ("0.vhd", _vhd(disk))]))
    none = TransferSettings(staging_dir=staging.staging_dir, staging_limit=0)
    assert _disk([path], none) == disk


def test_archives_that_make_no_disk_are_refused(tmp_path: pathlib.Path,
                                                staging: TransferSettings) -> None:
    chain = images.chain(3, blocks=4)
    path = tmp_path / "image"
    for data, kind, phrase in (
            (images.tgz([("readme", b"x")]), exceptions.ImageUnsupported, "without a file called"),
            (images.numbered(chain.vhds[:2]), exceptions.ChainBroken, "wants the parent"),
            (images.numbered(chain.vhds)[:-300], exceptions.ImageCorrupt, "damaged or truncated"),
            (images.tgz([("0.vhd", b"no vhd")]), exceptions.VhdError, "footer")):
        path.write_bytes(data)
        _refused(kind, phrase, [path], staging)


# -- qcow2 --------------------------------------------------------------------------------------

def _qcow2(directory: pathlib.Path, program: QemuImg, disk: bytes, *options: str) -> pathlib.Path:
    raw, made = directory / "for.raw", directory / "disk.qcow2"
    raw.write_bytes(disk)
    program.run("convert", "-f", "raw", "-O", "qcow2", *options, str(raw), str(made))
    return made


@settings(max_examples=12)
@given(sectors=st.integers(1, 70 * MIB // 512), cluster=st.sampled_from(["512", "64k", "2M"]),
       pieces=st.lists(st.tuples(st.integers(0, 70 * MIB), st.integers(1, 3 * MIB)), max_size=5),
       more=st.sampled_from([(), ("-c",), ("-o", "compat=0.10")]))
def test_a_qcow2_image_is_read_as_its_disk_is(
        qemu_img: QemuImg, sectors: int, cluster: str,  # noqa: F811
        pieces: List[Tuple[int, int]], more: Tuple[str, ...]) -> None:
    size = sectors * 512
    model = bytearray(size)
    for number, (start, length) in enumerate(pieces):
        data = disks.noise(min(length, max(0, size - start)), number)
        model[start:start + len(data)] = data
    with tempfile.TemporaryDirectory() as directory:
        path = _qcow2(pathlib.Path(directory), qemu_img, bytes(model), "-o",
                      "cluster_size=" + cluster, *more)
        (pathlib.Path(directory) / "staging").mkdir()
        assert _disk([path], TransferSettings(
            staging_dir=directory + "/staging")) == bytes(model)


def test_zeros_that_a_qcow2_image_says_are_zeros_are_no_data(
        tmp_path: pathlib.Path, staging: TransferSettings,
        qemu_img: QemuImg) -> None:  # noqa: F811
    path = tmp_path / "disk.qcow2"
    qemu_img.run("create", "-q", "-f", "qcow2", str(path), "1T")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 900G 64k", "-c",
                    "write -z 800G 1M", str(path)], check=True, stdout=subprocess.DEVNULL)
    with formats.opened([str(path)], None, staging) as source:
        assert [number for number, _data in source.blocks()] == [900 * 512]


@pytest.fixture
def made(tmp_path: pathlib.Path, qemu_img: QemuImg) -> Iterator[Dict[str, Any]]:  # noqa: F811
    """Files that are no qcow2 images whole in themselves, by what is wrong, and what is said."""
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"the host's own".ljust(MIB, b"\0"))
    whole = _qcow2(tmp_path, qemu_img, _bootable(8 * B, [0, 2, 3]))
    data = whole.read_bytes()
    found: Dict[str, Any] = {}

    def add(name: str, kind: Type[Exception], phrase: str, content: Optional[bytes] = None,
            *create: str) -> None:
        path = tmp_path / (name + ".qcow2")
        if content is None:
            qemu_img.run("create", "-q", "-f", "qcow2", *create[:-1], str(path), create[-1])
        else:
            path.write_bytes(content)
        found[name] = path, kind, phrase

    def features(bits: int) -> bytes:
        return data[:72] + struct.pack(">Q", bits) + data[80:]

    unsupported, corrupt = exceptions.ImageUnsupported, exceptions.ImageCorrupt
    add("backing", unsupported, "has a backing file", None, "-b", str(secret), "-F", "raw", "1M")
    add("external", unsupported, "keeps its data in another file", None, "-o",
        "data_file=%s,data_file_raw=on" % (tmp_path / "other.raw"), "1M")
    add("encrypted", unsupported, "is encrypted", data[:32] + struct.pack(">I", 1) + data[36:])
    add("version", unsupported, "of version 1", data[:4] + struct.pack(">I", 1) + data[8:])
    add("marked", corrupt, "marked it as corrupt", features(2))
    add("unknown", corrupt, "damaged", features(1 << 40))
    add("odd", unsupported, "no multiple of 512", data[:24] + struct.pack(">Q", B + 1) + data[32:])
    add("large", unsupported, "up to 2040 GiB", data[:24] + struct.pack(">Q", 2 ** 50)
        + data[32:])
    add("header", corrupt, "inside the header", data[:20])
    add("cut", corrupt, "cut off|damaged", data[:len(data) // 2])
    add("cut at the end", corrupt, "cut off|damaged", data[:-512])
    table = struct.unpack_from(">Q", data, 40)[0]
    add("table", corrupt, "damaged", data[:table] + b"\x80" + b"\xff" * 7 + data[table + 8:])
    yield found


@pytest.mark.parametrize("name", [
    "backing", "external", "encrypted", "version", "marked", "unknown", "odd", "large", "header",
    "cut", "cut at the end", "table"])
def test_a_qcow2_image_that_is_damaged_or_needs_others_is_refused(
        name: str, made: Dict[str, Any], staging: TransferSettings) -> None:
    path, kind, phrase = made[name]
    _refused(kind, phrase, [path], staging)


def test_a_qcow2_image_that_a_vm_runs_from_is_told_from_a_damaged_one(
        made: Dict[str, Any], tmp_path: pathlib.Path, staging: TransferSettings,
        qemu_img: QemuImg) -> None:  # noqa: F811
    """Whatever its path is called, which is in what QEMU says."""
    (tmp_path / "locked").mkdir()
    path = tmp_path / "locked" / "disk.qcow2"
    path.write_bytes(made["unknown"][0].read_bytes())
    _refused(exceptions.ImageCorrupt, "damaged", [path], staging)
    path = _qcow2(tmp_path, qemu_img, _bootable(2 * B, [0]))
    with subprocess.Popen(["qemu-io", "-f", "qcow2", str(path)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as running:
        assert running.stdin is not None and running.stdout is not None
        running.stdin.write(b"length\n")
        running.stdin.flush()
        running.stdout.readline()
        _refused(exceptions.ImageUnsupported, "is in use.*stop the VM", [path], staging)
        running.stdin.close()


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_qemu_img_that_is_killed_in_the_middle_of_a_line_is_told(
        tmp_path: pathlib.Path, staging: TransferSettings, monkeypatch: pytest.MonkeyPatch,
        code: int) -> None:
    program = tmp_path / "qemu-img"
    program.write_text("""#!/bin/sh
[ "$1" = map ] || exit 0
echo '[{"start": 0, "length": 65536, "depth": 0, "zero": false, "data": true, "offset": 0},'
printf '{"start": 65536, "len'
exit %d
""" % code)
    program.chmod(0o755)
    path = tmp_path / "disk.qcow2"
    path.write_bytes(struct.pack(">4sIQIIQIIQ", b"QFI\xfb", 3, 0, 0, 16, B, 0, 1, 0).ljust(
        65536, b"\0"))
    monkeypatch.setenv("PATH", "%s:%s" % (tmp_path, os.environ["PATH"]))
    _refused(exceptions.ImageCorrupt, "`qemu-img map`", [path], staging)


def test_without_qemu_img_it_is_said_what_to_install(
        tmp_path: pathlib.Path, staging: TransferSettings, monkeypatch: pytest.MonkeyPatch,
        qemu_img: QemuImg) -> None:  # noqa: F811
    path = _qcow2(tmp_path, qemu_img, _bootable(B, [0]))
    monkeypatch.setenv("PATH", str(tmp_path))
    _refused(exceptions.ConfigError, "qemu-img, is not on this machine: install it", [path],
             staging)


def test_no_more_than_two_pieces_are_staged(tmp_path: pathlib.Path, staging: TransferSettings,
                                            qemu_img: QemuImg) -> None:  # noqa: F811
    path = tmp_path / "disk.qcow2"
    qemu_img.run("create", "-q", "-f", "qcow2", str(path), "1G")
    commands = [each for start in range(0, 1024, 64)
                for each in ("-c", "write -P 7 %dM 2M" % start)]
    subprocess.run(["qemu-io", "-f", "qcow2", *commands, str(path)], check=True,
                   stdout=subprocess.DEVNULL)
    most = 0
    with formats.opened([str(path)], None, staging) as source:
        count = 0
        for _number, _data in source.blocks():
            count += 1
            most = max(most, sum(path.stat().st_size for path in pathlib.Path(
                staging.staging_dir).rglob("*.raw")))
    assert count == 16
    assert most <= 2 * qcow2.PIECE * B


def test_one_whose_header_names_others_only_later_is_refused(
        tmp_path: pathlib.Path, staging: TransferSettings, monkeypatch: pytest.MonkeyPatch,
        qemu_img: QemuImg) -> None:  # noqa: F811
    """Whoever may write to the file while it is read gets nothing of the machine's files."""
    path, other = _qcow2(tmp_path, qemu_img, _bootable(8 * B, [0])), tmp_path / "other.qcow2"
    os.utime(path, (0, 0))
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"S" * (8 * B))
    other.write_bytes(path.read_bytes())
    qemu_img.run("rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(other))
    assert b"S" * 512 in _with_qemu(qemu_img, other), "what it would read"
    monkeypatch.setattr(qcow2, "PIECE", 1)
    monkeypatch.setattr(qcow2.Qcow2Source, "_pieces", lambda self: [
        qcow2._Piece(number, [number]) for number in range(8)])
    with formats.opened([str(path)], None, staging) as source, contextlib.closing(
            source.blocks()) as blocks:
        assert next(blocks)[0] == 0
        path.write_bytes(other.read_bytes())
        with pytest.raises(exceptions.ImageUnsupported, match="changed while it was read"):
            for _number, data in blocks:
                assert b"S" * 512 not in data


def _with_qemu(program: QemuImg, path: pathlib.Path) -> bytes:
    made = path.with_suffix(".got")
    program.run("convert", "-f", "qcow2", "-O", "raw", str(path), str(made))
    return made.read_bytes()


def test_a_chain_of_files_is_read_in_any_order(tmp_path: pathlib.Path,
                                               staging: TransferSettings) -> None:
    chain = images.chain(3, blocks=3)
    paths = []
    for number, data in enumerate(chain.vhds):
        paths.append(tmp_path / ("%d.vhd" % number))
        paths[-1].write_bytes(data)
    with formats.opened([str(path) for path in paths[::-1]], None, staging) as source:
        assert isinstance(source, FileSource)
        assert _read(source) == chain.disk
