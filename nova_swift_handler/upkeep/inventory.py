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

"""All that is stored, as a report shows it: volumes, what they share, and what Glance says."""

from __future__ import annotations

import calendar
import dataclasses
import email.utils
import logging
from concurrent import futures
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import containers, names, places, properties, views
from nova_swift_handler.catalog import usage as usages
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.catalog.point import EXPORT, TEMPLATE, Point
from nova_swift_handler.catalog.remembered import Remembered
from nova_swift_handler.catalog.usage import ContainerUsage, PointUsage
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.store import parallel
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.upkeep import census as censuses
from nova_swift_handler.upkeep import reconcile
from nova_swift_handler.upkeep.census import Census, Held

LOG = logging.getLogger(__name__)

ISO = "iso"
MISSING = "missing"
"""The status of an image that Glance has not."""


@dataclasses.dataclass(frozen=True)
class Check:
    """A verification.

    :ivar at: when, in seconds since 1970 by the cluster's clock.
    :ivar level: see ``catalog.verify.LEVELS``, or ``record.DRILL``.
    :ivar problems: what was wrong.
    """

    at: int
    level: str
    problems: List[str]


@dataclasses.dataclass
class Item:
    """A point or an ISO.

    :ivar kind: ``snapshot``, ``template``, ``export`` or ``iso``.
    :ivar name: the image's; as it was recorded when it was stored, if Glance does not tell.
    :ivar machine: what Nova or the host called what the disk is of; empty if that is not known.
    :ivar project: owner of the image.
    :ivar status: of the image; None if that is not known, or if it has none by nature.
    :ivar stored_at: seconds since 1970.
    :ivar parent: image id of the point that its ``delta.vhd`` refers to.
    :ivar base: image id of what the disk was made of.
    :ivar virtual_size: bytes of the disk.
    :ivar usage: None of an ISO.
    :ivar stored: bytes, what is shared being divided among all that share it.
    """

    image_id: str
    kind: str
    container: str
    name: str
    project: str
    status: Optional[str]
    stored_at: int
    stored: float
    virtual_size: int
    sequence: int = 0
    sent: int = 0
    parent: Optional[str] = None
    base: Optional[str] = None
    usage: Optional[PointUsage] = None
    verified: Optional[Check] = None
    machine: str = ""


@dataclasses.dataclass
class Volume:
    """A container of points: a volume's, or that of the templates.

    :ivar points: by age.
    """

    volume_id: str
    usage: ContainerUsage
    points: List[Item]


@dataclasses.dataclass
class Inventory:
    """What is stored.

    :ivar taken_at: the cluster's time, in seconds since 1970.
    :ivar unknown: why nothing, or not all, is known of images; empty if all is.
    :ivar isos_stored: bytes of the container of the ISOs.
    :ivar strays: what leads to something that is not there.
    """

    prefix: str
    taken_at: int
    unknown: str
    volumes: List[Volume]
    templates: Volume
    isos: List[Item]
    isos_stored: int
    strays: List[reconcile.Finding]

    def items(self) -> List[Item]:
        """Return all there is."""
        return [*(point for volume in (*self.volumes, self.templates) for point in volume.points),
                *self.isos]


def take(services: Services, ask_glance: bool,
         known: Optional[Remembered] = None) -> Inventory:
    """Return the inventory.

    Reads each ``point.json`` once, and the listing of each container: some requests a volume and
    one a point, many at a time.  Nothing is changed.

    :param ask_glance: whether to ask Glance at all.
    :param known: what was read before.
    :raises StoreError: Swift did not answer.  Without Glance there is an inventory all the same.
    """
    ours = services.credentials.session()
    account, where = services.account(ours), services.containers
    now = calendar.timegm(account.clock(where.index).utctimetuple())
    used = usages.usage(account, places.everywhere(account, where), known)
    isos, isos_stored = _isos(account, where)
    held = {item.image_id: Held(item.container, item.image_id, item.stored_at, None)
            for item in isos}
    for container in used:
        held.update({each.point.image_id: Held(
            container.container, each.point.image_id, _seconds(each.point.stored_at), each.point)
            for each in container.points})
    census = Census(held, {}, now, containers.holding(account, where))
    unknown, strays = "Glance was not asked.", []
    if ask_glance:
        try:
            images = services.images(None, ours)
            unknown = _ask(images, census)
            strays = [each for each in reconcile.strays(account, where, images, census, True)
                      if each.what != reconcile.FAILED]
        except exceptions.GlanceError as error:
            LOG.warning("The report goes without Glance: %s", error)
            unknown = "Glance did not answer: %s" % error
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        made = list(pool.map(lambda each: _volume(account, where, each, census.images), used))
    for item in isos:
        _describe(item, census.images)
    return Inventory(where.prefix, now, unknown,
                     [each for each in made if each.usage.container != where.templates],
                     next(each for each in made if each.usage.container == where.templates),
                     isos, isos_stored, strays)


