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

"""VHDs of whole segments, read by this package and by others."""

from __future__ import annotations

import io
import pathlib
from typing import Any, Dict, List, Sequence, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.segment import STRIDE, Segment
from nova_swift_handler.catalog.whole import Whole
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.vhd.layout import FULL_BITMAP, Parent, block_count
from nova_swift_handler.vhd.reader import StreamReader
from tests.unit.vhd import disks, independent
from tests.unit.vhd.conftest import QemuImg, libvhdi, qemu_img  # noqa: F401  (fixtures)

_MIB = 2 ** 20
_BLOCK = 2 * _MIB
_ID = b"\x11" * 16

Where = Dict[int, Tuple[int, int]]


class Shelf:
    """Segments made up, each with a trailer that no reader must mistake for data."""

    def __init__(self, counts: Sequence[int], trailer: int = 1024) -> None:
        self.bodies: Dict[str, bytes] = {}
        self.stored: List[Segment] = []
        self.blocks: Dict[Tuple[int, int], bytes] = {}
        for number, count in enumerate(counts):
            body = b""
            for slot in range(count):
                self.blocks[number, slot] = disks.noise(_BLOCK, 50 * number + slot)
                body += FULL_BITMAP + self.blocks[number, slot]
            segment = Segment("c", "data/u/%06d" % number, "%032x" % number,
                              len(body) + trailer, count)
            self.stored.append(segment)
            self.bodies[segment.path] = body + b"\xaa" * trailer

    def assemble(self, whole: Whole) -> bytes:
        """Put the VHD together as Swift would."""
        own = {"/c/head": whole.head, "/c/footer": whole.footer}
        head, footer = (Entry(path, "e", len(body)) for path, body in own.items())
        result = b"".join({**own, **self.bodies}[entry.path or ""]
                          for entry in whole.entries(head, footer))
        assert len(result) == whole.length
        return result

    def disk(self, virtual_size: int, where: Where) -> bytes:
        result = bytearray(block_count(virtual_size) * _BLOCK)
        for block, place in where.items():
            result[block * _BLOCK:(block + 1) * _BLOCK] = self.blocks[place]
        return bytes(result[:virtual_size])


def _places(where: Where) -> List[Place]:
    return [Place(block, segment, slot, bytes(32)) for block, (segment, slot) in where.items()]


SHELF = Shelf([4, 3, 1])

