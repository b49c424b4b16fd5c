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

"""VHDs that were kept: what reads them must go on doing so, what wrote them must write the same.

``golden/qemu-*.vhd.gz`` are of qemu-img 7.2 (``convert -O vpc``, of a disk of :func:`_qemus`), the
others of this package: a base and two deltas in blocks of 2 MiB, 512 KiB and 4 KiB.
"""

from __future__ import annotations

import gzip
import io
import pathlib
import struct
from typing import Any, List, NamedTuple

import pytest

from nova_swift_handler.vhd.chain import Chain
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.layout import Parent
from nova_swift_handler.vhd.locator import MACX, W2RU
from nova_swift_handler.vhd.reader import StreamReader
from nova_swift_handler.vhd.writer import FileWriter

from . import independent

_GOLDEN = pathlib.Path(__file__).parent / "golden"
_SIZE = 5 * 2 ** 20 + 3 * 512


class Layer(NamedTuple):
    """A VHD of this package's.

    :ivar writes: (first sector, sectors) in the order they were written.
    """

    name: str
    block_size: int
    writes: List[Any]


_LAYERS = [
    Layer("base", 2 ** 21, [(8192, 2051), (0, 16), (4000, 200)]),
    Layer("delta", 2 ** 19, [(10240, 3), (8, 8), (4096, 1024)]),
    Layer("leaf", 4096, [(9000, 1), (9002, 1), (0, 3), (10242, 1)]),
]


def _sectors(first: int, count: int, mark: int) -> bytes:
    return b"".join(struct.pack(">QQ", mark, first + index) * 32 for index in range(count))


def _id(number: int) -> bytes:
    return bytes(range(number * 16, number * 16 + 16))


def _written(number: int) -> bytes:
    file = io.BytesIO()
    layer = _LAYERS[number]
    parent = Parent(_id(number - 1), "../%s/delta.vhd" % _LAYERS[number - 1].name) \
        if number else None
    writer = FileWriter(file, _SIZE, _id(number), layer.block_size, parent)
    for first, count in layer.writes:
        writer.write(first * 512, _sectors(first, count, number))
    writer.finish()
    return file.getvalue()


def _disk(upto: int) -> bytes:
    disk = bytearray(_SIZE)
    for number, layer in enumerate(_LAYERS[:upto + 1]):
        for first, count in layer.writes:
            disk[first * 512:(first + count) * 512] = _sectors(first, count, number)
    return bytes(disk)


def _qemus() -> bytes:
    disk = bytearray(_SIZE)
    disk[512:1024] = _sectors(1, 1, 9)
    disk[-512:] = _sectors(_SIZE // 512 - 1, 1, 9)
    return bytes(disk)


def _golden(name: str) -> bytes:
    return gzip.decompress((_GOLDEN / (name + ".vhd.gz")).read_bytes())


@pytest.mark.parametrize("number", range(3))
def test_what_was_written_is_written_byte_for_byte(number: int) -> None:
    assert _written(number) == _golden(_LAYERS[number].name)


@pytest.mark.parametrize("top", range(3))
def test_the_chain_is_read_as_it_was(top: int) -> None:
    vhds = [_golden(layer.name) for layer in _LAYERS[top::-1]]
    chain = Chain([VhdFile(io.BytesIO(vhd)) for vhd in vhds])
    assert chain.read(0, _SIZE) == _disk(top)
    result = bytearray(_SIZE)
    for vhd in reversed(vhds):
        independent.apply(vhd, result)
    assert result == _disk(top)


@pytest.mark.parametrize("number", [1, 2])
def test_the_parents_of_deltas_are_named_as_they_were(number: int) -> None:
    name = "../%s/delta.vhd" % _LAYERS[number - 1].name
    file = VhdFile(io.BytesIO(_golden(_LAYERS[number].name)))
    assert file.header is not None
    assert (file.header.parent_unique_id, file.header.parent_name) == (_id(number - 1), name)
    assert file.parent_paths() == {W2RU: name, MACX: name}


@pytest.mark.parametrize("name", ["qemu-dynamic", "qemu-fixed", "qemu-chs"])
def test_what_qemu_wrote_is_read_as_it_was(name: str) -> None:
    file = VhdFile(io.BytesIO(_golden(name)))
    # Without force_size qemu makes the disk larger, to a size that CHS can express.
    assert (file.virtual_size == _SIZE) == (name != "qemu-chs")
    assert file.read(0, file.virtual_size) == _qemus().ljust(file.virtual_size, b"\0")


def test_what_qemu_wrote_is_read_as_a_stream() -> None:
    vhd = _golden("qemu-dynamic")
    disk = bytearray(6 * 2 ** 20)
    for block in StreamReader(io.BytesIO(vhd), len(vhd)).blocks():
        disk[block.number * 2 ** 21:(block.number + 1) * 2 ** 21] = block.normalised()
    assert disk == _qemus().ljust(len(disk), b"\0")
