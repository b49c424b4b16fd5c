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

"""A VDI becomes a point, and its image active."""

from __future__ import annotations

import contextlib
import functools
import logging
import uuid
from typing import Any, BinaryIO, Callable, Dict, Iterator, Optional, Tuple, cast

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import address, containers, inheritance, lineage, lookup, names
from nova_swift_handler.catalog.intent import Intent
from nova_swift_handler.catalog.lineage import Heritage
from nova_swift_handler.catalog.point import EXPORT, RANGES, SNAPSHOT, TEMPLATE, Point
from nova_swift_handler.catalog.publish import Disk, Publisher, Subject
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.store import presence, probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.assembled import Assembled
from nova_swift_handler.transfer.jobs import Services, SnapshotJob
from nova_swift_handler.transfer.report import Report, Watched
from nova_swift_handler.transfer.sources.source import DiskSource, VdiSource
from nova_swift_handler.transfer.upload import Uploader
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)

_ATTEMPTS = 3


def run(job: SnapshotJob, report: Report) -> Dict[str, Any]:
    """Do *job*; return figures about what was stored.

    :raises ImageUnavailable: the image was deleted meanwhile, or is not the user's to fill.
    :raises SwiftVhdError: something else failed; then there is no point, and the image is not
        active; the blocks that were sent stay, for the volume's next snapshot.
    """
    services = job.services
    ours = services.credentials.session()
    images = services.images(job.user, ours)
    image = images.get(job.image_id)
    if image.status != "queued":
        raise exceptions.RegistrationFailed(
            "image %s cannot be filled with a snapshot: its status is %s, not queued"
            % (image.id, image.status))
    how, why = images.choose(image.id)
    LOG.info("Image %s will be registered by %s: %s", image.id, how, why)
    images.prepare(image.id, "vhd", "bare" if how in IN_PLACE else "ovf", job.properties)
    subject = Subject(image.id, SNAPSHOT, job.volume_id, image.owner or "", image.created_at,
                      job.origin)
    account = services.account(ours)
    assert services.xapi is not None
    with _no_orphan(images, image.id, report), Session(services.xapi) as session, stored(
            services, account, subject, VdiSource(session, job.vdi_uuid),
            services.containers.volume(job.volume_id), report, for_glance=how in IN_PLACE,
            base_image_id=job.base_image_id) as point:
        how = register(images, image.id, published(account, services, point, report))
    return {"registration": how, "virtual_size": point.virtual_size, "vhd_size": point.vhd_size,
            "blocks": point.blocks, "segments": len(point.segments),
            "sent_blocks": point.sent_blocks, "sent_bytes": point.sent_bytes,
            "parent": point.parent}


@contextlib.contextmanager
def _no_orphan(images: ImageService, image_id: str, report: Report) -> Iterator[None]:
    """Delete the image of a snapshot that fails after nova-compute has gone.

    Nova does so itself as long as it lives.  An image that stays queued for ever would count as
    one of createBackup's, and cost a good one.
    """
    try:
        yield
    except exceptions.SwiftVhdError:
        if report.deserted:
            try:
                images.delete(image_id)
            except exceptions.GlanceError as error:
                LOG.warning("Image %s will never be active; delete it: %s", image_id, error)
        raise


def register(images: ImageService, image_id: str, disk: Published) -> str:
    """Make an image active; return how.

    :raises OutcomeUnknown: whether it is, or will be, is not known.
    :raises GlanceError: it is not, and will not be.
    """
    try:
        return images.register(image_id, disk)
    except exceptions.ActivationPending as pending:
        # Glance may yet have an active image of these bytes: that has to go before they do.
        try:
            images.delete(image_id)
        except exceptions.GlanceError as error:
            raise exceptions.OutcomeUnknown(
                "%s Nor could image %s be deleted (%s), so its disk is kept in Swift. Delete the "
                "image." % (pending, image_id, error)) from pending
        raise


def published(account: Account, services: Services, point: Point, report: Report) -> Published:
    """Return a point as ``ImageService.register`` takes it."""
    def open_vhd() -> Tuple[BinaryIO, int]:
        if point.stitching == RANGES:
            stream: Any = account.open(
                point.container, names.of_point(point.image_id, names.DISK_VIEW))
        else:  # a view of whole segments has other things between the blocks, if it is there
            stream = Assembled(account, point, services.transfer.download_threads)
        watched = Watched(stream, stream.length, report.check)
        return cast(BinaryIO, watched), watched.length

    images = services.containers.images
    in_place = point.stitching == RANGES or presence.exists(account, images, point.image_id)
    return Published(point.vhd_size, images, point.image_id, open_vhd, in_place=in_place,
                     address=functools.partial(address.make, account, services.containers,
                                               point.image_id))


