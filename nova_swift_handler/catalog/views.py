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

"""The views of a point: ``disk.vhd``, the whole disk, and ``delta.vhd``, what its parent lacks.

Both are stitched of the segments; no data is written but a VHD's head.  The ``delta.vhd``s of a
container are a genuine chain of VHDs: a point's unique id is its image id, its parent is named
``../<parent's image id>/delta.vhd``, and blocks that became zero are held as zeros.  A point
without a parent in its container, or one whose disk is of another size than its parent's, has a
whole disk there: libvhdi cannot read a child that is larger than its parent.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.changes import Changes
from nova_swift_handler.catalog.point import RegionRef
from nova_swift_handler.catalog.stitcher import Stitcher
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.manifest import Entry, merged
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout, Parent

VHD_CONTENT_TYPE = "application/x-vhd"
PARENT_META = "X-Object-Meta-Parent"
"""Metadata of a ``delta.vhd``: the image id of the point that it refers to."""


class Disk(NamedTuple):
    """A ``disk.vhd`` as it was written.

    :ivar size: bytes.
    :ivar head: etag of its head object.
    """

    size: int
    head: str


class Views:
    """Writes views into a container.

    :param note: called with each object's name before it is written.
    """

    def __init__(self, account: Account, container: str, abilities: Abilities,
                 note: Callable[[str], None] = lambda name: None) -> None:
        self._account = account
        self._container = container
        self._note = note
        self._depth = abilities.depth - 1  # Glance's object is one more
        self._stitcher = Stitcher(account, abilities, container, VHD_CONTENT_TYPE, note)

    def disk(self, image_id: str, virtual_size: int, blocks: BlockMap,
             regions: Iterable[RegionRef], views: Sequence[str]) -> Disk:
        """Write the whole disk as each of *views*, which are names of views."""
        layout = Layout(virtual_size, blocks.order(), uuid.UUID(image_id).bytes)
        head = names.of_point(image_id, "head")
        self._note(head)
        put = self._account.put(self._container, head, layout.head)
        parts = [Entry("/%s/%s" % (self._container, part["name"]), part["etag"], part["size"])
                 for ref in regions for part in ref.parts]
        first, last = self._entry(head, put), Entry(data=layout.footer)

        prefix = names.view_parts(image_id, names.DISK_VIEW)
        for view in views:
            name = names.of_point(image_id, view)
            size = self._stitcher.put(
                name, prefix, [first, *parts, last], self._depth - 1).size
            if size != layout.length:
                raise exceptions.StoreCorrupt("the stitched %s has %d bytes, %d were expected"
                                              % (name, size, layout.length))
        return Disk(layout.length, put.etag)

    def delta(self, image_id: str, virtual_size: int, changes: Changes, parent: str) -> None:
        """Write ``delta.vhd``.

        :param changes: what the disk has that the one of the point *parent* has not.
        """
        prefix = names.view_parts(image_id, names.DELTA_VIEW)
        layout = Layout(virtual_size, changes.numbers(), uuid.UUID(image_id).bytes,
                        parent=Parent(uuid.UUID(parent).bytes,
                                      "../%s/%s" % (parent, names.DELTA_VIEW)))
        # Named by content: an older delta.vhd may be read until it is overwritten.
        head = "%shead-%s" % (prefix, hashlib.sha256(layout.head).hexdigest())
        self._note(head)
        put = self._account.put(self._container, head, layout.head)
        self._stitcher.put(
            names.of_point(image_id, names.DELTA_VIEW), prefix,
            itertools.chain([self._entry(head, put)], merged(self._changed(changes)),
                            [Entry(data=layout.footer)]),
            self._depth, {PARENT_META: parent})

    def _changed(self, changes: Changes) -> Iterator[Entry]:
        zeros: List[Entry] = []
        for change in changes:
            if change.segment is not None:
                yield change.segment.block(change.slot)
                continue
            if not zeros:
                zeros = [self._zeros(name) for name in names.ZEROS]
            yield zeros[0]
            zeros.reverse()

    def _zeros(self, name: str) -> Entry:
        # Put anew each time, which pardons it as well: it is one block.
        return self._entry(name, self._account.put(
            self._container, name, FULL_BITMAP + bytes(constants.BLOCK_SIZE)))

    def _entry(self, name: str, put: Stored) -> Entry:
        return Entry("/%s/%s" % (self._container, name), put.etag, put.size)


def parent_of(account: Account, container: str, image_id: str) -> Optional[str]:
    """Return the image id of the point that a ``delta.vhd`` refers to; None for a whole disk.

    :raises ObjectMissing: there is no such view.
    """
    headers: Dict[str, str] = account.headers(
        container, names.of_point(image_id, names.DELTA_VIEW))
    return headers.get(PARENT_META.lower()) or None
