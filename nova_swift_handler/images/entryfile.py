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

"""The file of a catalogue's entry: hashed as it is downloaded, and proven when all has come."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Any, Callable, Collection, Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.files import tempdir
from nova_swift_handler.images.catalogue import Entry
from nova_swift_handler.images.remote import Download, Server
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource, check_whole, trim
from nova_swift_handler.vhd.reader import StreamReader

_PIECE = 1024 * 1024


class EntryDisk(DiskSource):
    """The VHD of an entry, as it is downloaded."""

    def __init__(self, server: Server, entry: Entry, threads: int,
                 passed: Callable[[int], None]) -> None:
        self._server = server
        self._entry = entry
        self._threads = threads
        self._passed = passed
        self.virtual_size = entry.virtual_size

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`; that the digest is right is known when all has come."""
        entry = self._entry
        what = "template %r of %s" % (entry.name, self._server.source)
        with Download(self._server, entry.url, entry.size, self._threads) as data:
            hashed = _Hashed(data, entry, self._passed)
            reader = StreamReader(hashed, entry.size)
            check_whole(reader, what)
            if reader.footer.virtual_size != entry.virtual_size:
                raise exceptions.CatalogueInvalid(
                    "%s is a disk of %d bytes, the catalogue says %d"
                    % (what, reader.footer.virtual_size, entry.virtual_size))
            for block in reader.blocks():
                if wanted is None or block.number in wanted:
                    yield block.number, trim(block.number, block.normalised(), self.virtual_size)
            hashed.check()


@contextlib.contextmanager
def staged(server: Server, entry: Entry, settings: TransferSettings,
           passed: Callable[[int], None]) -> Iterator[str]:
    """Give the path of an entry's file, which is gone when the context is left.

    :param passed: called with the bytes of each piece that came.
    :raises StagingFull: there is no room for it, or it is larger than it may be.
    :raises CatalogueInvalid: it is not what the catalogue says.
    """
    if entry.size > settings.staging_limit:
        raise exceptions.StagingFull(
            "ISO %r of %d bytes is larger than staging_limit in [swift_vhd] allows"
            % (entry.name, entry.size))
    with tempdir.LockedDirectory(settings.staging_dir) as staging:
        path = os.path.join(staging.path, "iso")
        try:
            with open(path, "wb") as file, Download(
                    server, entry.url, entry.size, settings.download_threads) as data:
                hashed = _Hashed(data, entry, passed)
                for piece in iter(lambda: hashed.read(_PIECE), b""):
                    file.write(piece)
                hashed.check()
        except OSError as error:
            raise exceptions.StagingFull(
                "ISO %r cannot be staged in %s: %s; make room or set staging_dir in "
                "[swift_vhd]" % (entry.name, settings.staging_dir, error.strerror)) from error
        yield path


class _Hashed:
    """A stream whose bytes are hashed as they are read."""

    def __init__(self, stream: Download, entry: Entry, passed: Callable[[int], None]) -> None:
        self._stream = stream
        self._entry = entry
        self._passed = passed
        self._digest: Any = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        self._passed(len(piece))
        return piece

    def check(self) -> None:
        """See that what was read is what the catalogue says.

        :raises CatalogueInvalid: it is not.
        """
        if self._digest.hexdigest() != self._entry.sha256:
            raise exceptions.CatalogueInvalid(
                "%s %r is not taken: the SHA-256 of what came is %s, the catalogue says %s; "
                "nothing of it was registered" % (self._entry.kind, self._entry.name,
                                                  self._digest.hexdigest(), self._entry.sha256))
