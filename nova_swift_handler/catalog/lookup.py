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

"""Find points, and where their blocks are."""

from __future__ import annotations

import logging
from typing import Dict, Iterator, List, Optional, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inventory, names
from nova_swift_handler.catalog import region as regions
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.point import Point, RegionRef
from nova_swift_handler.catalog.region import Region
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account
from nova_swift_handler.vhd.layout import block_count

LOG = logging.getLogger(__name__)


def find(account: Account, containers: names.Containers, image_id: str) -> Optional[Point]:
    """Return the complete point of an image; None if we hold none.

    The image id is all that is asked for: what an image's properties say about containers or
    objects is its owner's to write, and is not believed.

    :raises StoreError: Swift could not be asked, which is not the same as no.
    :raises PointInvalid: there is one, and it cannot be used.
    """
    if not names.is_id(image_id):
        return None  # other names in the index are not images', or not there at all
    try:
        entry = account.get_json(containers.index, image_id)
        if "/disk.vhd" not in entry["view"]:
            return None
        point = Point.parse(account.get_json(
            entry["container"], names.of_point(image_id, names.POINT)))
    except exceptions.ObjectMissing:
        return None
    except (KeyError, TypeError) as error:
        raise exceptions.PointInvalid(
            "the index entry of image %s is damaged: %r" % (image_id, error)) from error
    if point.image_id != image_id or point.container != entry["container"]:
        raise exceptions.PointInvalid(
            "the point that the index names for image %s says it is image %s in %s"
            % (image_id, point.image_id, point.container))
    return point


def region(account: Account, point: Point, ref: RegionRef) -> Region:
    """Return a region of a point, checked against its name, which is its table's SHA-256.

    :raises PointInvalid: its table is damaged.
    """
    table = account.get(point.container, ref.table)
    found = check_table("%s/%s" % (point.container, ref.table), table)
    if found.places and max(found.places).block >= block_count(point.virtual_size):
        raise exceptions.PointInvalid(
            "%s/%s has blocks beyond the end of the point's disk of %d bytes"
            % (point.container, ref.table, point.virtual_size))
    return found


def check_table(name: str, table: bytes) -> Region:
    """Return the region whose table *table* is, if *name* is its name.

    :raises PointInvalid: it is damaged.
    """
    found = Region.parse(table)
    if not name.endswith(regions.name(found.index, table) + ".table"):
        raise exceptions.PointInvalid(
            "%s is not the table it was: its name no longer matches its bytes" % name)
    return found


def blocks(account: Account, point: Point) -> Tuple[BlockMap, List[Segment]]:
    """Return where a point's blocks are, checked against the point's digest.

    :raises PointInvalid: a table is damaged, or they do not add up.
    """
    result = BlockMap(block_count(point.virtual_size))
    stored: List[Segment] = []
    numbers: Dict[Segment, int] = {}
    for ref in point.regions:
        found = region(account, point, ref)
        for place in found.places:
            segment = found.stored[place.segment]
            if segment not in numbers:
                numbers[segment] = len(stored)
                stored.append(segment)
            result.set(place._replace(segment=numbers[segment]))
    if result.digest(point.virtual_size) != point.digest:
        raise exceptions.PointInvalid(
            "the tables of the point of image %s do not add up to its digest" % point.image_id)
    return result, stored


def complete(account: Account, point: Point) -> bool:
    """Tell whether *point* is still there."""
    return presence.exists(account, point.container,
                           names.of_point(point.image_id, names.POINT))


def points(account: Account, container: str) -> Iterator[Point]:
    """Yield the complete points of *container*; those that cannot be read are passed over."""
    for row in account.listing(container, names.POINTS):
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


def complete_ids(account: Account, container: str) -> Set[str]:
    """Return the image ids of the complete points and ISOs of *container*, by its listing."""
    try:
        return inventory.complete(account, container)
    except exceptions.ObjectMissing:
        return set()  # the account may list a container for a while that is gone


def is_of(point: Point, owner: str, created_at: str) -> bool:
    """Tell whether *point* was stored for the image that has this owner and creation time.

    Glance lets an id be used again after its row is purged; the disk of the former image is
    nothing the new one's owner may see.
    """
    return point.project_id == owner and point.image_created_at == created_at
