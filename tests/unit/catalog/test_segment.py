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

"""Trailers: a segment says itself which blocks it holds, and damage to that is noticed."""

from __future__ import annotations

import hashlib
import struct
import uuid
from typing import List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import segment
from nova_swift_handler.catalog.segment import Segment, Trailer

_UPLOAD = uuid.UUID(int=7)
_ENTRIES = st.lists(st.tuples(st.integers(0, 2 ** 32 - 1), st.binary(min_size=32, max_size=32)),
                    max_size=20)


def _trailer(count: int = 3) -> Trailer:
    return Trailer("volume-1", _UPLOAD, 10 * 2 ** 30,
                   [(number * 5, bytes([number]) * 32) for number in range(count)])


@given(_ENTRIES, st.uuids(), st.integers(0, 2 ** 64 - 1),
       st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=16),
       st.binary(max_size=3000))
def test_the_trailer_is_found_at_the_end_of_a_segment(
        entries: List[Tuple[int, bytes]], upload: uuid.UUID, size: int, volume: str,
        data: bytes) -> None:
    trailer = Trailer(volume, upload, size, entries)
    packed = trailer.pack()
    assert Trailer.parse(data + packed) == trailer
    assert len(packed) == segment.trailer_size(len(entries))
    assert len(packed) % 512 == 0
    assert len(packed) - segment.TAIL_SIZE - 36 * len(entries) in range(512)


def test_the_trailer_is_laid_out_as_documented() -> None:
    packed = _trailer(2).pack()
    assert len(packed) == 512
    assert packed[:72] == (struct.pack(">I", 0) + bytes(32)
                           + struct.pack(">I", 5) + b"\x01" * 32)
    assert packed[72:368] == bytes(296)
    assert packed[368:392] == b"SVHDSEG1" + struct.pack(">IIII", 1, 2, 2 * 2 ** 20, 0)
    assert packed[392:400] == struct.pack(">Q", 10 * 2 ** 30)
    assert packed[400:416] == _UPLOAD.bytes
    assert packed[416:480] == b"volume-1".ljust(64, b"\0")
    assert packed[480:] == hashlib.sha256(packed[:480]).digest()


@pytest.mark.parametrize("count", [0, 1, 10, 11, 127, 128, 2048, segment.MAX_BLOCKS])
def test_a_segments_length_tells_how_many_blocks_it_has(count: int) -> None:
    size = count * segment.STRIDE + segment.trailer_size(count)
    assert segment.count_of(size) == count
    assert size % 512 == 0
    for other in (size - 512, size + 512, size + 1):
        assert segment.count_of(other) is None


def test_a_segment_is_read_from_json_with_whatever_a_later_release_adds() -> None:
    value = {"container": "c", "name": "n", "etag": "e", "size": 9, "blocks": 1}
    assert Segment.parse({**value, "colour": "blue"}) == Segment(**value)
    for name in value:
        with pytest.raises(KeyError):
            Segment.parse({each: value[each] for each in value if each != name})


def test_a_block_takes_its_bitmap_and_two_mib() -> None:
    assert segment.STRIDE == 512 + 2 * 2 ** 20


def test_manifests_name_a_segment_by_container_and_object() -> None:
    assert Segment("vhd-volume-1", "data/u/1", "e", 5, 0).path == "/vhd-volume-1/data/u/1"


@pytest.mark.parametrize("volume", ["v" * 65, "é" * 33])
def test_a_volume_id_that_has_no_room_is_refused(volume: str) -> None:
    with pytest.raises(exceptions.PointInvalid, match="longer than 64 bytes"):
        Trailer(volume, _UPLOAD, 0, []).pack()


@given(st.integers(0, 1000), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, change: int) -> None:
    packed = bytearray(_trailer().pack())
    packed[at % len(packed)] ^= change
    with pytest.raises(exceptions.PointInvalid):
        Trailer.parse(bytes(packed))


@pytest.mark.parametrize("length", [0, 1, 31, 32, 100, 143, 144, 145, 180, 511])
def test_a_cut_trailer_is_noticed(length: int) -> None:
    packed = _trailer().pack()
    assert len(packed) == 512
    with pytest.raises(exceptions.PointInvalid):
        Trailer.parse(packed[:length])
    if length:
        with pytest.raises(exceptions.PointInvalid):
            Trailer.parse(packed[-length:])


def test_other_bytes_are_no_trailer() -> None:
    with pytest.raises(exceptions.PointInvalid, match="no segment of format 1"):
        Trailer.parse(bytes(5000))