SHAPES = {
    "all of one": (8 * _MIB, {n: (0, n) for n in range(4)}),
    "dead blocks": (20 * _MIB, {1: (0, 3), 4: (0, 1), 9: (1, 2)}),
    "backwards": (16 * _MIB, {n: (0, 3 - n) for n in range(4)}),
    "all segments": (17 * _MIB + 512, {n: ([0, 1, 2][n % 3], n // 3) for n in (0, 1, 2, 3, 4, 6)}),
    "the middle one": (5 * _MIB, {2: (1, 1)}),
    "one place for several blocks": (16 * _MIB, {0: (0, 1), 3: (0, 1), 5: (0, 1), 6: (2, 0),
                                                 7: (2, 0)}),
    "nothing": (5 * _MIB + 512, {}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_this_package_reads_it(shape: str) -> None:
    size, where = SHAPES[shape]
    data = SHELF.assemble(Whole(size, _places(where), SHELF.stored, _ID))
    reader = StreamReader(io.BytesIO(data), len(data))
    assert {block.number: bytes(block.data) for block in reader.blocks()} == {
        number: SHELF.blocks[place] for number, place in where.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_specification_is_kept_to_the_letter(shape: str) -> None:
    size, where = SHAPES[shape]
    data = SHELF.assemble(Whole(size, _places(where), SHELF.stored, _ID))
    assert independent.parse(data).size == size
    result = bytearray(size)
    independent.apply(data, result)
    assert result == SHELF.disk(size, where)


@pytest.mark.parametrize("shape", SHAPES)
def test_qemu_reads_it(qemu_img: QemuImg, tmp_path: pathlib.Path,  # noqa: F811
                       shape: str) -> None:
    size, where = SHAPES[shape]
    path = tmp_path / "disk.vhd"
    path.write_bytes(SHELF.assemble(Whole(size, _places(where), SHELF.stored, _ID)))
    assert qemu_img.raw(path) == SHELF.disk(size, where)


@pytest.mark.parametrize("shape", SHAPES)
def test_libvhdi_reads_it(libvhdi: Any, tmp_path: pathlib.Path, shape: str) -> None:  # noqa: F811
    size, where = SHAPES[shape]
    path = tmp_path / "disk.vhd"
    path.write_bytes(SHELF.assemble(Whole(size, _places(where), SHELF.stored, _ID)))
    file = libvhdi.open(str(path))
    assert file.read_buffer_at_offset(size, 0) == SHELF.disk(size, where)
    file.close()


def test_libvhdi_reads_a_chain(libvhdi: Any, tmp_path: pathlib.Path) -> None:  # noqa: F811
    size = 12 * _MIB
    base = {0: (0, 0), 2: (0, 1), 5: (1, 0)}
    changed = {2: (2, 0), 3: (1, 2)}
    parent = Whole(size, _places(base), SHELF.stored, _ID)
    child = Whole(size, _places(changed), SHELF.stored, b"\x22" * 16,
                  Parent(_ID, "../1/delta.vhd"))
    (tmp_path / "parent.vhd").write_bytes(SHELF.assemble(parent))
    (tmp_path / "child.vhd").write_bytes(SHELF.assemble(child))
    files = [libvhdi.open(str(tmp_path / name)) for name in ("parent.vhd", "child.vhd")]
    files[1].set_parent(files[0])
    assert files[1].read_buffer_at_offset(size, 0) == SHELF.disk(size, {**base, **changed})
    for file in reversed(files):
        file.close()


@settings(max_examples=60)
@given(st.dictionaries(st.integers(0, 30), st.sampled_from(sorted(SHELF.blocks)), max_size=20))
def test_any_disk_can_be_had_of_any_blocks(where: Where) -> None:
    data = SHELF.assemble(Whole(31 * _BLOCK, _places(where), SHELF.stored, _ID))
    reader = StreamReader(io.BytesIO(data), len(data))
    found = {block.number: bytes(block.data) for block in reader.blocks()}
    assert found == {number: SHELF.blocks[place] for number, place in where.items()}


def test_segments_that_no_block_lies_in_are_left_out() -> None:
    whole = Whole(4 * _MIB, _places({0: (1, 0)}), SHELF.stored, _ID)
    assert whole.segments == [SHELF.stored[1]]


def test_a_segment_is_there_as_often_as_it_takes_and_not_twice_in_a_row() -> None:
    where = {0: (0, 0), 1: (0, 0), 2: (0, 2), 3: (1, 1), 4: (1, 1)}
    whole = Whole(10 * _MIB, _places(where), SHELF.stored, _ID)
    first, second = SHELF.stored[:2]
    assert whole.segments == [first, second, first, second]


def test_a_block_map_is_taken_as_it_is() -> None:
    blocks = BlockMap(8)
    for place in _places(SHAPES["dead blocks"][1]):
        if place.block < 8:
            blocks.set(place)
    data = SHELF.assemble(Whole(16 * _MIB, blocks.places(), SHELF.stored, _ID))
    assert sorted(block.number for block in StreamReader(io.BytesIO(data)).blocks()) == [1, 4]


def test_a_segment_that_is_no_multiple_of_a_sector_is_named() -> None:
    odd = Shelf([1], trailer=180)
    with pytest.raises(exceptions.PointInvalid, match="/c/data/u/000000 has %d bytes" % (
            STRIDE + 180)):
        Whole(2 * _MIB, _places({0: (0, 0)}), odd.stored, _ID)


def test_a_block_that_its_segment_does_not_have_is_named() -> None:
    with pytest.raises(exceptions.PointInvalid, match="number 4 of segment /c/data/u/000000"):
        Whole(2 * _MIB, _places({0: (0, 4)}), SHELF.stored, _ID)


def test_more_than_a_vhd_can_address_is_refused() -> None:
    huge = [Segment("c", "data/u/%06d" % number, "e", 2 ** 40, 1) for number in range(3)]
    with pytest.raises(exceptions.VhdError, match="2 TiB"):
        Whole(6 * _MIB, _places({n: (n, 0) for n in range(3)}), huge, _ID)
