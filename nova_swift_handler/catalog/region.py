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

"""Regions: 2000 neighbouring blocks of a disk, stitched, with a table of what is in them.

A region's table and manifests are named by the table's SHA-256, so an unchanged region of the
next point is the same objects.  The table is a header of JSON and one record a block::

    magic "SVHDTBL1" | length of the header u32 | header
    count x ( block number u32, segment u32, slot u32, SHA-256 32 bytes )

with the header ``{"region", "count", "segments": [{"container", "name", "etag", "size",
"blocks"}]}``, *segment* being an index into that list.  Numbers are big-endian.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from typing import Dict, Iterator, List, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import manifest

BLOCKS = 2000
"""Blocks of a region: few enough regions for one manifest to name those of 2040 GiB."""

_MAGIC = b"SVHDTBL1"
_LENGTH = struct.Struct(">I")
_RECORD = struct.Struct(">III32s")


@dataclasses.dataclass(frozen=True)
class Region:
    """The blocks of a region that are not zero, and the segments they lie in.

    :ivar places: ascending; each ``segment`` is an index into *stored*.
    """

    index: int
    places: List[Place]
    stored: List[Segment]

    @classmethod
    def cut(cls, index: int, blocks: BlockMap, stored: Sequence[Segment]) -> Region:
        """Return region *index* of a disk; *blocks* refers to *stored*."""
        numbers: Dict[int, int] = {}
        places = []
        for place in blocks.places(index * BLOCKS, (index + 1) * BLOCKS):
            number = numbers.setdefault(place.segment, len(numbers))
            places.append(place._replace(segment=number))
        return cls(index, places, [stored[number] for number in numbers])

    def table(self) -> bytes:
        """Return the region's table."""
        header = json.dumps({
            "region": self.index, "count": len(self.places),
            "segments": [dataclasses.asdict(segment) for segment in self.stored],
        }, sort_keys=True, separators=(",", ":")).encode("utf-8")
        return b"".join([_MAGIC, _LENGTH.pack(len(header)), header]
                        + [_RECORD.pack(*place) for place in self.places])

    @classmethod
    def parse(cls, data: bytes) -> Region:
        """Return the region whose table *data* is.

        :raises PointInvalid: it is none.
        """
        try:
            if data[:8] != _MAGIC:
                raise ValueError("it begins with %r" % data[:8])
            start = 8 + _LENGTH.size
            end = start + _LENGTH.unpack_from(data, 8)[0]
            header = json.loads(data[start:end].decode("utf-8"))
            places = [Place(*record) for record in _RECORD.iter_unpack(data[end:])]
            stored = [Segment.parse(segment) for segment in header["segments"]]
            if len(places) != header["count"] or any(
                    place.segment >= len(stored)
                    or place.slot >= stored[place.segment].blocks
                    or place.block // BLOCKS != header["region"] for place in places):
                raise ValueError("its records do not fit its header")
            return cls(header["region"], places, stored)
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise exceptions.PointInvalid("a region's table is damaged: %s" % error) from error

    def manifests(self, limit: int) -> Iterator[List[manifest.Entry]]:
        """Yield the entries of each object that the region is stitched from; mostly one.

        :param limit: entries that one manifest may have.
        """
        entries = list(manifest.merged(
            self.stored[place.segment].block(place.slot) for place in self.places))
        for start in range(0, len(entries), limit):
            yield entries[start:start + limit]


def name(index: int, table: bytes) -> str:
    """Return the name that a region's objects begin with."""
    return "regions/%05d-%s" % (index, hashlib.sha256(table).hexdigest())
