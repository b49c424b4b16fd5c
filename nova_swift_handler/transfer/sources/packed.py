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

"""Disks that are packed: compressed by gzip or xz, or VHDs in a gzipped tar.

What can be read front to back is, once to see whether it is whole and what it is, and once more
for each time that its blocks are wanted.  What cannot is unpacked into the staging directory.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import lzma
import zlib
from typing import Any, Callable, Collection, ContextManager, Generator, Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.files import tgz
from nova_swift_handler.files.staged import Room
from nova_swift_handler.transfer.sources import rawfile, source
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource, FileSource
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd import footer as footers
from nova_swift_handler.vhd.layout import block_count
from nova_swift_handler.vhd.reader import StreamReader, fill

LOG = logging.getLogger(__name__)

GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\0"
"""What compressed files begin with (RFC 1952, 2.3.1; the .xz file format, 2.1.1.1)."""

TAR_AT, TAR = 257, b"ustar"
"""Where a tar has its magic, and what that is (POSIX, pax)."""

HEAD = 0x8006
"""Bytes by whose beginning it can be told what a disk is, and no other."""

_PIECE = 1024 * 1024
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)

Opener = Callable[[], ContextManager[tgz.Readable]]
"""Opens the same bytes anew, from their beginning."""


class RawStream(DiskSource):
    """A raw disk that comes as a stream.

    :param size: bytes of the disk.
    """

    def __init__(self, opener: Opener, size: int, what: str) -> None:
        rawfile.check_size(size, what)
        self._open = opener
        self._what = what
        self.virtual_size = size

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`."""
        with self._open() as stream:
            for number in range(block_count(self.virtual_size)):
                data = bytearray(constants.BLOCK_SIZE)
                length = min(len(data), self.virtual_size - number * constants.BLOCK_SIZE)
                with memoryview(data) as view, view[:length] as part:
                    if fill(stream, part) < length:
                        raise exceptions.ImageUnsupported(
                            "%s became shorter while it was read" % self._what)
                if wanted is None or number in wanted:
                    yield number, data


class VhdStream(DiskSource):
    """A dynamic VHD that comes as a stream, its blocks ascending."""

    def __init__(self, opener: Opener, what: str) -> None:
        self._open = opener
        self._what = what
        self.virtual_size = 0

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`."""
        with self._open() as stream:
            reader = StreamReader(stream)
            source.check_whole(reader, self._what)
            self.virtual_size = reader.footer.virtual_size
            yield from source.read_whole(reader, wanted)


class _Unpacked:
    """What is in a file compressed by gzip or xz."""

    def __init__(self, path: str, file: Any) -> None:
        self._path = path
        self._file = file

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end.

        :raises ImageCorrupt: it is damaged or cut off.
        """
        try:
            return bytes(self._file.read(size))
        except _DAMAGED as error:
            raise exceptions.ImageCorrupt(
                "%s is damaged or cut off: %s; fetch it again" % (self._path, error)) from error


@contextlib.contextmanager
def unpacked(path: str) -> Iterator[tgz.Readable]:
    """Give what is in a file compressed by gzip or xz."""
    with source.unchanged(path), open(path, "rb") as file:
        is_xz = file.read(len(XZ)) == XZ
        file.seek(0)
        kind: Any = lzma.open if is_xz else gzip.open
        with kind(file) as opened:
            yield _Unpacked(path, opened)


def is_archive(path: str) -> bool:
    """Tell whether what is in a compressed file is a tar.

    :raises ImageCorrupt: it is damaged.
    """
    with unpacked(path) as stream:
        return stream.read(TAR_AT + len(TAR))[TAR_AT:] == TAR


def compressed(path: str, room: Room, plain: Callable[[str], DiskSource],
               check_raw: Callable[[bytes, str], None]) -> DiskSource:
    """Return the disk that is in a compressed file.

    :param plain: gives the disk that is in a file which is not packed.
    :param check_raw: is given the first :data:`HEAD` bytes of what may be a raw disk, and its
        name; raises if it is something else.
    :raises ImageCorrupt: it is damaged or cut off.
    """
    what = "what is in " + path
    LOG.info("Reading %s once to see whether it is whole", path)
    with unpacked(path) as stream:
        first = last = piece = stream.read(HEAD)
        size = 0
        while piece:
            size += len(piece)
            last = (last + piece)[-constants.FOOTER_SIZE:]
            piece = stream.read(_PIECE)
    if first.startswith(footers.COOKIE):
        if _streams(lambda: unpacked(path)):
            return VhdStream(lambda: unpacked(path), what)
    elif (first[rawfile.BOOT_AT:].startswith(rawfile.BOOT)
            and not last.startswith(footers.COOKIE)):
        check_raw(first, what)
        return RawStream(lambda: unpacked(path), size, what)
    with unpacked(path) as stream:
        return plain(room.keep("unpacked", stream, what))


def archive(path: str, room: Room) -> DiskSource:
    """Return the disk that the VHDs in a gzipped tar make.

    :raises ImageCorrupt: it is damaged or cut off.
    :raises ImageUnsupported: it has no VHD.
    :raises VhdError, ChainBroken: they make no disk.
    """
    LOG.info("Reading %s once to see whether it is whole", path)
    count = 0
    for member in _vhds(path):
        count += 1
        while member.read(_PIECE):
            pass
    if not count:
        raise exceptions.ImageUnsupported(
            "%s is a gzipped tar without a file called .vhd; of XenServer's images such have "
            "0.vhd and its parents" % path)
    if count == 1 and _streams(lambda: _only(path)):
        return VhdStream(lambda: _only(path), "the VHD in " + path)
    return FileSource(*[room.keep("%d.vhd" % number, member, "%s of %s" % (member.name, path))
                        for number, member in enumerate(_vhds(path))])


def _vhds(path: str) -> Generator[tgz.Member, None, None]:
    with source.unchanged(path), open(path, "rb") as file:
        for member in tgz.members(file):
            if member.name.lower().endswith(".vhd"):
                yield member


@contextlib.contextmanager
def _only(path: str) -> Iterator[tgz.Readable]:
    with source.unchanged(path), contextlib.closing(_vhds(path)) as members:
        yield next(members)


def _streams(opener: Opener) -> bool:
    """Tell whether a VHD is a whole disk that can be stored as it comes.

    If not, something else has to be done or said about it.
    """
    with opener() as stream:
        try:
            source.check_whole(StreamReader(stream), "")
        except exceptions.VhdError:
            return False
    return True
