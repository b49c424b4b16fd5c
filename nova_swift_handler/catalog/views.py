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

Both are stitched of the segments; no data is written but a VHD's head, and a block of zeros.  The
``delta.vhd``s of a container are a genuine chain of VHDs: a point's unique id is its image id, its
parent is named ``../<parent's image id>/delta.vhd``, and blocks that became zero are held as
zeros.  A point without a parent in its container, or one whose disk is of another size than its
parent's, has a whole disk there: libvhdi cannot read a child that is larger than its parent.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import uuid
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Union,
)

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.changes import Changes
from nova_swift_handler.catalog.point import RegionRef
from nova_swift_handler.catalog.segment import STRIDE, Segment
from nova_swift_handler.catalog.stitcher import Stitcher
from nova_swift_handler.catalog.whole import Whole
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry, merged
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout, Parent

LOG = logging.getLogger(__name__)

VHD_CONTENT_TYPE = "application/x-vhd"
PARENT_META = "X-Object-Meta-Parent"
"""Metadata of a ``delta.vhd``: the image id of the point that it refers to."""


class Disk(NamedTuple):
    """A ``disk.vhd`` as it was written.

    :ivar size: bytes; 0 if the cluster cannot stitch it, so it is not there.
    :ivar head: etag of its head object.
    """

    size: int
    head: str


