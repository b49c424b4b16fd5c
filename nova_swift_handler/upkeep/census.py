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

"""All that is stored, beside what Glance says of it."""

from __future__ import annotations

import calendar
import dataclasses
import email.utils
import logging
import time
from typing import Dict, Iterator, List, Optional, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import containers, lookup, names, readable
from nova_swift_handler.catalog.point import EXPORT, Point
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.images import claim
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

FEW = 3
"""So many images may be gone at once without that being suspicious, while others are there."""


@dataclasses.dataclass(frozen=True)
class Held:
    """A disk or an ISO that is stored.

    :ivar stored: when, in seconds since 1970 by the cluster's clock.
    :ivar point: None of an ISO.
    """

    container: str
    image_id: str
    stored: int
    point: Optional[Point]


@dataclasses.dataclass(frozen=True)
class Census:
    """What is stored, and the images of it.

    :ivar held: everything that is stored, by image id.
    :ivar images: what Glance says of the image of each; None where it has none, surely.  Exports
        have none, and are not asked for.
    :ivar now: the cluster's time, seconds since 1970.
    :ivar containers: all that hold disks or ISOs.
    """

    held: Dict[str, Held]
    images: Dict[str, Optional[Image]]
    now: int
    containers: List[str]

    def expired(self) -> List[Held]:
        """Return the exports whose time is over."""
        return [each for _image_id, each in sorted(self.held.items())
                if each.point is not None and each.point.expires_at is not None
                and each.point.expires_at <= self.now]

    def gone(self) -> List[Held]:
        """Return what is stored and has no image any more."""
        return [each for image_id, each in sorted(self.held.items())
                if image_id in self.images and self.images[image_id] is None]


def take(account: Account, where: names.Containers, images: ImageService,
         force: bool = False) -> Census:
    """Return the census.

    What Glance does not list is asked for by id, hidden images not being listed.

    Deletions are believed only of a Glance that shows the service account every image, and has
    some of those that are stored: one of another region or project, or one whose database was
    lost, has none.  So a container prefix belongs to one Glance.

    :param force: believe a Glance that lacks most or all images, or may not show all.
    :raises StoreError: Swift did not answer.
    :raises GlanceError: Glance did not, or what it says is too suspicious to act upon.
    """
    if not force and not images.sees_all():
        raise exceptions.GlanceError(
            "Comparing what is stored with Glance: the service account has not the role 'admin', "
            "so images that it may not see would look as if they were deleted. Give it that role, "
            "or say --force if your Glance's policies show it every image.")
    now = calendar.timegm(account.clock(where.index).utctimetuple())
    holding = containers.holding(account, where)
    held = {each.image_id: each for each in _held(account, where, holding)}
    listed = {image.id: image for image in images.list()}
    found: Dict[str, Optional[Image]] = {}
    hidden = 0
    for image_id, each in held.items():
        if each.point is not None and each.point.kind == EXPORT:
            continue
        if image_id in listed:
            found[image_id] = listed[image_id]
        elif images.exists(image_id):
            hidden += 1
        else:
            found[image_id] = None
    gone = sum(image is None for image in found.values())
    asked = sum(each.point is None or each.point.kind != EXPORT for each in held.values())
    if gone and gone == len(found) and not hidden and not force:
        raise exceptions.GlanceError(
            "Comparing what is stored with Glance: it has no image of any of the %d disks and "
            "ISOs that are stored, as if it were another region's, or its database were lost. If "
            "it is the Glance they were stored for, and all these images were deleted indeed, say "
            "--force." % gone)
    if not force and gone > FEW and 2 * gone > asked:
        raise exceptions.GlanceError(
            "Comparing what is stored with Glance: it lacks the images of %d of the %d disks and "
            "ISOs. Is it the Glance they were stored for, and its database whole? If these images "
            "were deleted indeed, say --force." % (gone, asked))
    return Census(held, found, now, holding)


def image_of(images: ImageService, point: Point) -> Optional[Image]:
    """Return the image that a point was stored for; an export never had one.

    :raises GlanceError: Glance could not be asked.
    """
    return (None if point.kind == EXPORT
            else claim.own(images, point.image_id, point.image_created_at))


def check_gone(account: Account, where: names.Containers, images: ImageService,
               point: Point) -> None:
    """See, once the deletion of a point is announced, that Glance still has no image of it.

    :raises Busy: it has one again.
    """
    claim.check_another(
        account, point.container, images, point.image_id,
        lambda: image_of(images, lookup.find(account, where, point.image_id) or point))


def _held(account: Account, where: names.Containers, holding: Sequence[str]) -> Iterator[Held]:
    found = readable.everywhere(account, (each for each in holding if each != where.isos))
    for container, points in found.items():
        readable.tell(points.findings)
        for point in points.whole:
            stored = calendar.timegm(email.utils.parsedate_to_datetime(
                point.stored_at).utctimetuple())
            yield Held(container, point.image_id, stored, point)
    if where.isos in holding:
        for row in account.listing(where.isos, names.POINTS):
            image_id, _, part = row["name"][len(names.POINTS):].partition("/")
            if part == names.ISO_VIEW:
                yield Held(where.isos, image_id, modified(row["last_modified"]), None)


def modified(text: str) -> int:
    """Return the time in a row of a listing, in seconds since 1970."""
    return calendar.timegm(time.strptime(text.partition(".")[0], "%Y-%m-%dT%H:%M:%S"))
