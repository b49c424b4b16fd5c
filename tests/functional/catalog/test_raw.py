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

"""``disk.raw`` in a real Swift."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import types
import uuid
from typing import Any, Dict, Iterator, List, Set, Tuple, cast

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import raw
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import Segment, Trailer
from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.vhd.layout import FULL_BITMAP, block_count
from tests.functional.store.conftest import Site, new_container
from tests.unit.vhd import disks

_BLOCK = 2 * 2 ** 20
_MIB = 2 ** 20


class Shelf:
    """Three segments that are stored, what is in them, and points that name their blocks."""

    def __init__(self, account: Account, container: str) -> None:
        self.account = account
        self.container = container
        self.abilities = probe.probe(account, container)
        self.stored: List[Segment] = []
        self.data: Dict[Tuple[int, int], bytes] = {}
        upload = uuid.uuid4()
        for number, count in enumerate([8, 6, 5]):
            body = b""
            entries = []
            for slot in range(count):
                data = disks.noise(_BLOCK, 100 * number + slot)
                self.data[number, slot] = data
                body += FULL_BITMAP + data
                entries.append((slot, hashlib.sha256(data).digest()))
            body += Trailer("v", upload, count * _BLOCK, entries).pack()
            name = "data/%s/%06d" % (upload, number)
            put = account.put(container, name, body)
            self.stored.append(Segment(container, name, put.etag, put.size, count))

    def point(self, virtual_size: int, container: str = "") -> Point:
        """Return a new point; a complete one, if it is in this shelf's own container."""
        point = types.SimpleNamespace(
            container=container or self.container, image_id=str(uuid.uuid4()),
            virtual_size=virtual_size, segments=[])
        if not container:
            self.account.put_json(self.container, "points/%s/point.json" % point.image_id, {})
        return cast(Point, point)

    def publish(self, point: Point, blocks: BlockMap, **limits: Any) -> Stored:
        """Publish a point's view, of a cluster whose abilities differ in *limits*."""
        return raw.publish(self.account, dataclasses.replace(self.abilities, **limits), point,
                           blocks, self.stored)

    def written(self, point: Point) -> Set[str]:
        """Return the names of all objects that belong to no other point, but for its own."""
        rows = self.account.listing(point.container)
        return {row["name"] for row in rows if not row["name"].startswith("data/")
                and not row["name"].endswith("/point.json")
                and (point.image_id in row["name"] or not row["name"].startswith("points/"))}

    def sha256(self, point: Point) -> Tuple[int, str]:
        """Return length and SHA-256 of a point's view."""
        digest, size = hashlib.sha256(), 0
        stream = self.account.open(point.container, _view(point))
        with contextlib.closing(stream):
            for piece in iter(stream.read, b""):
                digest.update(piece)
                size += len(piece)
        return size, digest.hexdigest()

    def read(self, blocks: BlockMap, offset: int, size: int) -> bytes:
        """Return bytes of the disk that *blocks* is the map of."""
        result = bytearray()
        while len(result) < size:
            number, start = divmod(offset + len(result), _BLOCK)
            length = min(_BLOCK - start, size - len(result))
            place = blocks.get(number)
            data = bytes(_BLOCK) if place is None else self.data[place.segment, place.slot]
            result += data[start:start + length]
        return bytes(result)


def _view(point: Point) -> str:
    return "points/%s/disk.raw" % point.image_id


def _map(virtual_size: int, places: Dict[int, Tuple[int, int]]) -> BlockMap:
    """Return a map: block number to (segment, slot)."""
    result = BlockMap(block_count(virtual_size))
    for number, (segment, slot) in places.items():
        result.set(Place(number, segment, slot, bytes(32)))
    return result


@pytest.fixture(scope="module")
def shelf(site: Site) -> Iterator[Shelf]:
    with new_container(site) as name:
        yield Shelf(site.account(), name)


