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

"""Images as other handlers store them, with what is on their disks."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from typing import List, NamedTuple, Optional, Sequence, Tuple

from tests.unit.vhd import disks, independent
from tests.unit.vhd.independent import Block

SMALL = 4096
"""Block size of these VHDs."""


class ImageStream:
    """An image's bytes as Glance gives them: in pieces of any size, their number known."""

    def __init__(self, data: bytes, seed: int = 1, length: Optional[int] = None) -> None:
        self._file = io.BytesIO(data)
        self._random = random.Random(seed)
        self.length = len(data) if length is None else length
        self.ended = False
        self.given = 0

    def read(self, size: int) -> bytes:
        piece = self._file.read(self._random.randint(1, size))
        self.given += len(piece)
        self.ended = self.ended or not piece
        return piece

    def close(self) -> None:
        self._file.close()


class Chain(NamedTuple):
    """A chain of VHDs.

    :ivar vhds: leaf first, as ``0.vhd``, ``1.vhd`` ...
    :ivar disk: what the leaf's disk holds.
    """

    vhds: List[bytes]
    disk: bytes


def unique_id(number: int) -> bytes:
    """Return the id of a chain's VHD *number*."""
    return b"vhd-number-%05d" % number


def chain(count: int, blocks: int = 6, seed: int = 1, block_size: int = SMALL,
          sizes: Optional[Sequence[int]] = None) -> Chain:
    """Return a chain of *count* VHDs with partial bitmaps; the sectors that are absent hold noise.

    :param sizes: bytes of each disk, leaf first; all of *blocks* blocks, less a sector, if None.
    """
    rng = random.Random(seed)
    if sizes is None:
        sizes = [blocks * block_size - 512] * count
    disk = bytearray(sizes[0])
    vhds = []
    for number in reversed(range(count)):
        size = sizes[number]
        held = {}
        for block in range(-(-size // block_size)):
            if rng.random() < 0.3:
                continue
            bits = [rng.random() < 0.5 for _sector in range(block_size // 512)]
            data = disks.noise(block_size, rng.randrange(2 ** 30))
            held[block] = Block(independent.bitmap(bits), data)
            for index, bit in enumerate(bits):
                at = block * block_size + index * 512
                if bit and at < size:
                    disk[at:at + 512] = data[index * 512:(index + 1) * 512]
        order = sorted(held)
        rng.shuffle(order)
        base = number == count - 1
        vhds.append(independent.build(
            size, held, independent.DYNAMIC if base else independent.DIFFERENCING, block_size,
            unique_id(number), bytes(16) if base else unique_id(number + 1),
            "" if base else "%d.vhd" % (number + 1), gap=rng.randrange(3), order=order))
    return Chain(vhds[::-1], bytes(disk))


def tgz(members: Sequence[Tuple[str, bytes]]) -> bytes:
    """Return a gzipped tar of these files, in this order."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 1)


def numbered(vhds: Sequence[bytes], order: Optional[Sequence[int]] = None) -> bytes:
    """Return the tgz of a chain as ``direct_vhd`` makes it, its members in any *order*."""
    return tgz([("%d.vhd" % number, vhds[number])
                for number in (range(len(vhds)) if order is None else order)])
