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

"""Make a complete point of segments that are already stored.

The order of the writes is what keeps readers safe: regions, then the views, then the closing and
``point.json``, which makes the point complete, then the index, and last the object that Glance
reads.  A crash anywhere leaves nothing that claims to be good and is not.
"""

from __future__ import annotations

import dataclasses
import email.utils
import functools
import importlib.metadata
import logging
from concurrent import futures
from typing import Any, Dict, List, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import (
    changes,
    closing,
    deletion,
    inheritance,
    intent,
    lookup,
    names,
    offered,
    relink,
    summary,
)
from nova_swift_handler.catalog import region as regions
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.lineage import Heritage
from nova_swift_handler.catalog.point import RANGES, WHOLE, Point, RegionRef
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.catalog.views import VHD_CONTENT_TYPE, Views
from nova_swift_handler.store import lifetime, manifest, removal
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import JSON, Account, Stored
from nova_swift_handler.store.etag import md5
from nova_swift_handler.store.manifest import Entry

LOG = logging.getLogger(__name__)

_WORKERS = 4


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a point is to say about itself beside its bytes; see ``Point`` for the fields.

    :ivar lifetime: seconds until an export expires, from when it is complete; None of all else.
    """

    image_id: str
    kind: str
    volume_id: str
    project_id: str
    image_created_at: str
    origin: Dict[str, str]
    lifetime: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Disk:
    """A disk whose blocks are stored.

    :ivar blocks: where they are; refers to *stored*.
    :ivar changed: a one for each block that the parent does not have so.
    :ivar upload_id: the upload that stored it.
    :ivar sent_blocks: blocks that it sent.
    :ivar sent_bytes: bytes of the segments that it sent.
    """

    virtual_size: int
    blocks: BlockMap
    stored: List[Segment]
    changed: bytearray
    upload_id: str
    sent_blocks: int
    sent_bytes: int

    def used(self) -> List[Segment]:
        """Return the segments that its blocks lie in."""
        return [self.stored[number] for number in self.blocks.used()]

    def fills_its_segments(self) -> bool:
        """Tell whether the segments that its blocks lie in hold nothing else."""
        slots: Dict[int, bytearray] = {}
        for place in self.blocks.places():
            if place.segment not in slots:
                slots[place.segment] = bytearray(self.stored[place.segment].blocks)
            slots[place.segment][place.slot] = 1
        return all(all(held) for held in slots.values())


class Publisher:
    """Publishes points of one container.

    What it writes for a point alone is remembered, so that :meth:`withdraw` can take it back.
    Segments and regions are not: other points may share them, and what nobody names is for the
    next upload to use or for the sweep.
    """

    def __init__(self, account: Account, containers: names.Containers, container: str,
                 abilities: Abilities) -> None:
        self._account = account
        self._containers = containers
        self._container = container
        self._abilities = abilities
        self._views = Views(account, container, abilities, self._note_own)
        self._written: List[Tuple[str, str]] = []
        self._offered: Optional[str] = None  # image whose bytes Glance may read in place
        self._complete: Optional[Point] = None

    def publish(self, subject: Subject, disk: Disk, heritage: Heritage, for_glance: bool,
                announced: intent.Intent) -> Point:
        """Publish *disk* as the point of image *subject.image_id*.

        :param heritage: what it was made of.
        :param for_glance: whether Glance is to read the disk in place; where the cluster cannot
            stitch an object for that, with the disk's bytes and no others, there will be none.
        :param announced: says that this is under way.
        :raises StoreError: Swift refused a write; call :meth:`withdraw`.
        """
        parent = heritage.parent
        chained = (parent is not None and parent.container == self._container
                   and parent.virtual_size == disk.virtual_size)
        refs = self._put_regions(disk, parent or heritage.original)
        view = self._views.disk(
            subject.image_id, disk.virtual_size, disk.blocks, disk.stored, refs,
            [names.DISK_VIEW] if chained else [names.DISK_VIEW, names.DELTA_VIEW])
        if chained:
            assert parent is not None
            self._views.delta(subject.image_id, disk.virtual_size, changes.marked(
                disk.changed, disk.blocks, disk.stored), parent.image_id)
        fields = dataclasses.asdict(subject)
        lifetime, now = fields.pop("lifetime"), self._now()
        point = Point(
            container=self._container, **fields,
            expires=None if lifetime is None else _later(now, lifetime),
            parent=parent.image_id if parent else None,
            parent_container=parent.container if parent else None, base=heritage.base,
            stored_at=now, sequence=heritage.sequence, virtual_size=disk.virtual_size,
            vhd_size=view.size, blocks=sum(ref.blocks for ref in refs),
            digest=disk.blocks.digest(disk.virtual_size), upload_id=disk.upload_id,
            sent_blocks=disk.sent_blocks, sent_bytes=disk.sent_bytes,
            stitching=RANGES if self._abilities.shares_blocks else WHOLE,
            head=view.head, regions=refs, segments=disk.used(), writer=writer())
        self._put(names.closing(disk.upload_id), closing.pack(point, disk.blocks, disk.stored))
        self._complete = point
        self._put_json(self._container, names.of_point(point.image_id, names.POINT),
                       point.as_json())
        self._settle(point, parent if chained else None, announced)
        view_name = names.of_point(point.image_id, names.DISK_VIEW)
        self.enter(summary.of_point(point, chained), view_name)
        # A view of whole segments may hold what was on the disk before, or is on another: whoever
        # may have this image may not have that.
        if for_glance and view.size and self._abilities.nested and (
                self._abilities.shares_blocks or disk.fills_its_segments()):
            self.offer(point.image_id, view_name, point.vhd_size, VHD_CONTENT_TYPE)
        return point

    def enter(self, stored: summary.Summary, view: str) -> None:
        """Write the index's object for a stored *view*."""
        self._put_json(self._containers.index, stored.image_id, {
            "format": 1, "image_id": stored.image_id, "kind": stored.kind,
            "container": self._container, "view": view}, summary.content_type(stored))

    def offer(self, image_id: str, view: str, size: int, content_type: str) -> None:
        """Write the object through which Glance reads a stored *view* of *size* bytes."""
        self._offered = image_id
        offered.make(self._account, self._containers, image_id, self._container, view, size,
                     content_type)

    def withdraw(self) -> None:
        """Remove what was written for the point; what cannot be removed is logged."""
        point, self._complete = self._complete, None
        try:
            if self._offered is not None:
                offered.remove(self._account, self._containers, self._offered)
            if point is not None:
                # The next upload may have been compared with it already.
                deletion.delete(self._account, self._containers, self._abilities, point)
                return
        except exceptions.SwiftVhdError as error:
            LOG.warning("After a failure the point of image %s may be left over; `swift-vhd "
                        "housekeep` removes it once its image is gone: %s",
                        point.image_id if point else self._offered, error)
            return
        written, self._written = self._written, []
        removal.remove(self._account, reversed(written))

    def _put_regions(self, disk: Disk, like: Optional[Point]) -> List[RegionRef]:
        known = {}
        if like is not None and like.container == self._container:
            known = {ref.table: ref for ref in like.regions}
        count = -(-len(disk.blocks) // regions.BLOCKS)
        put = functools.partial(self._put_region, disk, known)
        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            return [ref for ref in pool.map(put, range(count)) if ref is not None]

    def _put_region(self, disk: Disk, known: Dict[str, RegionRef],
                    index: int) -> Optional[RegionRef]:
        region = regions.Region.cut(index, disk.blocks, disk.stored)
        if not region.places:
            return None
        table = region.table()
        name = regions.name(index, table)
        same = known.get(name + ".table")
        shares = self._abilities.shares_blocks
        if same is not None and bool(same.parts) == shares and self._there(same, table):
            return same
        self._account.put(self._container, name + ".table", table)
        parts: List[Dict[str, Any]] = []
        for serial, entries in enumerate(
                region.manifests(self._abilities.max_entries) if shares else []):
            # By content as well: another limit cuts the same region in other parts.
            part = "%s.%d-%s" % (name, serial, manifest.digest(entries)[:16])
            put = self._account.put_manifest(self._container, part, entries, VHD_CONTENT_TYPE)
            parts.append({"name": part, "etag": put.etag, "size": put.size})
        return RegionRef(index, name + ".table", parts, len(region.places))

    def _there(self, ref: RegionRef, table: bytes) -> bool:
        wanted = [(ref.table, Stored(md5(table).hexdigest(), len(table)))]
        wanted += [(part["name"], Stored(part["etag"], part["size"])) for part in ref.parts]
        return all(inheritance.present(self._account, self._container, name, expected)
                   for name, expected in wanted)

    def _settle(self, point: Point, parent: Optional[Point], announced: intent.Intent) -> None:
        """Mend what others may have done between this point's first write and its completion.

        Who deletes the parent after this finds the point among its children, and who sweeps
        finds it among the living; who did so before did not.
        """
        announced.refer()
        if announced.lapsed() or intent.sweeping(self._account, point):
            gone = [segment.path for segment in inheritance.missing(
                self._account, point.segments)] + self._pardon_own(point)
            if gone:
                raise exceptions.StoreError(
                    "%d objects that image %s needs were deleted while it was stored, such as %s; "
                    "is the grace of `swift-vhd housekeep` shorter than an upload takes?"
                    % (len(gone), point.image_id, gone[0]))
        while parent is not None and not lookup.complete(self._account, parent):
            parent = relink.to_older(self._account, self._views, point)

    def _pardon_own(self, point: Point) -> List[str]:
        """Pardon what *point* needs beside segments; return what of it is gone."""
        wanted = [name for container, name in self._written if container == self._container]
        for ref in point.regions:
            wanted += [ref.table, *(part["name"] for part in ref.parts)]
        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            there = list(pool.map(self._pardoned, wanted))
        return [name for name, found in zip(wanted, there) if not found]

    def _pardoned(self, name: str) -> bool:
        try:
            lifetime.pardon(self._account, self._container, name)
        except exceptions.ObjectMissing:
            return False
        return True

    def _put(self, name: str, data: bytes) -> None:
        self.note(self._container, name)
        self._account.put(self._container, name, data)

    def _put_json(self, container: str, name: str, value: Any,
                  content_type: str = JSON) -> None:
        self.note(container, name)
        self._account.put_json(container, name, value, content_type=content_type)

    def put_manifest(self, name: str, entries: List[Entry], content_type: str) -> Stored:
        """Write a stitched object into the container."""
        self._note_own(name)
        return self._account.put_manifest(self._container, name, entries, content_type)

    def _note_own(self, name: str) -> None:
        self.note(self._container, name)

    def note(self, container: str, name: str) -> None:
        """Remember an object that is about to be written.

        Before the write, since an answer may be lost although the object is there.
        """
        self._written.append((container, name))

    def _now(self) -> str:
        return self._account.head_container(self._container)["date"]


def _later(date: str, seconds: int) -> str:
    """Return the time so long after *date*, both as HTTP writes them."""
    then = email.utils.parsedate_to_datetime(date).timestamp() + seconds
    return email.utils.formatdate(then, usegmt=True)


def writer() -> str:
    """Return this program's name and version."""
    try:
        return "nova_swift_handler " + importlib.metadata.version("nova_swift_handler")
    except importlib.metadata.PackageNotFoundError:
        return "nova_swift_handler"
