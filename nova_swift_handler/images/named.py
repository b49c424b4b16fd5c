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

"""What is kept by name, templates and ISOs: find, change and delete it."""

from __future__ import annotations

import contextlib
from typing import Dict, Iterable, List, NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, lookup, names, properties
from nova_swift_handler.catalog.attributes import Attributes, is_chosen
from nova_swift_handler.catalog.point import TEMPLATE, Point
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.images import begun, claim, taking
from nova_swift_handler.store import presence, probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

ISO = "iso"
KINDS = (TEMPLATE, ISO)


class Item(NamedTuple):
    """A template or an ISO.

    :ivar kind: one of ``KINDS``.
    :ivar container: that holds it.
    :ivar image_id: id of its image.
    :ivar values: what its properties say; nothing of what has none, such as the rest of a
        deletion that was killed.
    """

    kind: str
    container: str
    image_id: str
    values: Dict[str, str]

    @property
    def name(self) -> str:
        """What it is called; the image's id if nothing tells."""
        return self.values.get("name", self.image_id)

    def described(self) -> Dict[str, str]:
        """Return its properties.

        :raises PointInvalid: they are lost.
        """
        if not self.values:
            raise exceptions.PointInvalid(
                "%s has no properties in %s any more, so what it should be is not known; delete "
                "it and store it again" % (self, self.container))
        return self.values

    def __str__(self) -> str:
        return "%s %s" % ("ISO" if self.kind == ISO else self.kind, self.name)


def container_of(where: names.Containers, kind: str) -> str:
    """Return the container that holds what is of a kind."""
    return where.isos if kind == ISO else where.templates


def find(account: Account, where: names.Containers, kind: str, wanted: str) -> Item:
    """Return what is called *wanted*, or whose image has that id.

    :raises NotThere: there is none.
    :raises PointInvalid: its properties do not say what it is.
    """
    container = container_of(where, kind)
    values = properties.read(account, container, wanted)
    if values is None and names.is_id(wanted):
        values = properties.of_image(account, container, wanted)
        if values is None and _is_stored(account, container, kind, wanted):
            return Item(kind, container, wanted, {})
    if values is None:
        raise exceptions.NotThere(
            "there is no %s called %r, nor one of an image with that id, in container %s; "
            "`swift-vhd %s list` shows what there is" % (kind, wanted, container, kind))
    if not names.is_id(values.get("id", "")):
        raise exceptions.PointInvalid(
            "%s/%s does not say the id of an image, so what it describes is not known; delete "
            "that object, and run `swift-vhd store rebuild`, which writes a template's anew"
            % (container, properties.object_name(wanted)))
    return Item(kind, container, values["id"], {**values, "name": values.get("name", wanted)})


def point_of(account: Account, where: names.Containers, item: Item) -> Point:
    """Return the point of a template.

    :raises PointInvalid: there is none, or it cannot be used.
    """
    point = lookup.find(account, where, item.image_id)
    if point is None:
        raise exceptions.PointInvalid(
            "%s has properties and no disk: the index has none of image %s; run `swift-vhd store "
            "rebuild`, or delete what is left of it with `swift-vhd template delete`"
            % (item, item.image_id))
    return point


def image_of(images: ImageService, item: Item) -> Optional[Image]:
    """Return the image in Glance; None if it has none, or another that has got its id since."""
    return claim.own(images, item.image_id, item.values.get("created_at"))


