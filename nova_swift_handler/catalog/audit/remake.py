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

"""Make single objects of a point anew, each just as it was."""

from __future__ import annotations

import contextlib
import functools
from concurrent import futures
from typing import Dict, List, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import (
    closing,
    lineage,
    names,
    properties,
    readable,
    relink,
    summary,
    views,
)
from nova_swift_handler.catalog import region as regions
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.publish import Publisher
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.catalog.views import VHD_CONTENT_TYPE, Views
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account
from nova_swift_handler.vhd.layout import block_count

_WORKERS = 8


class Maker:
    """Makes objects of the points of one container."""

    def __init__(self, account: Account, containers: names.Containers, abilities: Abilities,
                 container: str) -> None:
        self._account = account
        self._abilities = abilities
        self._views = Views(account, container, abilities)
        self._publisher = Publisher(account, containers, container, abilities)

    def salvaged(self, point: Point) -> Tuple[BlockMap, List[Segment]]:
        """Return where the blocks of *point* are, by its closing and its segments' trailers.

        :raises ObjectMissing: a segment or the closing is gone.
        :raises PointInvalid: they do not add up to the point's digest.
        """
        told, runs = closing.parse(self._account.get(
            point.container, names.closing(point.upload_id)))
        if told != point:
            raise exceptions.PointInvalid(
                "the closing of its upload tells of another point, or otherwise of this one")
        by_segment: Dict[int, List[closing.Run]] = {}
        for run in runs:
            by_segment.setdefault(run.segment, []).append(run)
        blocks = BlockMap(block_count(point.virtual_size))
        read = functools.partial(lineage.trailer_of, self._account)
        with futures.ThreadPoolExecutor(_WORKERS) as pool:
            numbers = sorted(by_segment)
            for start in range(0, len(numbers), _WORKERS):
                some = numbers[start:start + _WORKERS]
                for number, trailer in zip(some, pool.map(
                        read, [point.segments[number] for number in some])):
                    for run in by_segment[number]:
                        for at in range(run.blocks):
                            digest = trailer.entries[run.slot + at][1]
                            blocks.set(Place(run.first + at, number, run.slot + at, digest))
        if blocks.digest(point.virtual_size) != point.digest:
            raise exceptions.PointInvalid(
                "what the segments' trailers say does not add up to the point's digest")
        return blocks, point.segments

    def regions(self, point: Point, blocks: BlockMap, stored: List[Segment]) -> None:
        """Write the tables of *point*'s regions, and what those are stitched into.

        :raises PointInvalid: a table is not the one that the point names.
        :raises StoreCorrupt: a part is stitched otherwise than it was.
        """
        for ref in point.regions:
            self._region(point, ref, blocks, stored)

    def _region(self, point: Point, ref: RegionRef, blocks: BlockMap,
                stored: List[Segment]) -> None:
        region = regions.Region.cut(ref.index, blocks, stored)
        table = region.table()
        if regions.name(ref.index, table) + ".table" != ref.table:
            raise exceptions.PointInvalid(
                "the table that the segments give for region %d is not %s"
                % (ref.index, ref.table))
        self._account.put(point.container, ref.table, table)
        if not ref.parts:
            return
        entries = [entry for part in region.manifests(self._abilities.max_entries)
                   for entry in part]
        for part in ref.parts:
            size, some = 0, []
            while entries and size < part["size"]:
                size += entries[0].length
                some.append(entries.pop(0))
            put = self._account.put_manifest(point.container, part["name"], some,
                                             VHD_CONTENT_TYPE)
            if (put.etag, put.size) != (part["etag"], part["size"]):
                raise exceptions.StoreCorrupt(
                    "%s/%s is stitched otherwise than it was: it has etag %s, not %s"
                    % (point.container, part["name"], put.etag, part["etag"]))

    def disk(self, point: Point, blocks: BlockMap, stored: List[Segment]) -> None:
        """Write ``disk.vhd`` and its head.

        :raises StoreCorrupt: they are not what they were.
        """
        view = self._views.disk(point.image_id, point.virtual_size, blocks, stored,
                                point.regions, [names.DISK_VIEW])
        if (view.size, view.head) != (point.vhd_size, point.head):
            raise exceptions.StoreCorrupt(
                "%s of %s is not what it was: it has %d bytes and a head of etag %s, not %d and "
                "%s" % (names.DISK_VIEW, point.path, view.size, view.head, point.vhd_size,
                        point.head))

    def delta(self, point: Point) -> None:
        """Write ``delta.vhd``, referring to what it referred to if that is still there."""
        parent = self._parent(point)
        if parent is None and point.parent_container == point.container:
            relink.to_older(self._account, self._views, point)
        else:
            relink.to(self._account, self._views, point, parent)

    def _parent(self, point: Point) -> Optional[Point]:
        """Return the point that the ``delta.vhd`` referred to, if that is still there."""
        ids = [point.parent] if point.parent_container == point.container else []
        with contextlib.suppress(exceptions.ObjectMissing):
            ids.insert(0, views.parent_of(self._account, point.container, point.image_id))
        for image_id in ids:
            if image_id is None:
                continue
            try:
                parent = readable.read(self._account, point.container,
                                       names.of_point(image_id, names.POINT))
            except (exceptions.ObjectMissing, exceptions.PointInvalid, exceptions.StoreCorrupt):
                continue
            if parent.sequence < point.sequence and parent.virtual_size == point.virtual_size:
                return parent
        return None

    def enter(self, point: Point) -> None:
        """Write the index's object."""
        chained: Optional[bool] = None
        with contextlib.suppress(exceptions.ObjectMissing):
            chained = views.parent_of(
                self._account, point.container, point.image_id) is not None
        self._publisher.enter(summary.of_point(point, chained),
                              names.of_point(point.image_id, names.DISK_VIEW))

    def describe(self, point: Point) -> None:
        """Write a template's properties; under its image's id, if its name is another's by now.

        Nothing is done for a point that does not know what it is called.
        """
        values = properties.of_template(point)
        if not values:
            return
        if properties.exists(self._account, point.container, values["name"]):
            values["name"] = point.image_id
        properties.write(self._account, point.container, values["name"], values)

    def offer(self, point: Point) -> None:
        """Write the object through which Glance reads the disk in place."""
        self._publisher.offer(point.image_id, names.of_point(point.image_id, names.DISK_VIEW),
                              point.vhd_size, VHD_CONTENT_TYPE)
