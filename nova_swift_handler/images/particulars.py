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

"""All that is known of one image: what Glance says, what is stored, and whether they agree."""

from __future__ import annotations

import email.utils
from typing import Any, Dict, Iterator, List, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names, offered, places, summary, views
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.catalog.point import EXPORT, Point
from nova_swift_handler.catalog.summary import Lost, Summary
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.images import listing
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

IN_PLACE, COPY = "in place", "a copy in Glance's store"


def show(services: Services, image_id: str) -> Dict[str, Any]:
    """Return what there is of an image; sizes are bytes.

    :raises ImageMissing: there is nothing of it.
    :raises StoreError, GlanceError: Swift or Glance could not be asked.
    """
    ours = services.credentials.session()
    account, images = services.account(ours), services.images(None, ours)
    image = _image(images, image_id)
    entry = view = None
    if names.is_id(image_id):
        entry = summary.one(account, services.containers, image_id)
        view = offered.view(account, services.containers, image_id)
    if image is None and entry is None and view is None:
        raise exceptions.ImageMissing(
            "Glance has no image %s that the service account may see, and no disk of it is "
            "stored" % image_id)
    values: Dict[str, Any] = {
        "id": image_id, "name": image and image.name, "kind": _kind(entry),
        "project": image.owner if image else getattr(entry, "project_id", None),
        "status": image.status if image else listing.MISSING,
        "visibility": image and image.visibility, "protected": image and image.protected,
        "disk_format": image and image.disk_format,
        "container_format": image and image.container_format, "size": image and image.size,
        "virtual_size": image and image.virtual_size,
        "checksum": image and image.checksum,
        "hash": image and image.os_hash_value and "%s:%s" % (
            image.os_hash_algo, image.os_hash_value),
        "bytes": image and (IN_PLACE if view else COPY if image.status == "active" else None)}
    problems = _problems(images, image, entry, view, account)
    if isinstance(entry, Summary):
        values.update(_stored(account, services.containers, entry, problems))
        point = lookup.find(account, services.containers, image_id)
        if point is not None:
            values.update(_of_point(account, point, image, problems))
    values["problems"] = problems
    values["properties"] = image.properties if image else {}
    return values


def _image(images: ImageService, image_id: str) -> Optional[Image]:
    try:
        return images.get(image_id)
    except exceptions.AccessRefused:
        raise
    except exceptions.ImageUnavailable:
        return None


def _kind(entry: Optional[summary.Entry]) -> str:
    return listing.FOREIGN if entry is None or not entry.kind else entry.kind


def _problems(images: ImageService, image: Optional[Image], entry: Optional[summary.Entry],
              view: Optional[str], account: Account) -> List[str]:
    found = []
    if isinstance(entry, Lost):
        found.append("%s: %s" % (listing.NO_DISK, entry.problem))
    if image is None and not (isinstance(entry, Summary) and entry.kind == EXPORT):
        found.append("%s; `swift-vhd housekeep` deletes what is stored of it" % listing.NO_IMAGE)
    if view is not None and not presence.exists(account, *view.lstrip("/").split("/", 1)):
        found.append("%s: what Glance reads, %s, is gone" % (listing.NO_DISK, view))
    if image is not None and image.status == "active" and not images.has_data(image.id):
        found.append("%s; `swift-vhd store rebuild` makes anew what it reads, `swift-vhd image "
                     "relocate` renews the way there" % listing.UNREADABLE)
    return found


def _stored(account: Account, where: names.Containers, entry: Summary,
            problems: List[str]) -> Dict[str, Any]:
    (row,) = [row for row in account.listing(where.index, entry.image_id)
              if row["name"] == entry.image_id] or [{}]
    listed = summary.parse(row) if row else None
    if listed is not None and not listed.agrees(entry):
        problems.append("lists show it otherwise than it is; `swift-vhd housekeep` mends that")
    return {"volume": places.volume_of(where, entry.container), "container": entry.container,
            "virtual_size": entry.virtual_size, "logical": entry.logical, "stored": entry.stored,
            "stored_at": email.utils.formatdate(entry.stored_at, usegmt=True)}


def _of_point(account: Account, point: Point, image: Optional[Image],
              problems: List[str]) -> Dict[str, Any]:
    if image is not None and not lookup.is_of(point, image.owner or "", image.created_at):
        problems.append("what is stored under this id is the disk of an earlier image, which was "
                        "owned by %s and created %s" % (point.project_id, point.image_created_at))
    above = list(_above(account, point))
    last = record.read(account, point.container).get(point.image_id)
    return {"sequence": point.sequence, "depth": len(above), "parent": above[0] if above else None,
            "base": point.base, "vhd_size": point.vhd_size, "digest": point.digest,
            "segments": len(point.segments), "expires": point.expires, "origin": point.origin,
            "writer": point.writer, "last_verified": last and record.said(last)}


def _above(account: Account, point: Point) -> Iterator[str]:
    """Yield the image ids of the points that the chain of ``delta.vhd`` leads to, nearest first.
    """
    seen = {point.image_id}
    image_id: Optional[str] = point.image_id
    while image_id is not None:
        try:
            image_id = views.parent_of(account, point.container, image_id)
        except exceptions.ObjectMissing:
            return
        if image_id is not None:
            if image_id in seen:
                return
            seen.add(image_id)
            yield image_id