SHAPES = {
    "one run": (8 * _BLOCK, {n: (0, n) for n in range(8)}),
    "several segments": (12 * _BLOCK, {n: (n // 5, n % 5) for n in range(12)}),
    "shuffled": (9 * _BLOCK, {0: (1, 3), 1: (0, 7), 2: (0, 2), 3: (0, 2), 4: (2, 0), 5: (0, 3),
                              6: (1, 4), 7: (1, 3), 8: (1, 5)}),
    "gaps": (20 * _BLOCK, {3: (0, 0), 4: (0, 1), 6: (0, 2), 13: (1, 0), 14: (0, 3)}),
    "nothing": (5 * _BLOCK + 512, {}),
    "ends in a block": (3 * _BLOCK + _MIB + 512, {n: (0, n) for n in range(4)}),
    "ends in zeros": (3 * _BLOCK + 512, {0: (0, 5)}),
    "less than a block": (1536, {0: (0, 0)}),
    "less than a block of zeros": (512, {}),
    "a long gap": (80 * _BLOCK + 512, {0: (0, 0), 79: (0, 1), 80: (0, 2)}),
}


@pytest.mark.parametrize("limits", [
    {}, {"symlinks": False}, {"max_entries": 3}, {"max_manifest": 1200}],
    ids=["", "no links", "3 entries", "1200 bytes"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_has_the_bytes_of_the_disk(shelf: Shelf, shape: str, limits: Dict[str, Any]) -> None:
    virtual_size, places = SHAPES[shape]
    point, blocks = shelf.point(virtual_size), _map(virtual_size, places)
    # Nested as deep as it takes with such small manifests; Swift itself gives up at 10.
    stored = shelf.publish(point, blocks, depth=9, **limits)
    assert stored == shelf.account.head(shelf.container, _view(point))
    assert shelf.sha256(point) == (
        virtual_size, hashlib.sha256(shelf.read(blocks, 0, virtual_size)).hexdigest())


def test_a_disk_of_no_bytes_is_an_empty_object(shelf: Shelf) -> None:
    point = shelf.point(0)
    shelf.publish(point, _map(0, {}))
    assert shelf.account.get(shelf.container, _view(point)) == b""


def test_all_that_is_written_lies_below_the_point(shelf: Shelf) -> None:
    point = shelf.point(400 * _BLOCK)
    blocks = _map(400 * _BLOCK, {n: (0, n % 8) for n in range(40)})
    shelf.publish(point, blocks, max_entries=20)
    written = shelf.written(point)
    assert _view(point) in written
    assert len(written) > 5
    assert all(name.startswith(_view(point) + ".parts/") for name in written - {_view(point)})
    shelf.publish(point, blocks, max_entries=20)
    assert shelf.written(point) == written


@pytest.mark.parametrize("lost", ["ranges", "nested", "nested_ranges"])
def test_a_cluster_that_cannot_stitch_it_is_told_of(shelf: Shelf, lost: str) -> None:
    point = shelf.point(_BLOCK)
    with pytest.raises(exceptions.AbilityMissing, match="restore it to a raw file"):
        shelf.publish(point, _map(_BLOCK, {}), **{lost: False})
    assert shelf.written(point) == set()


def test_a_real_cluster_that_cannot_stitch_it_is_told_of(shelf: Shelf, poor_site: Site,
                                                         poor_container: str) -> None:
    account = poor_site.account()
    with pytest.raises(exceptions.AbilityMissing, match="restore it to a raw file"):
        raw.publish(account, probe.probe(account, poor_container),
                    shelf.point(_BLOCK, poor_container), _map(_BLOCK, {}), [])


def test_what_would_be_nested_too_deep_is_refused(shelf: Shelf) -> None:
    point = shelf.point(8 * _BLOCK)
    with pytest.raises(exceptions.AbilityMissing, match="max_manifest_segments"):
        shelf.publish(point, _map(8 * _BLOCK, {n: (0, n) for n in range(8)}), max_entries=2,
                      depth=2)
    with pytest.raises(exceptions.ObjectMissing):
        shelf.account.head(shelf.container, _view(point))


def test_the_largest_disk_is_read_anywhere(shelf: Shelf) -> None:
    """2040 GiB, of a few segments named again and again."""
    virtual_size = 2040 * 2 ** 30
    fresh = random.Random(20261121)
    count = block_count(virtual_size)
    places = {number: (0, number % 8) for number in range(3000)}
    for _run in range(1500):
        first = fresh.randrange(count // 2)
        for number in range(first, first + fresh.randrange(1, 12)):
            places[number] = fresh.choice(list(shelf.data))
    for number in range(count - 7, count):
        places[number] = (1, number % 6)
    blocks = _map(virtual_size, places)
    point = shelf.point(virtual_size)
    assert shelf.publish(point, blocks).size == virtual_size
    spots = [0, virtual_size - 4 * _BLOCK, 3000 * _BLOCK - _MIB, count // 2 * _BLOCK + 12345]
    numbers = sorted(places)
    spots += [max(0, fresh.choice(numbers) * _BLOCK + fresh.randrange(-_BLOCK, _BLOCK))
              for _spot in range(40)]
    spots += [fresh.randrange(virtual_size - 4 * _BLOCK) for _spot in range(40)]
    for offset in spots:
        size = min(fresh.randrange(1, 3 * _BLOCK), virtual_size - offset)
        got = bytearray(size)
        shelf.account.read_into(shelf.container, _view(point), offset, memoryview(got))
        assert got == shelf.read(blocks, offset, size), (offset, size)
