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

"""The files in a gzipped tar that anybody may have made, read front to back.

Whatever its headers claim, no more memory is taken than for the pieces that are asked for.
"""

from __future__ import annotations

import contextlib
import gzip
import struct
import tarfile
import zlib
from typing import IO, Any, Iterator, Optional, Protocol, cast

from nova_swift_handler import exceptions

MAGIC = b"\x1f\x8b"

_PIECE = 1024 * 1024
_BUFFER = 64 * 1024

_HEADERS = 1024 * 1024
"""Most bytes of one file's headers: names and attributes, which tarfile reads whole."""

_MAX_FILES = 1000

_PASSED_OVER = 256 * 1024 * 1024
"""Most bytes that are unpacked for nothing; what unpacks to terabytes takes days to find out."""


class Readable(Protocol):
    """Bytes, front to back."""

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end."""


class Member:
    """A file in a tar; to be read before the next one is asked for.

    :ivar name: its path as the tar has it.
    :ivar size: its bytes.
    """

    def __init__(self, name: str, size: int, file: Readable) -> None:
        self.name = name
        self.size = size
        self._file = file

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end.

        :raises ImageCorrupt: the tgz is damaged or ends.
        """
        with _tar_errors():
            return self._file.read(size)


def members(stream: Readable) -> Iterator[Member]:
    """Yield the regular files of the tgz in *stream*; then check that it ends as it should.

    :raises ImageCorrupt: it is damaged or ends early; gzip's checksum is only known to be right
        when all files have been yielded.
    :raises ImageUnsupported: it holds more than 1000 files, or one stored as sparse.
    """
    unpacked = _Unpacked(stream)
    with unpacked.headers():
        tar = tarfile.open(  # noqa: SIM115  (holds nothing that is to be closed)
            fileobj=cast(Any, unpacked), mode="r|", bufsize=_BUFFER)
    for _count in range(_MAX_FILES):
        with unpacked.headers():
            info = tar.next()
            # Of a link tarfile would give the file it leads to.
            has_data = info is not None and not (info.issym() or info.islnk())
            file = tar.extractfile(info) if info is not None and has_data else None
        if info is None:
            _drain(unpacked)
            return
        if info.issparse():
            # A few bytes claim exabytes of holes, which nothing is read for while they are given.
            raise exceptions.ImageUnsupported(
                "the image is a tgz with %s stored as a sparse file; make it without tar's option "
                "--sparse" % info.name)
        if file is not None:
            member = Member(info.name, info.size, cast(Readable, file))
            if info.isreg():
                yield member
            _drain(member)
    raise exceptions.ImageUnsupported(
        "the image is a tgz of more than %d files; one of VHDs has a few" % _MAX_FILES)


class _Unpacked:
    """What is in a gzip, unpacked no further than it is asked for."""

    def __init__(self, stream: Readable) -> None:
        self._file = gzip.GzipFile(fileobj=cast(IO[bytes], stream), mode="rb")
        self._allowed: Optional[int] = None

    @contextlib.contextmanager
    def headers(self) -> Iterator[None]:
        """Refuse, in the context, to give more than headers have."""
        self._allowed = _HEADERS + _BUFFER
        try:
            with _tar_errors():
                yield
        finally:
            self._allowed = None

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise exceptions.ImageCorrupt(
                "the image is a damaged or truncated tgz: %s" % error) from error
        if self._allowed is not None:
            self._allowed -= len(data)
            if self._allowed < 0:
                raise exceptions.ImageCorrupt(
                    "the image is a tgz with a file whose headers have more than %d bytes"
                    % _HEADERS)
        return data


def _drain(stream: Readable) -> None:
    left = _PASSED_OVER
    while left > 0:
        piece = stream.read(_PIECE)
        if not piece:
            return
        left -= len(piece)
    raise exceptions.ImageUnsupported(
        "the image is a tgz with more than %d bytes of something else than VHDs" % _PASSED_OVER)


@contextlib.contextmanager
def _tar_errors() -> Iterator[None]:
    try:
        yield
    # tarfile lets much else through than its own errors when headers hold nonsense.
    except (tarfile.TarError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError,
            struct.error) as error:
        raise exceptions.ImageCorrupt(
            "the image is a tgz of a damaged or truncated tar: %s" % error) from error
