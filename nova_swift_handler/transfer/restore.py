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

"""A point becomes a file: a VHD, or a raw disk with holes where it is zero."""

from __future__ import annotations

import contextlib
import os
from typing import Callable, Iterator

from nova_swift_handler.catalog.point import Point
from nova_swift_handler.files import newfile
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.content import Content
from nova_swift_handler.vhd import constants

VHD, RAW = "vhd", "raw"
FORMATS = (VHD, RAW)


def to_file(account: Account, point: Point, path: str, fmt: str = VHD, *, threads: int = 4,
            force: bool = False,
            progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Write the disk of *point* into the file *path*; return its size in bytes.

    The file is there when all of it is proven and on the disk, and not before, see ``newfile``.
    It is the writing user's alone to read.

    :param fmt: ``VHD``, a dynamic one whose unique id is the image's; or ``RAW``.
    :param threads: ranges read from Swift at a time, while what came is written.
    :param force: replace a file that is there.
    :param progress: called with the bytes written and those there are to write, holes left out.
    :raises NameRefused: there is a file, or what is there is none.
    :raises TransferFailed: the file cannot be written.
    :raises StoreError: Swift did not deliver; StoreCorrupt, PointInvalid if it delivered damage.
    """
    newfile.check_free(path, force)
    content = Content(account, point, threads)
    size = content.layout.length if fmt == VHD else point.virtual_size
    needed = content.layout.length if fmt == VHD else content.layout.count * constants.BLOCK_SIZE
    with newfile.written(path, force) as descriptor:
        newfile.check_room(path, needed)
        written = _write_vhd(descriptor, content) if fmt == VHD else _write_raw(
            descriptor, content, size)
        done = 0
        for count in written:
            done += count
            progress(done, needed)
        os.fsync(descriptor)
    return size


def _write_vhd(descriptor: int, content: Content) -> Iterator[int]:
    position = 0
    with contextlib.closing(content.vhd()) as pieces:
        for piece in pieces:
            newfile.write(descriptor, piece, position)
            position += len(piece)
            yield len(piece)


def _write_raw(descriptor: int, content: Content, size: int) -> Iterator[int]:
    os.ftruncate(descriptor, size)
    with contextlib.closing(content.blocks()) as blocks:
        for block in blocks:
            start = block.number * constants.BLOCK_SIZE
            # A disk may end within its last block.
            newfile.write(descriptor, block.data[:size - start], start)
            yield len(block.data)