@contextlib.contextmanager
def stored(services: Services, account: Account, subject: Subject, source: DiskSource,
           container: str, report: Report, for_glance: bool,
           base_image_id: Optional[str] = None) -> Iterator[Point]:
    """Give the complete point of the disk that *source* reads.

    :param for_glance: whether Glance is to read it in place.
    :param base_image_id: the image that the disk was made of.

    If the caller's block raises, or storing does, all that makes a point of it is taken back; the
    blocks that were sent stay, for the next upload into the container or for the sweep.
    """
    with contextlib.ExitStack() as held:
        uploader, heritage, announced = _begin(held, services, account, subject, container,
                                               report, base_image_id)
        yield held.enter_context(_complete(
            services, account, subject, container, report, for_glance, heritage, announced,
            lambda: uploader.upload(source)))


@contextlib.contextmanager
def shared(services: Services, account: Account, subject: Subject, original: Point,
           container: str, report: Report, for_glance: bool) -> Iterator[Point]:
    """Give a complete point with the disk of *original*, in any container; no data is moved.

    It lives on the same segments, and on itself: what becomes of *original* is nothing to it.

    :raises PointInvalid, StoreError: *original* is damaged.

    If the caller's block raises, all that makes a point of it is taken back.
    """
    containers.ensure(account, services.containers, container, services.store)
    blocks, segments = lookup.blocks(account, original)
    upload_id = str(uuid.uuid4())
    disk = Disk(original.virtual_size, blocks, segments, changed=bytearray(len(blocks)),
                upload_id=upload_id, sent_blocks=0, sent_bytes=0)

    def inherited() -> Disk:
        gone = inheritance.missing(account, disk.used())
        if gone:
            raise exceptions.ObjectMissing(
                "the disk of image %s cannot be shared: %d of the segments that it lives on are "
                "gone, such as %s; run `swift-vhd snapshot verify %s`" % (
                    original.image_id, len(gone), min(each.path for each in gone),
                    original.image_id))
        return disk

    with Intent(account, container, upload_id, subject.image_id, segments) as announced, _complete(
            services, account, subject, container, report, for_glance,
            Heritage(original=original, blocks=blocks, stored=segments), announced,
            inherited) as point:
        yield point


@contextlib.contextmanager
def _complete(services: Services, account: Account, subject: Subject, container: str,
              report: Report, for_glance: bool, heritage: Heritage, announced: Intent,
              bring: Callable[[], Disk]) -> Iterator[Point]:
    """Give the complete point of the disk that *bring* brings into Swift; see :func:`stored`."""
    abilities = probe.abilities(account, services.containers.index)
    publisher = Publisher(account, services.containers, container, abilities)
    try:
        disk = bring()
        report.check()
        point = publisher.publish(subject, disk, heritage, for_glance, announced)
        report.check()
        yield point
    except exceptions.OutcomeUnknown:
        raise  # what Glance may have must not lose its bytes; they can be removed later
    except BaseException:
        publisher.withdraw()
        raise


def _begin(held: contextlib.ExitStack, services: Services, account: Account, subject: Subject,
           container: str, report: Report,
           base_image_id: Optional[str]) -> Tuple[Uploader, Heritage, Intent]:
    """Announce an upload into *container*, for as long as *held* is, and return it.

    Housekeeping removes a container that is empty, which it is until the announcement is in it,
    so that may take more than one attempt.
    """
    attempts = _ATTEMPTS
    while True:
        containers.ensure(account, services.containers, container, services.store)
        try:
            heritage = _heritage(services, account, subject, container, base_image_id)
            report.check()
            uploader = Uploader(
                account, container, subject.volume_id, heritage,
                segment_size=services.store.segment_size,
                threads=services.transfer.upload_threads, progress=report.progress)
            with contextlib.ExitStack() as begun:
                announced = begun.enter_context(Intent(
                    account, container, uploader.upload_id, subject.image_id, heritage.stored))
                # A proxy that remembers a container takes objects for it when it is gone; whether
                # that is there it asks.
                account.head_container(container)
                held.enter_context(begun.pop_all())
            return uploader, heritage, announced
        except exceptions.ObjectMissing as error:
            attempts -= 1
            if not attempts:
                raise
            LOG.info("Making container %s again, which was removed just now: %s", container, error)


def _heritage(services: Services, account: Account, subject: Subject, container: str,
              base_image_id: Optional[str]) -> Heritage:
    if subject.kind == TEMPLATE:
        return lineage.of_container(account, container)
    found = lineage.of_volume(account, services.containers, container, base_image_id)
    if subject.kind == EXPORT and not probe.abilities(
            account, services.containers.index).shares_blocks:
        # A view of whole segments shows all that they hold to whoever is given its address: so
        # they must be its own.
        return Heritage(sequence=found.sequence)
    return found
