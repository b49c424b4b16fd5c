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

"""What is done to the image of a template or an ISO that lies in Swift; may be done in threads.

An image is registered again under its old id if Glance gives that away.  Where Glance has deleted
it, which keeps ids in its table until that is purged, the image gets a new id, and what is stored
becomes a point, or an ISO, of that: of the same segments, no data being moved.
"""

from __future__ import annotations

import calendar
import contextlib
import dataclasses
from typing import Dict, Iterator, Optional

from keystoneauth1.session import Session

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import (
    closing,
    deletion,
    inventory,
    lookup,
    names,
    offered,
    properties,
    summary,
)
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import TEMPLATE, Point
from nova_swift_handler.catalog.publish import Publisher, Subject
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.images import begun, claim, iso, named
from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report


class Mender:
    """Registers, changes and forgets images of what a container has.

    :param session: the service account's, shared by threads.
    :param kind: one of ``named.KINDS``.
    :param texts: of the properties, as they were read: see ``properties.every``.
    """

    def __init__(self, services: Services, session: Session, account: Account,
                 kind: str, texts: properties.Texts) -> None:
        self._services = services
        self._session = session
        self._account = account
        self._where = services.containers
        self._container = named.container_of(services.containers, kind)
        self._is_template = kind == TEMPLATE
        self._texts = texts

    def register(self, name: str, values: Dict[str, str]) -> str:
        """Make the image of what is stored as *name* active; return its id.

        :raises Busy: somebody else does so.
        :raises NameRefused: Glance has given its id to another image.
        :raises SwiftVhdError: it failed; what is stored is as it was, or can be registered anew.
        """
        images = self._services.images(None, self._session)
        attributes = Attributes.parse(values)
        with claim.announced(self._account, self._container, values["id"]) as work:
            if properties.read(self._account, self._container, name) != values:
                raise claim.Busy("%r was changed, or registered, meanwhile" % name)
            work.check_kept()  # most often it is told here, where no image need go
            old = self._point(values["id"])
            owner = old.project_id if old else self._session.get_project_id()
            size = old.vhd_size if old else int(values["size"])
            wanted = {**attributes.image(name), "owner": owner or None,
                      "visibility": attributes.visibility or "private",
                      "disk_format": "vhd" if self._is_template else "iso",
                      "container_format": "bare"}
            wanted.pop("protected", None)

            def is_ours(image: Image) -> bool:
                return (image.owner or "") == (owner or "") and image.name == name and (
                    image.status != "active" or image.size in (size, None) or bool(old))

            image = claim.claim(images, work, wanted, is_ours)
            self._check_kept(images, work, image)
            point = old
            with contextlib.ExitStack() as held:
                if image.id != values["id"]:
                    point = held.enter_context(self._moved(images, image, old, values))
                elif old is not None:
                    point = self._adopted(old, image)
                if image.status not in ("active", "deactivated"):
                    self._activate(images, image, point, values)
                images.change(image.id, {begun.MARK: None, **attributes.image(name)})
            described = {**values, "id": image.id, "created_at": image.created_at}
            self._write(name, described)
            if image.id != values["id"]:
                self._keep(work, name, described)
                self._forget(values["id"], old)
            return image.id

    def update(self, name: str, values: Dict[str, str]) -> str:
        """Give an image the attributes that its properties say.

        :raises NameRefused: another image has its id.
        """
        images = self._services.images(None, self._session)
        image = images.get(values["id"])
        if values.get("created_at", image.created_at) != image.created_at:
            self._recognise(name, values, image)
        images.change(image.id, Attributes.parse(values).image(name))
        return image.id

    def forget(self, name: str, values: Dict[str, str]) -> str:
        """Delete what is left of something that has lost its data: its image and properties.

        :raises Busy: it is not lost any more, or something else has its name by now.
        :raises NameRefused: the image is another's.
        :raises GlanceError: Glance refuses, such as for a protected image.
        """
        if properties.read(self._account, self._container, name) != values or (
                inventory.is_complete(self._account, self._container, values["id"])):
            raise claim.Busy("%r was changed, or stored, meanwhile" % name)
        images = self._services.images(None, self._session)
        with contextlib.suppress(exceptions.ImageUnavailable):
            image = images.get(values["id"])
            if image.created_at != values.get("created_at"):
                raise exceptions.NameRefused(
                    "image %s is not deleted: it was created at %s, that of %r at %s, so it is "
                    "another; remove %s/%s by hand" % (
                        image.id, image.created_at, name, values.get("created_at"),
                        self._container, properties.object_name(name)))
            images.delete(image.id)
        self._account.delete(self._container, properties.object_name(name))
        self._forget(values["id"], lookup.find(self._account, self._where, values["id"])
                     if self._is_template else None)
        return values["id"]

    def _check_kept(self, images: ImageService, work: claim.Announced, image: Image) -> None:
        """See, having an image, that what it is to be of is not being deleted; else it goes."""
        try:
            work.check_kept()
        except claim.Busy:
            if image.status == "queued":
                images.delete(image.id)
            raise

    def _keep(self, work: claim.Announced, name: str, values: Dict[str, str]) -> None:
        """See that properties are not removed as those of the former id, by who just read them."""
        with contextlib.suppress(claim.Busy):  # killed, and so no danger
            work.wait_kept()
        if properties.read(self._account, self._container, name) is None:
            self._write(name, values)

    def _write(self, name: str, values: Dict[str, str]) -> None:
        properties.write(self._account, self._container, name, values, self._texts)

    def _point(self, image_id: str) -> Optional[Point]:
        """Return the point of a template; None of an ISO."""
        if not self._is_template:
            return None
        point = deletion.find(self._account, self._where, image_id)
        if point is None or point.container != self._container:
            raise exceptions.PointInvalid(
                "no template of image %s is stored any more" % image_id)
        return point

    def _adopted(self, point: Point, image: Image) -> Point:
        """Make a point that of the new image of its id; return it."""
        if lookup.is_of(point, image.owner or "", image.created_at):
            return point
        blocks, stored = lookup.blocks(self._account, point)
        point = dataclasses.replace(point, project_id=image.owner or "",
                                    image_created_at=image.created_at)
        self._account.put(self._container, names.closing(point.upload_id),
                          closing.pack(point, blocks, stored))
        self._account.put_json(self._container, names.of_point(image.id, names.POINT),
                               point.as_json())
        with contextlib.suppress(exceptions.ObjectMissing):
            summary.renew(self._account, self._where, summary.of_point(point))
        return point

    @contextlib.contextmanager
    def _moved(self, images: ImageService, image: Image, old: Optional[Point],
               values: Dict[str, str]) -> Iterator[Optional[Point]]:
        """Give what is stored as that of the new *image*; taken back if the block raises."""
        how, _why = images.choose(image.id)
        if old is None:
            publisher = Publisher(self._account, self._where, self._container, probe.abilities(
                self._account, self._where.index))
            view = names.of_point(image.id, names.ISO_VIEW)
            try:
                publisher.put_manifest(view, self._account.manifest(
                    self._container, names.of_point(values["id"], names.ISO_VIEW)),
                    offered.ISO_CONTENT_TYPE)
                publisher.enter(summary.of_iso(
                    image.id, self._container, int(values["size"]), calendar.timegm(
                        self._account.clock(self._container).utctimetuple())), view)
                if how in IN_PLACE:
                    publisher.offer(image.id, view, int(values["size"]), offered.ISO_CONTENT_TYPE)
                yield None
            except exceptions.OutcomeUnknown:
                raise
            except BaseException:
                publisher.withdraw()
                raise
            return
        point = lookup.find(self._account, self._where, image.id)
        if point is not None and lookup.is_of(point, image.owner or "", image.created_at):
            yield point  # whoever made it was killed before the end
            return
        subject = Subject(image.id, TEMPLATE, image.id, image.owner or "", image.created_at,
                          old.origin)
        with snapshot.shared(self._services, self._account, subject, old, self._container,
                             _silent(), how in IN_PLACE) as point:
            yield point

    def _activate(self, images: ImageService, image: Image, point: Optional[Point],
                  values: Dict[str, str]) -> None:
        """Register a queued image."""
        how, _why = images.choose(image.id)
        view, content_type = names.ISO_VIEW, offered.ISO_CONTENT_TYPE
        if point is not None:
            view, content_type = names.DISK_VIEW, offered.VHD_CONTENT_TYPE
        if how in IN_PLACE and offered.view(self._account, self._where, image.id) is None:
            offered.make(self._account, self._where, image.id, self._container,
                         names.of_point(image.id, view),
                         point.vhd_size if point else int(values["size"]), content_type)
        disk = (snapshot.published(self._account, self._services, point, _silent())
                if point is not None else iso.published_of(
                    self._account, self._services, image.id, names.of_point(image.id, view),
                    int(values["size"]), values.get("checksum", "")))
        try:
            if image.id == values["id"]:
                images.register(image.id, disk)
            else:  # what it is to read is taken back if this fails
                snapshot.register(images, image.id, disk)
        except exceptions.ActivationPending:
            raise
        except exceptions.RegistrationFailed:
            # Another, who took it for abandoned too, may have been quicker.
            if images.get(image.id).status != "active":
                raise

    def _recognise(self, name: str, values: Dict[str, str], image: Image) -> None:
        """Note when an image was created, if it is that of what is stored.

        It is where an earlier run was killed after it had registered the image.
        """
        point = self._point(values["id"])
        algorithm, _, digest = values.get("checksum", "").partition(":")
        known = (lookup.is_of(point, image.owner or "", image.created_at) if point else (
            image.owner == self._session.get_project_id()
            and (image.os_hash_algo, image.os_hash_value) == (algorithm, digest)))
        if not known:
            raise exceptions.NameRefused(
                "image %s is not that of %r, though it has its id: it was created at %s by "
                "project %s, and what is stored is of one created at %s; delete that image, or "
                "this one here" % (image.id, name, image.created_at, image.owner,
                                   values.get("created_at")))
        self._write(name, {**values, "created_at": image.created_at})

    def _forget(self, image_id: str, point: Optional[Point]) -> None:
        """Delete what is stored under a former id, its point if it has one."""
        if point is not None and point.container == self._container:
            deletion.delete(self._account, self._where, probe.abilities(
                self._account, self._where.index), point, texts=self._texts)
        else:
            deletion.delete_named(self._account, self._where, self._container, image_id,
                                  texts=self._texts)


def _silent() -> Report:
    return Report(lambda event: None)
