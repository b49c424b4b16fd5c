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

"""A disk becomes a template: a point of the templates' container, and an image."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Callable, ContextManager, Dict, Iterator, Optional, Union

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import TEMPLATE, Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.images import begun, taking
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import boot, snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import DiskSource

LOG = logging.getLogger(__name__)


Source = Union[DiskSource, Point]
"""A disk to be read, or one that is stored already, of which no data is moved."""


def create(services: Services, name: str, source: ContextManager[Source], *,
           attributes: Attributes, progress: Callable[[int, int], None]) -> Dict[str, str]:
    """Store a disk as the template *name*; return its properties.

    :param source: entered when the name is known to be free, and left when the disk is stored.
    :param attributes: the Glance image's.
    :raises NameRefused: the name cannot be one, or is taken.
    :raises SwiftVhdError: something else failed; then there is no template; the blocks that were
        sent stay, for the next attempt.
    """
    ours = services.credentials.session()
    account = services.account(ours)
    container = services.containers.templates
    check_free(account, container, name)
    images = services.images(None, ours)
    begun.remove_abandoned(images, name, ours.get_project_id())
    with contextlib.ExitStack() as held:
        disk = held.enter_context(source)
        mark = held.enter_context(begun.announced())
        image = held.enter_context(new_image(images, name, "vhd", "bare", attributes, mark=mark))
        how, _why = images.choose(image.id)
        subject = Subject(image.id, TEMPLATE, image.id, image.owner or "", image.created_at,
                          properties.origin(name, attributes))
        report = Report(lambda event: progress(event["done"], event["total"]))
        point = held.enter_context(
            snapshot.shared(services, account, subject, disk, container, report, how in IN_PLACE)
            if isinstance(disk, Point) else
            snapshot.stored(services, account, subject, disk, container, report,
                            how in IN_PLACE))
        values = properties.of_template(point)
        with described(account, container, name, values, images) as check_held:
            snapshot.register(images, image.id,
                              snapshot.published(account, services, point, report))
            check_held()
            finish(images, image.id, attributes)
        return values


def of_image(services: Services, image_id: str) -> Point:
    """Return what is stored of an image that is to become a template.

    :raises NotThere: its disk is not stored here.
    """
    ours = services.credentials.session()
    account = services.account(ours)
    point = boot.stored_of(account, services.containers, services.images(None, ours), image_id)
    if point is None:
        raise exceptions.NotThere(
            "no disk of image %s is stored here, so there is nothing to share; download the image "
            "and give its VHDs with --from" % image_id)
    return point


def check_free(account: Account, container: str, name: str) -> None:
    """Refuse a *name* that cannot be one, or that something in *container* has.

    :raises NameRefused: so it is.
    :raises ObjectMissing: the container is not there yet.
    """
    properties.check_name(name)
    try:
        account.head_container(container)
    except exceptions.ObjectMissing as error:
        raise exceptions.ObjectMissing(
            "container %s is not there; run `swift-vhd setup` once" % container) from error
    if properties.exists(account, container, name):
        raise _taken(container, name)


def _taken(container: str, name: str) -> exceptions.NameRefused:
    return exceptions.NameRefused(
        "%s already has something called %r; choose another name" % (container, name))


@contextlib.contextmanager
def described(account: Account, container: str, name: str, values: Dict[str, str],
              images: ImageService) -> Iterator[Callable[[], None]]:
    """Write the properties of *name*; if the caller's block raises, they and the image go.

    Of several who do so at the same time one does.  Gives what raises NameRefused if the name is
    another's all the same, which a Swift can come to whose listings are late; call it before
    there is no way back.

    :raises NameRefused: something was given the name meanwhile.
    """
    image_id = values["id"]

    def check_held() -> None:
        there = properties.read(account, container, name)
        if there is None or there.get("id") != image_id:
            raise exceptions.NameRefused(
                "%s has something else called %r by now, stored at the same time; choose another "
                "name" % (container, name))

    try:
        with undone(images, image_id):
            with taking.turn(account, container, name) as turn:
                there = properties.read(account, container, name)
                if there is not None and there.get("id") != image_id:
                    raise _taken(container, name)
                turn.check()
                properties.write(account, container, name, values)
            yield check_held
    except exceptions.OutcomeUnknown:
        raise
    except BaseException:
        taking.give_back(account, container, name, image_id)
        raise


@contextlib.contextmanager
def undone(images: ImageService, image_id: str) -> Iterator[None]:
    """Delete an image if the caller's block, which makes it active, raises.

    Before its disk is taken back: what Glance may have as active must not lose its bytes.
    """
    try:
        yield
    except exceptions.OutcomeUnknown:
        raise
    except BaseException:
        try:
            images.delete(image_id)
        except exceptions.GlanceError as error:
            LOG.error("Image %s could not be deleted after a failure; delete it: %s",
                      image_id, error)
        raise


@contextlib.contextmanager
def new_image(images: ImageService, name: str, disk_format: str, container_format: str,
              attributes: Attributes, owner: Optional[str] = None,
              mark: str = "", **more: Any) -> Iterator[Image]:
    """Give a queued image, deleted again if the caller's block raises.

    It is not protected yet: see :func:`finish`.

    :param mark: says who fills it, see ``begun``.
    :param more: further attributes, see ``ImageService.create``.
    """
    marked = {begun.MARK: mark} if mark else {}
    image = images.create(
        name, disk_format, container_format, {**attributes.properties, **marked},
        attributes.visibility or "private", owner, min_disk=attributes.min_disk,
        min_ram=attributes.min_ram, **more)
    try:
        yield image
    except exceptions.OutcomeUnknown:
        raise
    except BaseException:
        with contextlib.suppress(exceptions.GlanceError):
            images.delete(image.id)
        raise


def finish(images: ImageService, image_id: str, attributes: Attributes) -> None:
    """Give an image that is active what a queued one must not have, and take what it had.

    It is not protected before: no failure could delete it.
    """
    images.change(image_id, {
        begun.MARK: None, **({"protected": True} if attributes.protected else {})})
