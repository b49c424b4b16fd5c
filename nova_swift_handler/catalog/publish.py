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

The order of the writes is what keeps readers safe: regions, then the view, then ``point.json``,
which makes the point complete, then the index, and last the object that Glance reads.  A crash
anywhere leaves nothing that claims to be good and is not.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import logging
import uuid
from concurrent import futures
from typing import Any, Dict, Iterator, List, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog import region as regions
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import removal
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.vhd.layout import Layout

LOG = logging.getLogger(__name__)

VHD_CONTENT_TYPE = "application/x-vhd"
_WORKERS = 4


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a point is to say about itself beside its bytes; see ``Point`` for the fields."""

    image_id: str
    kind: str
    volume_id: str
    project_id: str
    image_created_at: str
    origin: Dict[str, str]


class Publisher:
    """Publishes points of one container.

    Every object written is remembered, so that :meth:`withdraw` can take it all back.
    """

    def __init__(self, account: Account, containers: names.Containers, container: str) -> None:
        self._account = account
        self._containers = containers
        self._container = container
        self._written: List[Tuple[str, str]] = []

    def publish(self, subject: Subject, virtual_size: int, blocks: BlockMap,
                stored: List[Segment], for_glance: bool) -> Point:
        """Publish a disk as the point of image *subject.image_id*.

        :param virtual_size: bytes of the disk.
        :param blocks: where its blocks are; refers to *stored*.
        :param for_glance: whether Glance is to read the disk in place.
        :raises StoreError: Swift refused a write; call :meth:`withdraw`.
        """
        layout = Layout(virtual_size, blocks.order(), uuid.UUID(subject.image_id).bytes)
        refs = self._put_regions(blocks, stored)
        size = self._put_view(subject.image_id, layout, refs)
        if size != layout.length:
            raise exceptions.StoreCorrupt(
                "the stitched disk.vhd of image %s has %d bytes, %d were expected"
                % (subject.image_id, size, layout.length))
        point = Point(
            container=self._container, **dataclasses.asdict(subject), parent=None,
            stored_at=self._now(), sequence=self._next_sequence(), virtual_size=virtual_size,
            vhd_size=layout.length, blocks=sum(ref.blocks for ref in refs),
            digest=blocks.digest(virtual_size), regions=refs, segments=stored, writer=writer())
        self._put_json(self._container, names.of_point(point.image_id, names.POINT),
                       point.as_json())
        view_name = names.of_point(point.image_id, names.DISK_VIEW)
        self.enter(point.image_id, subject.kind, view_name)
        if for_glance:
            self.offer(point.image_id, view_name, point.vhd_size, VHD_CONTENT_TYPE)
        return point

    def enter(self, image_id: str, kind: str, view: str) -> None:
        """Write the index's object for a stored *view*."""
        self._put_json(self._containers.index, image_id, {
            "format": 0, "image_id": image_id, "kind": kind, "container": self._container,
            "view": view})

    def offer(self, image_id: str, view: str, size: int, content_type: str) -> None:
        """Write the object through which Glance reads a stored *view* of *size* bytes.

        Glance's object has one entry, the view's name: such an object is always removed when
        Glance deletes the image, and never anything beneath it, Glance's user having no rights
        there.  It names no etag, so the view may be stitched anew.
        """
        entry = Entry(path="/%s/%s" % (self._container, view), size=size)
        self.note(self._containers.images, image_id)
        self._account.put_manifest(self._containers.images, image_id, [entry], content_type)

    def withdraw(self) -> None:
        """Remove all that was written, newest first; what cannot be removed is logged."""
        written, self._written = self._written, []
        removal.remove(self._account, reversed(written))

    def _put_regions(self, blocks: BlockMap, stored: List[Segment]) -> List[RegionRef]:
        count = -(-len(blocks) // regions.BLOCKS)
        put = functools.partial(self._put_region, blocks, stored)
        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            return [ref for ref in pool.map(put, range(count)) if ref is not None]

    def _put_region(self, blocks: BlockMap, stored: List[Segment],
                    index: int) -> Optional[RegionRef]:
        region = regions.Region.cut(index, blocks, stored)
        if not region.places:
            return None
        table = region.table()
        name = regions.name(index, table)
        self.note(self._container, name + ".table")
        self._account.put(self._container, name + ".table", table)
        parts: List[Dict[str, Any]] = []
        for serial, entries in enumerate(region.manifests()):
            part = "%s.%d" % (name, serial)
            put = self.put_manifest(part, entries, VHD_CONTENT_TYPE)
            parts.append({"name": part, "etag": put.etag, "size": put.size})
        return RegionRef(index, name + ".table", parts, len(region.places))

    def _put_view(self, image_id: str, layout: Layout, refs: List[RegionRef]) -> int:
        head = names.of_point(image_id, "head")
        self.note(self._container, head)
        put = self._account.put(self._container, head, layout.head)
        view = names.of_point(image_id, names.DISK_VIEW)
        entries = [Entry("/%s/%s" % (self._container, head), put.etag, put.size)]
        entries += [Entry("/%s/%s" % (self._container, part["name"]), part["etag"], part["size"])
                    for ref in refs for part in ref.parts]
        entries.append(Entry(data=layout.footer))
        return self.put_manifest(view, entries, VHD_CONTENT_TYPE).size

    def _put_json(self, container: str, name: str, value: Any) -> None:
        self.note(container, name)
        self._account.put_json(container, name, value)

    def put_manifest(self, name: str, entries: List[Entry], content_type: str) -> Stored:
        """Write a stitched object into the container."""
        self.note(self._container, name)
        return self._account.put_manifest(self._container, name, entries, content_type)

    def note(self, container: str, name: str) -> None:
        """Remember an object that is about to be written.

        Before the write, since an answer may be lost although the object is there.
        """
        self._written.append((container, name))

    def _now(self) -> str:
        return self._account.head_container(self._container)["date"]

    def _next_sequence(self) -> int:
        return 1 + max((point.sequence for point in points(self._account, self._container)),
                       default=0)


def points(account: Account, container: str) -> Iterator[Point]:
    """Yield the complete points of *container*; those that cannot be read are passed over."""
    for row in account.listing(container, "points/"):
        if row["name"].endswith("/" + names.POINT):
            try:
                point = Point.parse(account.get_json(container, row["name"]))
            except exceptions.ObjectMissing:
                continue  # a listing may still name what was deleted since
            except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
                # One bad point must not keep the volume from being snapshotted again.
                LOG.warning("Passing over %s/%s: %s", container, row["name"], error)
                continue
            yield point


def writer() -> str:
    """Return this program's name and version."""
    try:
        return "nova_swift_handler " + importlib.metadata.version("nova_swift_handler")
    except importlib.metadata.PackageNotFoundError:
        return "nova_swift_handler"