def change(services: Services, kind: str, wanted: str, changes: Attributes,
           unset: Iterable[str] = (), name: Optional[str] = None) -> Dict[str, str]:
    """Change attributes of an image, and its name; return the properties it has then.

    Glance first, which may refuse; then the properties beside the data.  All of them are brought
    into line, so whatever kept this from its end is mended by doing it again.

    :param unset: names of custom properties that are to go.
    :param name: what it is to be called from now on.
    :raises NameRefused: the name cannot be one, or is taken.
    :raises GlanceError: Glance has not the image, or refuses; then nothing was changed.
    """
    gone = list(unset)
    ours = services.credentials.session()
    account, images = services.account(ours), services.images(None, ours)
    item = find(account, services.containers, kind, wanted)
    new = name or item.name
    with contextlib.ExitStack() as held:
        turn = None
        if new != item.name:
            turn = held.enter_context(taking.turn(account, item.container, new))
            _check_free(account, item, new)
        values = _changed(images, item, Attributes.parse(item.values).changed(changes, gone), new,
                          gone)
        try:
            if turn is not None:
                turn.check()
            properties.write(account, item.container, new, values)
        except (exceptions.StoreError, exceptions.TransferFailed) as error:
            raise type(error)(
                "%s: Glance has the change, and %s/%s has not; say the command again: %s" % (
                    item, item.container, properties.object_name(new), error)) from error
    if new != item.values.get("name"):
        properties.remove(account, item.container, item.image_id, but=new)
    return values


def _changed(images: ImageService, item: Item, attributes: Attributes, name: str,
             gone: List[str]) -> Dict[str, str]:
    """Change an image; return the properties that are to be written then."""
    if image_of(images, item) is None:
        raise exceptions.ImageMissing(
            "%s cannot be changed: Glance has no image %s of it any more; store it again, or "
            "remove what is left with `swift-vhd %s delete`" % (item, item.image_id, item.kind))
    images.change(item.image_id, {
        **dict.fromkeys([*gone, begun.MARK]), **attributes.image(name)})
    values = {key: value for key, value in item.values.items()
              if not is_chosen(key)}
    values.update(attributes.lines(), name=name)
    return values


class Deleted(NamedTuple):
    """What became of it, or would.

    :ivar image: whether Glance had the image.
    :ivar relinked: image ids of points that referred to it, and refer to others now.
    :ivar objects: how many objects below its name were removed.
    """

    item: Item
    image: bool
    relinked: List[str]
    objects: int


def delete(services: Services, kind: str, wanted: str, dry_run: bool = False) -> Deleted:
    """Delete the image in Glance and then what is stored of it; done again it goes on.

    What was made of it stays whole: instances have disks of their own, and points that share its
    blocks name those themselves.

    :raises GlanceError: Glance refuses, such as for a protected image; then nothing was deleted.
    :raises Busy: Glance had no image of it, and has one again just now.
    """
    ours = services.credentials.session()
    account, images = services.account(ours), services.images(None, ours)
    where = services.containers
    item = find(account, where, kind, wanted)
    image = image_of(images, item)
    if image is not None and image.protected:
        raise exceptions.GlanceError(
            "%s is not deleted: its image %s is protected; if it is to go, first run `swift-vhd "
            "%s set %s --unprotected`" % (item, item.image_id, kind, item.image_id))
    if dry_run:
        return Deleted(item, image is not None, [], 0)

    def withdraw() -> None:
        if image is not None:
            images.delete(item.image_id)
        else:
            claim.check_another(
                account, item.container, images, item.image_id,
                lambda: image_of(images, find(account, where, kind, item.image_id)))

    point = None if kind == ISO else deletion.find(account, where, item.image_id)
    if point is not None and point.container == item.container:
        done = deletion.delete(account, where, probe.abilities(account, where.index), point,
                               withdraw=withdraw)
    else:
        done = deletion.delete_named(account, where, item.container, item.image_id, withdraw)
    return Deleted(item, image is not None, done.relinked, done.removed)


def _check_free(account: Account, item: Item, name: str) -> None:
    """Refuse a name that something else has.

    A rename that was killed may have given it to this one already.
    """
    properties.check_name(name)
    there = properties.read(account, item.container, name)
    if there is not None and there.get("id") != item.image_id:
        raise exceptions.NameRefused(
            "%s cannot be called %r: %s already has something of that name; choose another"
            % (item, name, item.container))


def _is_stored(account: Account, container: str, kind: str, image_id: str) -> bool:
    return presence.exists(account, container, names.of_point(
        image_id, names.ISO_VIEW if kind == ISO else names.POINT))