class Views:
    """Writes views into a container.

    Where the cluster knows no ranges or no inline data, they are stitched of whole segments; one
    that is more than it can stitch is left out then, with a warning: a point is whole without.

    :param note: called with each object's name before it is written.
    """

    def __init__(self, account: Account, container: str, abilities: Abilities,
                 note: Callable[[str], None] = lambda name: None) -> None:
        self._account = account
        self._container = container
        self._note = note
        self._shares = abilities.shares_blocks
        self._depth = abilities.depth - 1  # Glance's object is one more
        self._stitcher = Stitcher(account, abilities, container, VHD_CONTENT_TYPE, note)

    def disk(self, image_id: str, virtual_size: int, blocks: BlockMap,
             stored: Sequence[Segment], regions: Sequence[RegionRef],
             views: Sequence[str]) -> Disk:
        """Write the whole disk as each of *views*, which are names of views.

        :param blocks: where its blocks are; refers to *stored*.
        :returns: the last of them.
        """
        unique = uuid.UUID(image_id).bytes
        result = Disk(0, "")
        # Regions of a point that was stored when the cluster could do less have no parts.
        sharing = self._shares and all(ref.parts for ref in regions)
        for view in views:
            if sharing:
                layout: Union[Layout, Whole] = Layout(virtual_size, blocks.order(), unique)
                body = [Entry("/%s/%s" % (self._container, part["name"]), part["etag"],
                              part["size"]) for ref in regions for part in ref.parts]
                size, head = self._put(image_id, view, layout, body, self._depth - 1)
            else:
                size, head = self._put_whole(
                    image_id, view,
                    lambda: Whole(virtual_size, blocks.places(), stored, unique))
            if view == names.DISK_VIEW or not result.head:
                result = Disk(size, head)
        return result

    def delta(self, image_id: str, virtual_size: int, changes: Changes, parent: str) -> None:
        """Write ``delta.vhd``.

        :param changes: what the disk has that the one of the point *parent* has not.
        """
        unique = uuid.UUID(image_id).bytes
        link = Parent(uuid.UUID(parent).bytes, "../%s/%s" % (parent, names.DELTA_VIEW))
        headers = {PARENT_META: parent}
        if self._shares:
            layout = Layout(virtual_size, changes.numbers(), unique, parent=link)
            self._put(image_id, names.DELTA_VIEW, layout, merged(self._changed(changes)),
                      self._depth, headers)
            return
        stored: List[Segment] = []
        self._put_whole(
            image_id, names.DELTA_VIEW,
            lambda: Whole(virtual_size, self._places(changes, stored), stored, unique, link),
            headers)

    def _put_whole(self, image_id: str, view: str, lay_out: Callable[[], Whole],
                   headers: Optional[Mapping[str, str]] = None) -> Disk:
        try:
            whole = lay_out()
            return self._put(image_id, view, whole, (
                Entry(segment.path, segment.etag, segment.size) for segment in whole.segments),
                self._depth, headers)
        except (exceptions.AbilityMissing, exceptions.VhdError) as error:
            name = names.of_point(image_id, view)
            LOG.warning("%s/%s is left out, though the point is whole: %s", self._container, name,
                        error)
            self._account.delete(self._container, name)
            return Disk(0, "")

    def _put(self, image_id: str, view: str, vhd: Union[Layout, Whole], body: Iterable[Entry],
             depth: int, headers: Optional[Mapping[str, str]] = None) -> Disk:
        """Write a view, its head before it: what the cluster cannot hold inline is an object.

        :param depth: manifests that may be nested from this one on.
        """
        name = names.of_point(image_id, view)
        parts = names.view_parts(image_id, view)
        # A delta.vhd may be written anew: by content, since the older one may be read until then.
        head = self._put_piece(
            names.of_point(image_id, names.HEAD) if view == names.DISK_VIEW
            else "%shead-%s" % (parts, hashlib.sha256(vhd.head).hexdigest()), vhd.head)
        footer = Entry(data=vhd.footer) if self._shares else self._put_piece(
            "%sfooter-%s" % (parts, hashlib.sha256(vhd.footer).hexdigest()), vhd.footer)
        size = self._stitcher.put(name, parts, itertools.chain([head], body, [footer]),
                                  depth, headers).size
        if size != vhd.length:
            raise exceptions.StoreCorrupt("the stitched %s has %d bytes, %d were expected"
                                          % (name, size, vhd.length))
        assert head.etag is not None
        return Disk(size, head.etag)

    def _put_piece(self, name: str, data: bytes) -> Entry:
        self._note(name)
        put = self._account.put(self._container, name, data)
        return Entry("/%s/%s" % (self._container, name), put.etag, put.size)

    def _changed(self, changes: Changes) -> Iterator[Entry]:
        zeros: List[Segment] = []
        for change in changes:
            if change.segment is not None:
                yield change.segment.block(change.slot)
                continue
            zeros = zeros or self._put_zeros()
            yield Entry(zeros[0].path, zeros[0].etag, zeros[0].size)
            zeros.reverse()

    def _places(self, changes: Changes, stored: List[Segment]) -> Iterator[Place]:
        """Yield where the blocks are; fill *stored*, to which the places refer."""
        zeros: List[Segment] = []
        numbers: Dict[Segment, int] = {}
        for change in changes:
            segment = change.segment
            if segment is None:
                zeros = zeros or self._put_zeros()
                segment = zeros[0]
                zeros.reverse()
            number = numbers.setdefault(segment, len(stored))
            if number == len(stored):
                stored.append(segment)
            yield Place(change.block, number, change.slot, b"")

    def _put_zeros(self) -> List[Segment]:
        # Put anew each time, which pardons them as well: it is one block.
        data = FULL_BITMAP + bytes(constants.BLOCK_SIZE)
        return [Segment(self._container, name, self._account.put(
            self._container, name, data).etag, STRIDE, 1) for name in names.ZEROS]


class Delta(NamedTuple):
    """A ``delta.vhd`` that is stored.

    :ivar parent: image id of the point that it refers to; None for a whole disk.
    :ivar size: bytes.
    """

    parent: Optional[str]
    size: int


def delta_of(account: Account, container: str, image_id: str) -> Delta:
    """Return what is known of a point's ``delta.vhd``.

    :raises ObjectMissing: there is no such view.
    """
    headers: Dict[str, str] = account.headers(
        container, names.of_point(image_id, names.DELTA_VIEW))
    return Delta(headers.get(PARENT_META.lower()) or None, int(headers["content-length"]))


def parent_of(account: Account, container: str, image_id: str) -> Optional[str]:
    """Return the image id of the point that a ``delta.vhd`` refers to; None for a whole disk.

    :raises ObjectMissing: there is no such view.
    """
    return delta_of(account, container, image_id).parent
