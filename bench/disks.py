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

"""Disks to store: VHD files of data that does not compress, or of typical data."""

from __future__ import annotations

import os
import random
import sysconfig
import uuid
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple

from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout

MIB = 1024 * 1024
GIB = 1024 * MIB
RUN = 32
"""Neighbouring blocks that hold data; as many that hold none follow."""

_CORPUS = 16 * MIB


class Disk(NamedTuple):
    """A dynamic VHD in a file.

    :ivar size: bytes of the file.
    :ivar virtual_size: bytes of the disk.
    :ivar blocks: numbers of the blocks that hold data.
    """

    path: Path
    size: int
    virtual_size: int
    blocks: List[int]


def make(path: Path, size: int, kind: str) -> Disk:
    """Write a VHD with *size* bytes of data, on a disk of twice that.

    :param kind: ``random`` or ``typical``.
    """
    count = size // constants.BLOCK_SIZE
    numbers = [index // RUN * 2 * RUN + index % RUN for index in range(count)]
    virtual_size = -(-count // RUN) * 2 * RUN * constants.BLOCK_SIZE
    layout = Layout(virtual_size, numbers, uuid.uuid4().bytes)
    data = DATA[kind]()
    with path.open("wb") as file:
        file.write(layout.head)
        for _number in numbers:
            file.write(FULL_BITMAP)
            file.write(next(data))
        file.write(layout.footer)
    return Disk(path, layout.length, virtual_size, numbers)


def same(one: Path, other: Path) -> bool:
    """Tell whether two VHD files hold the same disk."""
    with one.open("rb") as first, other.open("rb") as second:
        disks = VhdFile(first), VhdFile(second)
        if disks[0].virtual_size != disks[1].virtual_size:
            return False
        held = {number for disk in disks for number in disk.held(constants.BLOCK_SIZE)}
        return all(
            disks[0].read(number * constants.BLOCK_SIZE, constants.BLOCK_SIZE)
            == disks[1].read(number * constants.BLOCK_SIZE, constants.BLOCK_SIZE)
            for number in held)


def _incompressible() -> Iterator[bytes]:
    while True:
        yield os.urandom(constants.BLOCK_SIZE)


def _typical() -> Iterator[bytes]:
    """Yield blocks of zeros, text and random bytes, a third each, in runs of 4 to 128 KiB."""
    choice = random.Random(1)  # noqa: S311  (nothing secret: the same data in every run)
    text = _text()
    while True:
        pieces: List[bytes] = []
        left = constants.BLOCK_SIZE
        while left:
            size = min(left, 4096 * choice.randint(1, 32))
            kind = choice.randrange(3)
            start = choice.randrange(len(text) - size)
            pieces.append(bytes(size) if kind == 0 else os.urandom(size) if kind == 1
                          else text[start:start + size])
            left -= size
        yield b"".join(pieces)


def _text() -> bytes:
    text = b""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text += path.read_bytes()
        if len(text) >= _CORPUS:
            break
    return text


DATA: Dict[str, Callable[[], Iterator[bytes]]] = {
    "random": _incompressible, "typical": _typical}