def _ask(images: ImageService, census: Census) -> str:
    """Fill in the images; return why some may be missing, or nothing."""
    census.images.update({image.id: image for image in images.every() if image.id in census.held})
    if not images.sees_all():
        return ("The service account has not the role admin in Glance: images that it may not see "
                "are not known.")
    for image_id, each in census.held.items():
        if (image_id not in census.images and not images.exists(image_id)
                and (each.point is None or each.point.kind != EXPORT)):
            census.images[image_id] = None
    return ""


def _volume(account: Account, where: names.Containers, used: ContainerUsage,
            images: Mapping[str, Optional[Image]]) -> Volume:
    points = {each.point.image_id: each.point for each in used.points}
    known = record.read(account, used.container) if record.NAME in used.others else {}
    items = []
    for each in used.points:
        point = each.point
        called = point.origin.get("name", "")
        item = Item(
            point.image_id, point.kind, point.container, called, point.project_id, None,
            _seconds(point.stored_at), each.share, point.virtual_size, point.sequence,
            point.sent_bytes, _parent(account, point, points), point.base, each,
            _check(known.get(point.image_id)), point.origin.get("instance_name") or called)
        _describe(item, images)
        items.append(item)
    return Volume(places.volume_of(where, used.container), used, items)


def _describe(item: Item, images: Mapping[str, Optional[Image]]) -> None:
    if item.image_id not in images:
        return
    image = images[item.image_id]
    if image is None:
        item.status = MISSING
        return
    item.status = image.status
    item.name = image.name or item.name
    item.project = image.owner or item.project


def _parent(account: Account, point: Point, points: Mapping[str, Point]) -> Optional[str]:
    """Return which point the ``delta.vhd`` of *point* refers to.

    That is asked for only where the parent it was stored with has gone.
    """
    if point.kind == TEMPLATE or point.parent is None or point.parent_container != point.container:
        return None
    parent = points.get(point.parent)
    if parent is not None:
        return parent.image_id if parent.virtual_size == point.virtual_size else None
    try:
        return views.parent_of(account, point.container, point.image_id)
    except exceptions.ObjectMissing:
        return None


def _check(value: Optional[Dict[str, object]]) -> Optional[Check]:
    try:
        if value is None:
            return None
        problems: Iterable[Dict[str, str]] = value["problems"]  # type: ignore[assignment]
        return Check(_seconds(str(value["at"])), str(value["level"]),
                     ["%s: %s" % (each.get("object", ""), each.get("problem", ""))
                      for each in problems])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # it is for reports alone, and anybody may have written it


def _isos(account: Account, where: names.Containers) -> Tuple[List[Item], int]:
    found: Dict[str, Item] = {}
    try:
        for row in account.listing(where.isos, names.POINTS):
            image_id, _, part = row["name"][len(names.POINTS):].partition("/")
            if part == names.ISO_VIEW:
                found[image_id] = Item(
                    image_id, ISO, where.isos, "", "", None,
                    censuses.modified(row["last_modified"]), row["bytes"], row["bytes"])
        for values in properties.each(account, where.isos):
            item = found.get(values.get("id", ""))
            if item is not None:
                item.name = values.get("name", "")
        stored = int(account.head_container(where.isos)["x-container-bytes-used"])
    except exceptions.ObjectMissing:
        return [], 0
    return list(found.values()), stored


def _seconds(date: str) -> int:
    """Return the time of an HTTP date, in seconds since 1970."""
    return calendar.timegm(email.utils.parsedate_to_datetime(date).utctimetuple())
