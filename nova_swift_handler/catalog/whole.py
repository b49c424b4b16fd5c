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

"""VHDs stitched of whole segments, for clusters that can stitch nothing smaller.

A VHD's BAT may point anywhere, so segments may stand in it as they are: the trailers, and blocks
that the disk does not have, or has elsewhere, are room that no one uses.  Such a view is longer
than the disk's blocks are, and who downloads it gets that room too, with whatever is there.

Between the last block and the footer lies a trailer: who reads a view as a stream must look for
the footer at its end.
"""

from __future__ import annotations

import array
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.blockmap import Place
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import Layout, Parent


class _Copy(NamedTuple):
    """A segment in the view: one that holds a block of several numbers is there that often.

    :ivar segment: index into the segments.
    :ivar serial: how many copies of it are before this one.
    """

    segment: int
    serial: int


class Whole:
    """A VHD of whole segments.

    :param virtual_size: bytes of the disk.
    :param places: where its blocks are, each number once; they refer to *stored*.
    :param stored: segments; those that no block lies in are left out.
    :param unique_id: 16 bytes that children may name as their parent.
    :param parent: whom a differencing VHD differs from; None for a whole disk.
    :raises PointInvalid: a segment is no multiple of 512 bytes, or has no such block.
    :raises VhdError: there are more segments than a VHD can address, which is 2 TiB; or see
        ``Layout``.

    :ivar head: the bytes in front of the first segment, to be stored as an object.
    :ivar footer: the bytes behind the last one, to be stored as another.
    :ivar segments: what is between them, in order; a segment may be there more than once.
    :ivar length: bytes of the whole VHD.
    """

    def __init__(self, virtual_size: int, places: Iterable[Place], stored: Sequence[Segment],
                 unique_id: bytes, parent: Optional[Parent] = None) -> None:
        slots = _Slots(places, stored)
        starts: Dict[_Copy, int] = {}
        self.segments: List[Segment] = []
        length = 0
        for copy in slots.copies():
            segment = stored[copy.segment]
            if segment.size % constants.SECTOR:
                raise exceptions.PointInvalid(
                    "segment %s has %d bytes, which is no multiple of 512, so no VHD can be "
                    "stitched of it whole; store the disk again" % (segment.path, segment.size))
            starts[copy] = length
            length += segment.size
            self.segments.append(segment)
        laid_out = ((block, starts[copy] + slot * segments.STRIDE)
                    for block, copy, slot in slots.placed())
        layout = Layout.placed(virtual_size, laid_out, length, unique_id, parent=parent)
        self.head, self.footer, self.length = layout.head, layout.footer, layout.length

    def entries(self, head: Entry, footer: Entry) -> Iterator[Entry]:
        """Yield what the VHD is stitched from.

        :param head: the stored object with the bytes :attr:`head`.
        :param footer: the one with the bytes :attr:`footer`.
        """
        yield head
        for segment in self.segments:
            yield Entry(segment.path, segment.etag, segment.size)
        yield footer


class _Slots:
    """Blocks and where they lie, 12 bytes each; and how often each slot of a segment is named."""

    def __init__(self, places: Iterable[Place], stored: Sequence[Segment]) -> None:
        self._blocks = array.array("I")
        self._segments = array.array("I")
        self._slots = array.array("I")
        self._counts: Dict[int, array.array[int]] = {}
        for block, segment, slot, _digest in places:
            if slot >= stored[segment].blocks:
                raise exceptions.PointInvalid(
                    "block %d is said to be number %d of segment %s, which has %d"
                    % (block, slot, stored[segment].path, stored[segment].blocks))
            self._blocks.append(block)
            self._segments.append(segment)
            self._slots.append(slot)
            if segment not in self._counts:
                self._counts[segment] = array.array("I", [0]) * stored[segment].blocks
            self._counts[segment][slot] += 1

    def copies(self) -> List[_Copy]:
        """Return the segments that are needed, those needed again behind all others.

        So that no two of one segment follow one another where there are others: Swift reads such
        slowly.
        """
        most = {segment: max(counts) for segment, counts in self._counts.items()}
        result = []
        serial = 0
        while most:
            result += [_Copy(segment, serial) for segment in most]
            serial += 1
            most = {segment: count for segment, count in most.items() if count > serial}
        return result

    def placed(self) -> Iterator[Tuple[int, _Copy, int]]:
        """Yield (block, the copy it is in, slot)."""
        used = {segment: array.array("I", [0]) * len(counts)
                for segment, counts in self._counts.items()}
        for block, segment, slot in zip(self._blocks, self._segments, self._slots):
            serial = used[segment][slot]
            used[segment][slot] += 1
            yield block, _Copy(segment, serial), slot
