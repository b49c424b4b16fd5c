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

"""Every image, and every disk and ISO that is stored, side by side: Glance's list and Swift's.

Told from three listings: of Glance's images, of the index, and of the container that Glance reads.
"""

from __future__ import annotations

import bisect
import dataclasses
import fnmatch
import logging
from concurrent import futures
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from nova_swift_handler.catalog import containers, lookup, names, offered, places, summary
from nova_swift_handler.catalog.point import EXPORT
from nova_swift_handler.catalog.summary import Lost, Summary
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

LOG = logging.getLogger(__name__)

FOREIGN = "foreign"
KINDS = ("template", "snapshot", summary.ISO, EXPORT, FOREIGN)
MISSING = "missing"
"""The status of an image that Glance does not have."""

NO_IMAGE, NO_DISK, UNREADABLE = "no image", "no disk", "Glance cannot read its disk"
NOT_INDEXED = "not in the index"
ANOTHERS = "the image is another's"
"""A disk whose image's id has been given to an image of another project."""

_WORKERS = 16
_UUID = 36


@dataclasses.dataclass(frozen=True)
class Row:
    """An image, a stored disk, or both.

    :ivar name: the image's.
    :ivar kind: one of ``KINDS``; foreign is what is not stored here but known to Glance.
    :ivar project: id of its owner; empty for an export.
    :ivar status: Glance's; ``MISSING`` if it has no such image, None if it need not have.
    :ivar virtual_size: bytes of the disk, as far as known.
    :ivar logical: bytes of its blocks that are not zero.
    :ivar stored: bytes that were stored for it: what its parent lacked; of what is foreign all.
    :ivar depth: how many points are above it in the chain of ``delta.vhd``; None if it is in none.
    :ivar parent: image id of the next of these.
    :ivar base: image id of what the disk was made of.
    :ivar container: where it is stored; empty for what is foreign.
    :ivar volume: what it is a point of.
    :ivar sequence: number among that volume's points.
    :ivar stored_at: seconds since 1970.
    :ivar form: disk format and container format, as Glance has them.
    :ivar visibility: Glance's.
    :ivar orphan: what does not go with it; empty if all is well.
    """

    image_id: str
    name: Optional[str] = None
    kind: str = FOREIGN
    project: str = ""
    status: Optional[str] = None
    virtual_size: Optional[int] = None
    logical: Optional[int] = None
    stored: Optional[int] = None
    depth: Optional[int] = None
    parent: Optional[str] = None
    base: Optional[str] = None
    container: str = ""
    volume: str = ""
    sequence: int = 0
    stored_at: Optional[int] = None
    form: str = ""
    visibility: str = ""
    orphan: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which rows are asked for; None and False ask for all.

    :ivar name: a pattern as shells have them.
    """

    kind: Optional[str] = None
    project: Optional[str] = None
    status: Optional[str] = None
    volume: Optional[str] = None
    name: Optional[str] = None
    orphans: bool = False

    def takes(self, row: Row) -> bool:
        """Tell whether *row* is one of them."""
        return (all(wanted in (None, having) for wanted, having in (
                    (self.kind, row.kind), (self.project, row.project),
                    (self.status, row.status), (self.volume, row.volume)))
                and (self.name is None or fnmatch.fnmatchcase(row.name or "", self.name))
                and (bool(row.orphan) or not self.orphans))


def rows(services: Services, wanted: Wanted) -> List[Row]:
    """Return the rows that are *wanted*, volume by volume, oldest first; then what is foreign.

    If orphans alone are wanted, every container is looked into for what the index does not know,
    and Glance is asked for the bytes of what may be gone.

    :raises StoreError, GlanceError: Swift or Glance could not be asked.
    """
    ours = services.credentials.session()
    account, images = services.account(ours), services.images(None, ours)
    where = services.containers
    sees_all = images.sees_all()
    if not sees_all:
        LOG.warning("The service account has not the role 'admin', so Glance may have images that "
                    "it does not show: what has none here is not marked.")
    with futures.ThreadPoolExecutor(3) as pool:
        listed = pool.submit(_images, images)
        entries = pool.submit(summary.each, account, where)
        objects = pool.submit(_offers, account, where)
        found = _Joined(where, listed.result(), entries.result(), objects.result(), sees_all)
    joined = {row.image_id: row for row in found.rows()}
    if wanted.orphans:
        for row in _unindexed(account, where, joined):
            joined[row.image_id] = row
    candidates = dataclasses.replace(wanted, orphans=False)
    chosen = [_asked(images, row) if row.image_id in found.doubted and (
                  wanted.orphans or row.kind != FOREIGN) else row
              for row in joined.values() if candidates.takes(row)]
    return sorted(filter(wanted.takes, chosen), key=lambda row: (
        row.kind == FOREIGN, row.container, row.sequence, row.name or "", row.image_id))


def _images(images: ImageService) -> Dict[str, Image]:
    return {image.id: image for image in images.every()}


def _offers(account: Account, where: names.Containers) -> Dict[str, Dict[str, Any]]:
    """Return the objects that Glance reads, without the pieces of its own large uploads."""
    return {row["name"]: row for row in account.listing(where.images)
            if len(row["name"]) == _UUID}


class _Joined:
    """What the listings tell together.

    :ivar doubted: ids of active images for which Glance should read an object that is not listed.
    """

    def __init__(self, where: names.Containers, images: Dict[str, Image],
                 entries: Iterable[summary.Entry], offers: Dict[str, Dict[str, Any]],
                 sees_all: bool) -> None:
        self._where = where
        self._images = images
        self._entries = {entry.image_id: entry for entry in entries}
        self._offers = offers
        self._missing = NO_IMAGE if sees_all else ""
        self._chains = chains([entry for entry in self._entries.values()
                               if isinstance(entry, Summary)])
        self.doubted = {image.id for image in images.values()
                        if image.status == "active" and image.container_format == "bare"
                        and image.disk_format in ("vhd", "iso") and image.id not in offers
                        and not isinstance(self._entries.get(image.id), Lost)}

    def rows(self) -> Iterator[Row]:
        """Yield what there is, in any order."""
        for image_id, entry in self._entries.items():
            image = self._images.get(image_id)
            yield self._lost(entry, image) if isinstance(entry, Lost) else self._held(entry, image)
        for image_id, image in self._images.items():
            if image_id not in self._entries:
                yield _row(image, stored=image.size, virtual_size=image.virtual_size,
                           orphan=NO_DISK if self._is_offer(image_id) else "")
        for image_id, row in self._offers.items():
            if image_id not in self._entries and image_id not in self._images:
                ours = self._is_offer(image_id)
                yield Row(image_id, status=MISSING, container=self._where.images,
                          stored=None if ours else row["bytes"],
                          orphan=NO_DISK if ours else self._missing)

    def _is_offer(self, image_id: str) -> bool:
        return image_id in self._offers and offered.may_be_ours(self._offers[image_id])

    def _held(self, entry: Summary, image: Optional[Image]) -> Row:
        depth, parent = self._chains.get(entry.image_id, (None, None))
        is_export = entry.kind == EXPORT
        row = of_summary(self._where, entry, depth, parent)
        if image is not None:
            # Of an ISO the owner is not recorded.
            others = is_export or entry.project_id not in ("", image.owner or "")
            return _row(image, row, orphan=ANOTHERS if others else "")
        return dataclasses.replace(row, status=None if is_export else MISSING,
                                   orphan="" if is_export else self._missing)

    def _lost(self, entry: Lost, image: Optional[Image]) -> Row:
        row = Row(entry.image_id, kind=entry.kind or FOREIGN, container=entry.container,
                  volume=places.volume_of(self._where, entry.container), status=MISSING,
                  orphan="%s: %s" % (NO_DISK, entry.problem))
        return row if image is None else _row(image, row)


def _row(image: Image, row: Optional[Row] = None, **fields: Any) -> Row:
    """Return what Glance says of *image*, in addition to *row* and *fields*."""
    return dataclasses.replace(
        row or Row(image.id), name=image.name, project=image.owner or "", status=image.status,
        visibility=image.visibility,
        form="%s/%s" % (image.disk_format or "-", image.container_format or "-"), **fields)


def of_summary(where: names.Containers, entry: Summary, depth: Optional[int],
               parent: Optional[str]) -> Row:
    """Return what is known of a stored disk without Glance."""
    return Row(
        entry.image_id, kind=entry.kind, project=entry.project_id,
        virtual_size=entry.virtual_size, logical=entry.logical, stored=entry.stored, depth=depth,
        parent=parent, base=entry.base, container=entry.container,
        volume=places.volume_of(where, entry.container), sequence=entry.sequence,
        stored_at=entry.stored_at)


def chains(entries: Iterable[Summary]) -> Dict[str, Tuple[int, Optional[str]]]:
    """Return how deep each point lies in its chain of ``delta.vhd``, and its parent there.

    When a parent was deleted, its children were relinked to the newest older point with a disk of
    the same size (see ``relink``), so that parent need not be asked for.
    """
    found: Dict[str, Tuple[int, Optional[str]]] = {}
    older: Dict[Tuple[str, int], List[Tuple[int, str]]] = {}
    points = [entry for entry in entries if entry.sequence]
    sizes = {entry.image_id: (entry.container, entry.virtual_size) for entry in points}
    for entry in sorted(points, key=lambda each: (each.sequence, each.image_id)):
        same = older.setdefault((entry.container, entry.virtual_size), [])
        parent = entry.parent if entry.chained else None
        if parent is not None and sizes.get(parent) != sizes[entry.image_id]:
            at = bisect.bisect_left(same, (entry.sequence, ""))
            gone = parent not in sizes
            parent = same[at - 1][1] if at and gone else None
        found[entry.image_id] = (0 if parent is None else found.get(parent, (0, None))[0] + 1,
                                 parent)
        same.append((entry.sequence, entry.image_id))
    return found


def _unindexed(account: Account, where: names.Containers,
               known: Dict[str, Row]) -> Iterator[Row]:
    """Yield what the containers hold that the index lacks, and what it has that they lack."""
    there: Dict[str, str] = {}
    holding = containers.holding(account, where)
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        for container, ids in zip(holding, pool.map(
                lambda each: lookup.complete_ids(account, each), holding)):
            there.update(dict.fromkeys(ids, container))
    for image_id, row in known.items():
        if row.kind != FOREIGN and image_id not in there and not row.orphan:
            yield dataclasses.replace(row, orphan="%s: its disk is gone" % NO_DISK)
    for image_id, container in there.items():
        row = known.get(image_id, Row(image_id, status=MISSING))
        if row.kind == FOREIGN:
            yield dataclasses.replace(
                row, container=container, volume=places.volume_of(where, container),
                orphan=NOT_INDEXED)


def _asked(images: ImageService, row: Row) -> Row:
    """Return *row* as it is when Glance was asked for the image's bytes."""
    if row.orphan or images.has_data(row.image_id):
        return row
    return dataclasses.replace(row, orphan=UNREADABLE)
