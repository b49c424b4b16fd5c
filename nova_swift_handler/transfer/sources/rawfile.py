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

"""The bytes of a raw disk in a file or on a block device."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Collection, Iterator, Optional, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource, unchanged
from nova_swift_handler.vhd import constants

BOOT_AT, BOOT = 510, b"\x55\xaa"
"""Where a disk has the signature of its master boot record, and what that is (UEFI, 5.2)."""


class RawSource(DiskSource):
    """A raw disk; holes in its file are not read.

    :param path: a file or a block device.
    :raises ImageUnsupported: no disk that can be kept has that size.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with open(path, "rb") as file:
            self.virtual_size = file.seek(0, os.SEEK_END)
        check_size(self.virtual_size, path)

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`."""
        with unchanged(self._path), open(self._path, "rb", buffering=0) as file:
            for number in held(file.fileno(), self.virtual_size):
                if wanted is None or number in wanted:
                    yield number, read_block(file.fileno(), number * constants.BLOCK_SIZE,
                                             self.virtual_size, self._path)


def check_size(size: int, what: str) -> None:
    """Refuse a disk of a size that no VHD can have.

    :param size: bytes.
    :raises ImageUnsupported: it is none or too much, or no multiple of 512.
    """
    problem = ""
    if not size:
        problem = "it is empty"
    elif size % constants.SECTOR:
        problem = ("its size, %d bytes, is no multiple of %d: it is cut off, or no raw disk; if "
                   "it is one, `truncate -s %%%d` rounds its size up"
                   % (size, constants.SECTOR, constants.SECTOR))
    elif size > constants.MAX_VIRTUAL_SIZE:
        problem = "its disk has %d bytes, and XAPI's VHDs go up to 2040 GiB" % size
    if problem:
        raise exceptions.ImageUnsupported("%s cannot be stored as a disk: %s" % (what, problem))


@contextlib.contextmanager
def readable(paths: Sequence[str]) -> Iterator[None]:
    """Turn errors about files that cannot be read into ours.

    :raises NotThere: one of *paths* is not.
    :raises TransferFailed: one cannot be read.
    """
    try:
        yield
    except OSError as error:
        if error.filename not in paths:
            raise
        kind = (exceptions.NotThere if isinstance(error, FileNotFoundError)
                else exceptions.TransferFailed)
        raise kind("%s cannot be read: %s" % (
            error.filename, error.strerror or error)) from error


def held(descriptor: int, size: int, start: int = 0) -> Iterator[int]:
    """Yield, ascending, the numbers of the blocks of a file that are no holes in whole.

    :param size: bytes of the file.
    :param start: byte from which on it is looked at.
    """
    following = 0
    while start < size:
        end = size
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
            end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                return
            # Block devices and some file systems know no holes: then all is data.
        first, stop = start // constants.BLOCK_SIZE, -(-end // constants.BLOCK_SIZE)
        yield from range(max(first, following), stop)
        following = max(following, stop)
        start = end


def read_block(descriptor: int, offset: int, size: int, what: str) -> bytearray:
    """Return the block of a file at byte *offset*, zero beyond the file's *size*.

    :raises ImageUnsupported: the file has become shorter.
    """
    data = bytearray(constants.BLOCK_SIZE)
    length = min(len(data), size - offset)
    done = 0
    with memoryview(data) as view:
        while done < length:
            with view[done:length] as rest:
                count = os.preadv(descriptor, [rest], offset + done)
            if not count:
                raise exceptions.ImageUnsupported("%s became shorter while it was read" % what)
            done += count
    return data
