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

"""Room for temporary files, as much as the operator allows."""

from __future__ import annotations

import contextlib
import errno
import os
from types import TracebackType
from typing import Any, Iterator, Optional, Type

from nova_swift_handler import exceptions
from nova_swift_handler.files import tempdir
from nova_swift_handler.settings import TransferSettings

_PIECE = 1024 * 1024
_ZERO = bytes(_PIECE)


class Room:
    """A private directory, removed with all that is in it when the context is left.

    It is made when something is kept: most disks need none, nor the right to make one.
    """

    def __init__(self, settings: TransferSettings) -> None:
        self._limit = settings.staging_limit
        self._parent = settings.staging_dir
        self._held = contextlib.ExitStack()
        self._path = ""
        self._used = 0

    def __enter__(self) -> Room:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._held.close()

    def keep(self, name: str, stream: Any, what: str) -> str:
        """Write all of *stream* into a file *name*, zeros as holes; return its path.

        :param what: what messages call the bytes.
        :raises StagingFull: they would exceed the configured limit, or the file system.
        """
        if not self._path:
            self._path = self._held.enter_context(tempdir.LockedDirectory(self._parent)).path
        path = os.path.join(self._path, name)
        with told_when_full(self._parent, what), open(path, "wb") as file:
            piece = stream.read(_PIECE)
            while piece:
                self._write(file, piece, what)
                piece = stream.read(_PIECE)
            file.truncate()
        return path

    def _write(self, file: Any, piece: bytes, what: str) -> None:
        if piece == _ZERO[:len(piece)]:
            file.seek(len(piece), os.SEEK_CUR)
            return
        self._used += len(piece)
        if self._used > self._limit:
            raise exceptions.StagingFull(
                "%s needs more than the %d bytes that may be staged; raise staging_limit in "
                "[swift_vhd] if %s has the room" % (what, self._limit, self._parent))
        file.write(piece)


@contextlib.contextmanager
def told_when_full(directory: str, what: str) -> Iterator[None]:
    """Turn the error of a file system that is full into ours.

    :param what: is being written into *directory*.
    :raises StagingFull: the caller's block found no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise exceptions.StagingFull(
            "%s has no room for %s; make room or set staging_dir in [swift_vhd]"
            % (directory, what)) from error
