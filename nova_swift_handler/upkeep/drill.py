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

"""Restore a point for practice, and compare it by two ways that have little in common."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from typing import BinaryIO, Callable, NamedTuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.blockmap import DiskDigest
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.files import tempdir
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import restore
from nova_swift_handler.transfer.sources.source import trim
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.reader import StreamReader

_ZERO = bytes(constants.BLOCK_SIZE)


class Drill(NamedTuple):
    """A restore that gave the disk that was stored.

    :ivar bytes_read: bytes of disk read from Swift for the restore, zeros left out.
    :ivar seconds: that the restore took.
    :ivar seconds_compared: that reading all again took.
    """

    point: Point
    bytes_read: int
    seconds: float
    seconds_compared: float

    @property
    def speed(self) -> float:
        """Megabytes (10**6 bytes) of disk a second."""
        return self.bytes_read / 1e6 / max(self.seconds, 1e-6)


def drill(account: Account, point: Point, directory: str, threads: int,
          progress: Callable[[int, int], None] = lambda done, total: None) -> Drill:
    """Restore *point* to a raw file in *directory*, compare, and remove it.

    What is in the file must have the point's digest; and must be what a plain GET of the point's
    ``disk.vhd`` gives, which is served by Swift's own stitching and not by our tables.

    :raises StoreCorrupt: it is not so.
    :raises StoreError, PointInvalid, TransferFailed: as ``restore.to_file``.
    """
    tempdir.remove_abandoned(directory)
    with tempdir.LockedDirectory(directory) as own:
        path = os.path.join(own.path, "disk.raw")
        begun = time.monotonic()
        restore.to_file(account, point, path, restore.RAW, threads=threads, progress=progress)
        restored = time.monotonic()
        with open(path, "rb") as file:
            _check_digest(file, point)
            _check_view(account, file, point)
        return Drill(point, point.blocks * constants.BLOCK_SIZE, restored - begun,
                     time.monotonic() - restored)


def _check_digest(file: BinaryIO, point: Point) -> None:
    digest = DiskDigest(point.virtual_size)
    number = 0
    data = file.read(constants.BLOCK_SIZE)
    while data:
        data = data.ljust(constants.BLOCK_SIZE, b"\0")
        if data != _ZERO:
            digest.add(number, hashlib.sha256(data).digest())
        number += 1
        data = file.read(constants.BLOCK_SIZE)
    if digest.hexdigest() != point.digest:
        raise exceptions.StoreCorrupt(
            "the disk restored of point %s has not the digest of the one that was stored; is the "
            "file system of the temporary directory sound?" % point.path)


def _check_view(account: Account, file: BinaryIO, point: Point) -> None:
    view = names.of_point(point.image_id, names.DISK_VIEW)
    with contextlib.closing(account.open(point.container, view)) as stream:
        try:
            reader = StreamReader(stream, stream.length)
            count = 0
            for block in reader.blocks():
                data = trim(block.number, block.normalised(), point.virtual_size)
                file.seek(block.number * constants.BLOCK_SIZE)
                if file.read(constants.BLOCK_SIZE).ljust(constants.BLOCK_SIZE, b"\0") != data:
                    raise exceptions.VhdError("block %d is another" % block.number)
                count += 1
            if (count, reader.footer.virtual_size) != (point.blocks, point.virtual_size):
                raise exceptions.VhdError(
                    "it has %d blocks and a disk of %d bytes, not %d and %d"
                    % (count, reader.footer.virtual_size, point.blocks, point.virtual_size))
        except exceptions.VhdError as error:
            raise exceptions.StoreCorrupt(
                "%s/%s is not the disk that was restored: %s; run `swift-vhd store rebuild`"
                % (point.container, view, error)) from error
