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

"""Attached disks: byte-addressed I/O through a chain of VHD files, or on a raw image.

Every piece of at most one block holds the SR's lock shared, and looks its chain up again if the
SR's structure has changed in between.  So snapshots and the garbage collector may run between
two pieces of a long transfer, as they may between two requests of a tapdisk.
"""

from __future__ import annotations

import abc
import os
from typing import Callable, Iterator, List, Tuple

from nova_swift_handler.sandbox.xapi.storage import bitmap, errors, files
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, SECTOR, Disk
from nova_swift_handler.sandbox.xapi.storage.locks import SharedLock
from nova_swift_handler.sandbox.xapi.storage.vhdfile import VhdFile


def read_sectors(chain: List[VhdFile], block: int, first: int, end: int) -> bytes:
    """Return sectors of a block as seen through ``chain`` (leaf first); unwritten are zeros."""
    wanted = bitmap.span(first, end)
    result = None
    for image in chain:
        have = image.written(block) & wanted
        if not have:
            continue
        if result is None and have == bitmap.span(first, end):
            return image.read(block, first, end)
        if result is None:
            result = bytearray((end - first) * SECTOR)
        _copy_runs(image, block, have, result, first)
        wanted &= ~have
        if not wanted:
            break
    return bytes((end - first) * SECTOR) if result is None else bytes(result)


def _copy_runs(image: VhdFile, block: int, have: int, result: bytearray, first: int) -> None:
    runs = list(bitmap.runs(have))
    if len(runs) <= 16:
        for start, stop in runs:
            result[(start - first) * SECTOR:(stop - first) * SECTOR] = image.read(
                block, start, stop)
        return
    low, high = runs[0][0], runs[-1][1]
    data = image.read(block, low, high)
    for start, stop in runs:
        result[(start - first) * SECTOR:(stop - first) * SECTOR] = data[
            (start - low) * SECTOR:(stop - low) * SECTOR]


class _Attached(Disk, abc.ABC):
    """What both kinds share: bounds, cutting at block borders, detaching once."""

    #: Told of every write before it is done: offset and length, bytes.
    note: Callable[[int, int], None] = staticmethod(lambda _offset, _length: None)

    def __init__(self, lock: SharedLock, writable: bool, detach: Callable[[], None]) -> None:
        self._lock = lock
        self._writable = writable
        self._detach = detach
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._detach()

    def flush(self) -> None:
        """Nothing: the simulation outlives its process, not its machine, and syncing is slow."""

    def pread(self, offset: int, length: int) -> bytes:
        pieces = [self._read(at, size) for at, size in self._pieces(offset, length)]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def pwrite(self, offset: int, data: bytes) -> None:
        if not self._writable:
            raise errors.io_error()
        view = memoryview(data)
        for at, size in self._pieces(offset, len(data)):
            self.note(at, size)
            self._write(at, view[at - offset:at - offset + size])

    def _pieces(self, offset: int, length: int) -> Iterator[Tuple[int, int]]:
        if self._closed or offset < 0 or length < 0 or offset + length > self.virtual_size:
            raise errors.io_error()
        return _cut(offset, offset + length)

    @abc.abstractmethod
    def _read(self, offset: int, length: int) -> bytes:
        """Read within one block."""

    @abc.abstractmethod
    def _write(self, offset: int, data: memoryview) -> None:
        """Write within one block."""


def _cut(offset: int, end: int) -> Iterator[Tuple[int, int]]:
    while offset < end:
        size = min(end - offset, BLOCK - offset % BLOCK)
        yield offset, size
        offset += size


class ChainDisk(_Attached):
    """A disk kept in VHD files.

    ``chain()`` returns the open files, leaf first, and is called with the lock held.
    """

    def __init__(
        self, lock: SharedLock, writable: bool, detach: Callable[[], None],
        chain: Callable[[], List[VhdFile]],
    ) -> None:
        super().__init__(lock, writable, detach)
        self._chain = chain

    @property
    def virtual_size(self) -> int:  # type: ignore[override]
        with self._lock.shared():
            return self._chain()[0].size

    def _read(self, offset: int, length: int) -> bytes:
        with self._lock.shared():
            return _read_bytes(self._chain(), offset, length)

    def _write(self, offset: int, data: memoryview) -> None:
        with self._lock.shared():
            chain = self._chain()
            block, start = divmod(offset, BLOCK)
            first, head = divmod(start, SECTOR)
            end = (start + len(data) + SECTOR - 1) // SECTOR
            if not head and not len(data) % SECTOR:
                chain[0].write(block, first, bytes(data))
                return
            # a tapdisk is only asked for whole sectors; a guest's cache does this part
            with chain[0].mutex:
                around = bytearray(read_sectors(chain, block, first, end))
                around[head:head + len(data)] = data
                chain[0].write(block, first, bytes(around))


def _read_bytes(chain: List[VhdFile], offset: int, length: int) -> bytes:
    block, start = divmod(offset, BLOCK)
    first, head = divmod(start, SECTOR)
    end = (start + length + SECTOR - 1) // SECTOR
    data = read_sectors(chain, block, first, end)
    if head or len(data) != length:
        return data[head:head + length]
    return data


class RawDisk(_Attached):
    """A disk kept as is in one file."""

    def __init__(
        self, lock: SharedLock, writable: bool, detach: Callable[[], None], path: str, size: int
    ) -> None:
        super().__init__(lock, writable, detach)
        self.virtual_size = size
        self._fd = files.open_file(path)

    def close(self) -> None:
        if not self._closed:
            os.close(self._fd)
        super().close()

    def _read(self, offset: int, length: int) -> bytes:
        with self._lock.shared():
            return files.read(self._fd, length, offset)

    def _write(self, offset: int, data: memoryview) -> None:
        with self._lock.shared():
            files.write(self._fd, bytes(data), offset)
