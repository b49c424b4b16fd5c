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

"""What kind of disk files hold, told by their bytes; a person may say so instead.

The bytes of a raw disk can be anything, also what another format begins with.  So files are only
taken for raw disks if they begin with a boot record, and with nothing else that is known.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Callable, Dict, Iterator, Optional, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.files import tempdir
from nova_swift_handler.files.staged import Room
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.sources import packed, qcow2, rawfile
from nova_swift_handler.transfer.sources.source import DiskSource, FileSource
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd import footer as footers

VHD, RAW, QCOW2, OVF = "vhd", "raw", "qcow2", "ovf"
FORMATS = (VHD, RAW, QCOW2, OVF)

STDIN = "-"

_OTHERS = (
    (0, b"vhdxfile", "a VHDX image"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"COWD", "a VMDK image"),
    (0, b"# Disk DescriptorFile", "the descriptor of a VMDK image"),
    (0x40, b"\x7f\x10\xda\xbe", "a VDI image of VirtualBox"),
    (0, b"QED\0", "a QED image"),
    (0x8001, b"CD001", "an ISO image, which `swift-vhd iso create` stores"),
    (packed.TAR_AT, packed.TAR, "a tar archive, such as an OVA or XVA: unpack it"),
    (0, b"PK\3\4", "a zip archive: unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (0, b"BZh", "compressed by bzip2: unpack it"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it"),
)
"""Offset, magic, and what has it there."""

_CALLED = {".vhd": "VHD", ".vpc": "VHD", ".qcow2": "qcow2 image", ".qcow": "qcow2 image",
           ".vhdx": "VHDX image", ".vmdk": "VMDK image", ".vdi": "VDI image"}


@contextlib.contextmanager
def opened(paths: Sequence[str], fmt: Optional[str],
           settings: TransferSettings) -> Iterator[DiskSource]:
    """Give the disk that files hold.

    :param paths: one file, the VHDs of a chain in any order, or ``STDIN``.
    :param fmt: one of ``FORMATS``; None tells it by the bytes.
    :raises ImageUnsupported: they hold no disk, or one of a kind that cannot be stored.
    :raises ImageCorrupt, VhdError: they are damaged.
    :raises StagingFull: what has to be unpacked first needs more room than there is.
    :raises TransferFailed: they cannot be read.
    """
    tempdir.remove_abandoned(settings.staging_dir)
    with Room(settings) as room:
        if list(paths) == [STDIN]:
            paths = [room.keep("stdin", sys.stdin.buffer, "what came by standard input")]
        with rawfile.readable(paths):
            source = _opened(paths, fmt, settings, room)
        yield source


def _opened(paths: Sequence[str], fmt: Optional[str], settings: TransferSettings,
            room: Room) -> DiskSource:
    if len(paths) > 1:
        if fmt not in (None, VHD):
            raise exceptions.ImageUnsupported(
                "%d files make no disk of the format %s; the only disk in several files that is "
                "understood is a chain of VHDs" % (len(paths), fmt))
        return FileSource(*paths)
    path, = paths
    if fmt is None and _head(path).startswith((packed.GZIP, packed.XZ)):
        if packed.is_archive(path):
            return packed.archive(path, room)
        return packed.compressed(path, room, lambda plain: _plain(plain, settings),
                                 _refuse_others)
    if fmt == OVF:
        return packed.archive(path, room)
    return _plain(path, settings, fmt)


def _plain(path: str, settings: TransferSettings, fmt: Optional[str] = None) -> DiskSource:
    makers: Dict[str, Callable[[], DiskSource]] = {
        VHD: lambda: FileSource(path), RAW: lambda: rawfile.RawSource(path),
        QCOW2: lambda: qcow2.Qcow2Source(path, settings)}
    return makers[fmt or _told(path)]()


def _told(path: str) -> str:
    """Return which format a file that is not packed has, by its bytes.

    :raises ImageUnsupported: none that can be stored, or it could be several.
    """
    head = _head(path)
    if head.startswith(footers.COOKIE):
        return VHD
    if head.startswith(qcow2.MAGIC):
        return QCOW2
    _refuse_others(head, path)
    if _tail(path).startswith(footers.COOKIE):
        return VHD  # a fixed one has its footer alone, at its end
    if head[rawfile.BOOT_AT:rawfile.BOOT_AT + len(rawfile.BOOT)] != rawfile.BOOT:
        raise exceptions.ImageUnsupported(
            "%s is of no format that can be stored (a VHD, raw, qcow2, or an ovf tgz of VHDs), "
            "and does not begin with a boot record, as raw disks mostly do. If these are the "
            "bytes of a raw disk all the same, say --format raw" % path)
    called = _CALLED.get(os.path.splitext(path)[1].lower())
    if called is not None:
        raise exceptions.ImageUnsupported(
            "%s is called like a %s and is none; it is cut off if it was one, as of a fixed VHD "
            "the footer is at the end. If these are the bytes of a raw disk, say --format raw"
            % (path, called))
    return RAW


def _refuse_others(head: bytes, path: str) -> None:
    """Refuse what begins as something does that cannot be stored."""
    for offset, magic, what in _OTHERS:
        if head[offset:offset + len(magic)] == magic:
            raise exceptions.ImageUnsupported(
                "%s begins like %s; what can be stored is a VHD, raw, qcow2, or an ovf tgz of "
                "VHDs. If these are the bytes of a raw disk, say --format raw" % (path, what))


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(packed.HEAD)


def _tail(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - constants.FOOTER_SIZE))
        return file.read(constants.FOOTER_SIZE)
