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
"""The closing of an upload: among the segments themselves, what they make.

``data/<upload id>/closing`` says again what ``point.json`` and the regions' tables say, so that a
point can be made anew from the objects below ``data/`` alone.  It is compressed with zlib::

    magic "SVHDEND1" | length of the point u32 | point.json without blanks
    n x ( first block u32, number of blocks u32, segment u32, slot u32 )
    SHA-256 of all that, 32 bytes

each record being a run of blocks that lie one behind the other in one segment, *segment* being
an index into the point's segments.  The blocks' SHA-256 are in the segments' trailers.  Numbers
are big-endian.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import Segment

_MAGIC = b"SVHDEND1"
_LENGTH = struct.Struct(">I")
_RUN = struct.Struct(">IIII")
_SHA256 = 32
_LARGEST = 64 * 1024 * 1024
"""Bytes unpacked: a run for each of the 1,044,480 blocks of 2040 GiB takes 16 MiB."""


class Run(NamedTuple):
    """Blocks that lie one behind the other.

    :ivar first: number of the first.
    :ivar blocks: how many they are.
    :ivar segment: index into the point's segments.
    :ivar slot: how many blocks lie before the first in the segment.
    """

    first: int
    blocks: int
    segment: int
    slot: int


def pack(point: Point, blocks: BlockMap, stored: Sequence[Segment]) -> bytes:
    """Return the closing of *point*.

    :param blocks: where its blocks are; refers to *stored*.
    """
    numbers = {segment: number for number, segment in enumerate(point.segments)}
    body = json.dumps(point.as_json(), sort_keys=True, separators=(",", ":")).encode("utf-8")
    data = bytearray(_MAGIC + _LENGTH.pack(len(body)) + body)
    for run in _runs(blocks):
        data += _RUN.pack(*run._replace(segment=numbers[stored[run.segment]]))
    data += hashlib.sha256(data).digest()
    return zlib.compress(bytes(data))


def parse(packed: bytes) -> Tuple[Point, List[Run]]:
    """Return what a closing says.

    :raises PointInvalid: it is none, is damaged, or is of another format.
    """
    value, records = _unpack(packed)
    point = Point.parse(value)
    runs = [Run(*record) for record in _RUN.iter_unpack(records)]
    if any(run.segment >= len(point.segments)
           or run.slot + run.blocks > point.segments[run.segment].blocks for run in runs):
        raise _damaged("it names blocks that its segments do not have")
    return point, runs


def document(packed: bytes) -> Any:
    """Return what ``point.json`` holds by a closing, fields that are not known here as well.

    :raises PointInvalid: it is none, or is damaged.
    """
    return _unpack(packed)[0]


def _unpack(packed: bytes) -> Tuple[Any, bytes]:
    """Return the value of ``point.json``, and the runs' records."""
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(packed, _LARGEST)
        if not unpacker.eof:
            raise ValueError("it is cut, or larger than %d bytes" % _LARGEST)
        body, digest = data[:-_SHA256], data[-_SHA256:]
        if body[:len(_MAGIC)] != _MAGIC or hashlib.sha256(body).digest() != digest:
            raise ValueError("its SHA-256 or its beginning is wrong")
        start = len(_MAGIC) + _LENGTH.size
        end = start + _LENGTH.unpack_from(body, len(_MAGIC))[0]
        if (len(body) - end) % _RUN.size:
            raise ValueError("it ends inside a run")
        return json.loads(body[start:end].decode("utf-8")), body[end:]
    except (ValueError, struct.error, zlib.error) as error:
        raise _damaged(error) from error


def _damaged(why: object) -> exceptions.PointInvalid:
    return exceptions.PointInvalid("the closing of an upload is damaged: %s" % why)


def _runs(blocks: BlockMap) -> Iterator[Run]:
    run = None
    for place in blocks.places():
        if run is not None and run.segment == place.segment and (
                run.first + run.blocks, run.slot + run.blocks) == (place.block, place.slot):
            run = run._replace(blocks=run.blocks + 1)
            continue
        if run is not None:
            yield run
        run = Run(place.block, 1, place.segment, place.slot)
    if run is not None:
        yield run
