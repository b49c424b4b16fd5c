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

"""Disks whose every byte is known, and files made of them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import uuid
from pathlib import Path
from typing import Iterator, List, Tuple

from nova_swift_handler.sandbox.xapi.storage.base import open_sr
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout
from nova_swift_handler.vhd.reader import Block
from nova_swift_handler.vhd.writer import stream

MIB = 1024 * 1024
_STEP = 4 * MIB


def noise(seed: str, size: int) -> bytes:
    """Return *size* bytes that depend on *seed* alone."""
    return hashlib.shake_128(seed.encode("utf-8")).digest(size)


class Content:
    """What a disk is to hold.

    :param size: bytes of the disk; what is not written is zero.
    """

    def __init__(self, size: int) -> None:
        self._data = bytearray(size)

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return len(self._data)

    def write(self, offset: int, data: bytes) -> None:
        """Set a range."""
        self._data[offset:offset + len(data)] = data

    def copy(self) -> Content:
        """Return a content of its own that is equal now."""
        other = Content(0)
        other._data = bytearray(self._data)
        return other

    def read(self, offset: int, size: int) -> bytes:
        """Return a range."""
        return bytes(self._data[offset:offset + size])

    def sha256(self, size: int) -> str:
        """Return the SHA-256 of a disk of *size* bytes that begins with this and goes on zero."""
        digest = hashlib.sha256(self._data)
        left = size - len(self._data)
        while left > 0:
            digest.update(bytes(min(left, _STEP)))
            left -= _STEP
        return digest.hexdigest()

    def blocks(self) -> Iterator[Tuple[int, bytes]]:
        """Yield the blocks of 2 MiB that are not zero."""
        for number in range(-(-self.size // constants.BLOCK_SIZE)):
            data = self.read(number * constants.BLOCK_SIZE, constants.BLOCK_SIZE)
            if any(data):
                yield number, data.ljust(constants.BLOCK_SIZE, b"\0")


def operating_system(seed: str) -> Content:
    """Return a disk such as a template has: data, runs of zeros, a last block not full."""
    content = Content(47 * MIB + 3 * constants.SECTOR)
    content.write(0, noise(seed + "/boot", 5 * MIB))
    content.write(9 * MIB - 700, noise(seed + "/across a block's end", 1400))
    content.write(20 * MIB, noise(seed + "/usr", 12 * MIB))
    content.write(content.size - 1000, noise(seed + "/end", 1000))
    return content


def write_vhd(content: Content, path: Path) -> None:
    """Write a dynamic VHD."""
    blocks = list(content.blocks())
    layout = Layout(content.size, [number for number, _data in blocks], uuid.uuid4().bytes)
    with path.open("wb") as file:
        file.writelines(stream(layout, (
            Block(number, FULL_BITMAP, bytearray(data)) for number, data in blocks)))


def stock_image(base: Content, deltas: List[Tuple[int, bytes]]) -> Tuple[bytes, Content]:
    """Return what ``direct_vhd`` would upload of a disk with one snapshot, and its content.

    The two VHDs are those that an SR of type ext has then: differencing, their sector bitmaps
    partial.  Parent before child, which is one of the orders that tar may give them.

    :param deltas: (offset, data) of the writes since the snapshot.
    """
    content = base.copy()
    with tempfile.TemporaryDirectory(prefix="swift_vhd-demo-") as scratch:
        repository = open_sr("ext", str(uuid.uuid4()), scratch, 1024 * MIB)
        leaf, parent = str(uuid.uuid4()), str(uuid.uuid4())
        repository.create(leaf, base.size, {})
        with repository.open(leaf, writable=True) as disk:
            for number, data in base.blocks():
                start = number * constants.BLOCK_SIZE
                disk.pwrite(start, data[:base.size - start].rstrip(b"\0"))
        repository.snapshot(leaf, str(uuid.uuid4()), parent, clone=False)
        with repository.open(leaf, writable=True) as disk:
            for offset, data in deltas:
                disk.pwrite(offset, data)
                content.write(offset, data)
        repository.close()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
            for member, name in (("1.vhd", parent), ("0.vhd", leaf)):
                tar.add(next(Path(scratch).rglob(name + ".vhd")), arcname=member)
    return archive.getvalue(), content
