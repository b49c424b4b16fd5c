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

"""Closings: all that makes a point, and no damage goes unnoticed."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import closing
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.closing import Run

from . import places


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=40))
def test_a_closing_gives_back_the_point_and_where_its_blocks_are(
        where: List[Tuple[int, int]]) -> None:
    stored = places.segments([10, 10, 10])
    used = [stored[number] for number in sorted({segment for segment, _slot in where})]
    point = places.point(segments=used)
    blocks = BlockMap(100)
    for number, (segment, slot) in enumerate(where):
        blocks.set(Place(2 * number if number % 5 == 0 else 2 * number - 1, segment, slot,
                         places.digest(number)))
    again, runs = closing.parse(closing.pack(point, blocks, stored))
    assert again == point
    assert [(run.first + offset, used[run.segment], run.slot + offset)
            for run in runs for offset in range(run.blocks)] == [
        (place.block, stored[place.segment], place.slot) for place in blocks.places()]


def test_neighbours_are_one_run() -> None:
    stored = places.segments([120, 120])
    _point, runs = closing.parse(closing.pack(
        places.point(segments=stored), places.packed(200, 120), stored))
    assert runs == [Run(0, 120, 0, 0), Run(120, 80, 1, 0)]


def test_a_closing_is_laid_out_as_specified() -> None:
    point = places.point()
    data = zlib.decompress(closing.pack(point, places.packed(1, 1), point.segments))
    body = json.dumps(point.as_json(), sort_keys=True, separators=(",", ":")).encode()
    assert data[:12] == b"SVHDEND1" + struct.pack(">I", len(body))
    assert data[12:12 + len(body)] == body
    assert data[12 + len(body):-32] == struct.pack(">IIII", 0, 1, 0, 0)
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()


def _good() -> bytes:
    point = places.point()
    return zlib.decompress(closing.pack(point, places.packed(1, 1), point.segments))


def _sealed(body: bytes) -> bytes:
    return zlib.compress(body + hashlib.sha256(body).digest())


_DAMAGED = {
    "empty": b"",
    "no zlib": _good(),
    "cut": zlib.compress(_good())[:-5],
    "a bit": zlib.compress(_good()[:100] + b"~" + _good()[101:]),
    "nothing in it": _sealed(b""),
    "magic": _sealed(b"SVHDEND0" + _good()[8:-32]),
    "length": _sealed(_good()[:8] + b"\xff\xff\xff\xff" + _good()[12:-32]),
    "a record cut": _sealed(_good()[:-33]),
    "a block too many": _sealed(_good()[:-48] + struct.pack(">IIII", 0, 2, 0, 0)),
    "a segment too many": _sealed(_good()[:-48] + struct.pack(">IIII", 0, 1, 1, 0)),
    "another format": _sealed(_good()[:-32].replace(b'"format":1', b'"format":2')),
}


@pytest.mark.parametrize("name", sorted(_DAMAGED))
def test_a_damaged_closing_is_refused(name: str) -> None:
    with pytest.raises(exceptions.PointInvalid):
        closing.parse(_DAMAGED[name])


def test_a_closing_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "_LARGEST", 1000)
    with pytest.raises(exceptions.PointInvalid, match="larger than 1000 bytes"):
        closing.parse(zlib.compress(bytes(100_000)))
