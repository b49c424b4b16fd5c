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

"""Regions: tables that are named by what is in them, and manifests within Swift's limits."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any, Callable, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import region as regions
from nova_swift_handler.catalog import segment
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.region import Region
from nova_swift_handler.store.manifest import Entry

from . import places

LIMIT = 1000


def _bytes(region: Region) -> List[List[Any]]:
    """Return for each block, in order, where the manifests take it from."""
    found = []
    for entries in region.manifests(LIMIT):
        for entry in entries:
            assert entry.first is not None
            assert entry.last is not None
            assert entry.first % segment.STRIDE == 0
            assert (entry.last + 1) % segment.STRIDE == 0
            for offset in range(entry.first, entry.last, segment.STRIDE):
                found.append([entry.path, offset])
    return found


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), unique=True, max_size=60),
       st.integers(0, 3))
def test_a_region_reads_back_and_stitches_its_blocks_in_order(where: List[Any],
                                                              index: int) -> None:
    blocks = BlockMap(regions.BLOCKS * 4)
    stored = places.segments([100, 100, 100])
    first = index * regions.BLOCKS
    for number, (of, slot) in enumerate(where):
        blocks.set(Place(first + 3 * number, of, slot, places.digest(number)))
    # A block of the next region must not get in.
    if index < 3:
        blocks.set(Place(first + regions.BLOCKS, 2, 99, places.digest(1)))
    region = Region.cut(index, blocks, stored)
    assert Region.parse(region.table()) == region
    assert [place.block for place in region.places] == [
        first + 3 * number for number in range(len(where))]
    assert _bytes(region) == [[stored[of].path, slot * segment.STRIDE] for of, slot in where]
    assert {part.path for part in region.stored} == {stored[of].path for of, _slot in where}


def test_blocks_that_lie_together_are_one_range() -> None:
    region = Region.cut(0, places.packed(300, 120), places.segments([120, 120, 120]))
    entries, = region.manifests(LIMIT)
    assert [(entry.path, entry.first, entry.last) for entry in entries] == [
        ("/vhd-volume-v/data/u/000000", 0, 120 * segment.STRIDE - 1),
        ("/vhd-volume-v/data/u/000001", 0, 120 * segment.STRIDE - 1),
        ("/vhd-volume-v/data/u/000002", 0, 60 * segment.STRIDE - 1)]


def test_each_range_carries_its_segments_etag_and_size() -> None:
    stored = places.segments([120])
    entries, = Region.cut(0, places.packed(10, 120), stored).manifests(LIMIT)
    assert [(entry.etag, entry.size) for entry in entries] == [(stored[0].etag, stored[0].size)]


@pytest.mark.parametrize(("blocks", "parts"), [(1000, [1000]), (1001, [1000, 1]),
                                               (2000, [1000, 1000])])
def test_a_region_of_more_runs_than_a_manifest_may_name_is_split(blocks: int,
                                                                 parts: List[int]) -> None:
    region = Region.cut(0, places.scattered(blocks, 3), places.segments([700, 700, 700]))
    manifests = list(region.manifests(LIMIT))
    assert [len(entries) for entries in manifests] == parts
    assert len(_bytes(region)) == blocks
    assert all(len(json.dumps([entry.as_json() for entry in entries])) < 8 * 2 ** 20
               for entries in manifests)


def test_no_two_ranges_of_one_object_stand_one_behind_the_other() -> None:
    # Swift fetches such a pair by one slow multi-range request.
    blocks = places.packed(2000, 600)
    for entries in Region.cut(0, blocks, places.segments([600] * 4)).manifests(LIMIT):
        for before, after in zip(entries, entries[1:]):
            assert before.path != after.path


def test_a_region_without_blocks_has_no_manifest() -> None:
    region = Region.cut(1, places.packed(2000, 600), places.segments([600] * 4))
    assert region.places == []
    assert list(region.manifests(LIMIT)) == []


def test_a_table_is_named_by_what_is_in_it() -> None:
    stored = places.segments([700, 700, 700])
    table = Region.cut(0, places.scattered(30, 3), stored).table()
    assert table == Region.cut(0, places.scattered(30, 3), stored).table()
    assert regions.name(0, table) == "regions/00000-" + hashlib.sha256(table).hexdigest()
    other = Region.cut(0, places.scattered(29, 3), stored).table()
    assert regions.name(0, other) != regions.name(0, table)


def test_a_segments_number_in_the_point_does_not_change_a_region() -> None:
    # So an unchanged region of the next point is the same objects.
    stored = places.segments([0, 0, 50])
    here, there = BlockMap(50), BlockMap(50)
    for number in range(50):
        here.set(Place(number, 2, number, places.digest(number)))
        there.set(Place(number, 0, number, places.digest(number)))
    assert (Region.cut(0, here, stored).table()
            == Region.cut(0, there, [stored[2]]).table())


def _good() -> bytes:
    return Region.cut(0, places.scattered(5, 2), places.segments([3, 3])).table()


def _edited(change: Callable[[Dict[str, Any]], Any]) -> bytes:
    """Return a table whose header was changed and is otherwise well-formed."""
    data = _good()
    length, = struct.unpack_from(">I", data, 8)
    value = json.loads(data[12:12 + length].decode())
    result = change(value)
    header = json.dumps(value if result is None else result).encode()
    return data[:8] + struct.pack(">I", len(header)) + header + data[12 + length:]


_DAMAGED = {
    "empty": b"",
    "magic": b"SVHDTBL0" + _good()[8:],
    "cut in the length": _good()[:10],
    "cut in the header": _good()[:40],
    "cut in a record": _good()[:-1],
    "a record less": _good()[:-44],
    "a record more": _good() + _good()[-44:],
    "header's length": _good()[:8] + b"\xff\xff\xff\xff" + _good()[12:],
    "header no JSON": _good()[:12] + b"x" + _good()[13:],
    "header a list": _edited(lambda value: [1]),
    "header null": _edited(lambda value: "x"),
    "no count": _edited(lambda value: value.pop("count") and None),
    "no segments": _edited(lambda value: value.pop("segments") and None),
    "segments missing": _edited(lambda value: value["segments"].pop() and None),
    "a segment of fewer blocks": _edited(lambda value: value["segments"][0].update(blocks=2)),
    "a segment without etag": _edited(lambda value: value["segments"][0].pop("etag") and None),
    "another region": _edited(lambda value: value.update(region=1)),
}


@pytest.mark.parametrize("name", sorted(_DAMAGED))
def test_a_damaged_table_is_refused(name: str) -> None:
    with pytest.raises(exceptions.PointInvalid, match="table is damaged"):
        Region.parse(_DAMAGED[name])


def test_what_a_later_release_adds_to_a_table_is_passed_over() -> None:
    def add(value: Dict[str, Any]) -> None:
        value["colour"] = "blue"
        value["segments"][0]["colour"] = "blue"

    assert Region.parse(_edited(add)) == Region.parse(_good())


def test_the_largest_disk_needs_fewer_regions_than_a_manifest_may_name() -> None:
    blocks = 2040 * 1024 ** 3 // 2 ** 21
    assert -(-blocks // regions.BLOCKS) + 1 <= 1000


def test_entries_without_a_path_hold_their_bytes() -> None:
    # What manifests end with: the footer.
    assert Entry(data=b"abc").as_json() == {"data": "YWJj"}
