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

"""A Glance image becomes a VDI: one of ours from its segments, any other from Glance's bytes."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Dict, Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup
from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import alive, foreign, leftovers
from nova_swift_handler.transfer.content import Content
from nova_swift_handler.transfer.jobs import BootJob, Services
from nova_swift_handler.transfer.report import Report, Watched
from nova_swift_handler.transfer.signature import Signature, Verified
from nova_swift_handler.xapi import beforehand, marked
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi.import_ import import_disk
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)


def run(job: BootJob, report: Report) -> Dict[str, Any]:
    """Do *job*; return the VDI's uuid and where its bytes came from.

    Whether the user may have the image is Glance's to say, and is asked first.

    :raises ImageUnavailable: Glance does not give the user this image.
    :raises SwiftVhdError: something else failed; then no VDI is left.
    """
    services = job.services
    ours = services.credentials.session()
    images = services.images(job.user, ours)
    image = images.check_download(job.image_id)
    account = services.account(ours)
    assert services.xapi is not None
    with alive.announced(job.transfer_id), Session(services.xapi) as session:
        if job.reap:
            leftovers.reap(session, job.maker, job.sr_ref)
        target = Target(session, job, report)
        # A signature is of the bytes that Glance serves, in their order.
        point = None if job.signature else _own_point(account, services.containers, image)
        source = fill(target, services, account, images, image.id, point, report, job.signature)
        return {"vdi_uuid": target.uuid, "source": source, "virtual_size": target.virtual_size}


def fill(target: Target, services: Services, account: Account, images: ImageService,
         image_id: str, point: Optional[Point], report: Report,
         signature: Optional[Signature] = None) -> str:
    """Make *target* of an image, whole; return where its bytes came from.

    :param point: what is stored of the image; None takes Glance's bytes.
    :param signature: what Glance's bytes must prove to be signed with.
    :raises SwiftVhdError: it failed; then no VDI is left.
    """
    if point is not None:
        with target:
            restore(account, point, target, services.transfer.download_threads)
            target.hand_over()
        return "swift"
    with target, contextlib.closing(images.open_data(image_id)) as data, _advised():
        if signature is None:
            foreign.load(Watched(data, data.length, report.check), target, services.transfer)
        else:
            signed = Verified(data, data.length, signature, image_id)
            foreign.load(Watched(signed, data.length, report.check), target, services.transfer)
            signed.prove()
        target.hand_over()
    return "glance"


def stored_of(account: Account, where: Containers, images: ImageService,
              image_id: str) -> Optional[Point]:
    """Return the disk that is stored of an image, on behalf of an operator; None if there is none.

    What is stored counts when Glance has no image of it: of an export, or of one that it lost.

    :raises PointInvalid: there is one, and it cannot be used.
    """
    try:
        return _own_point(account, where, images.get(image_id))
    except exceptions.ImageUnavailable:
        return lookup.find(account, where, image_id)


def _own_point(account: Account, where: Containers, image: Image) -> Optional[Point]:
    point = lookup.find(account, where, image.id)
    if point is not None and not lookup.is_of(point, image.owner or "", image.created_at):
        LOG.warning("Image %s is not the one whose disk is stored under its id (that was owned "
                    "by %s, created %s); taking its bytes from Glance", image.id,
                    point.project_id, point.image_created_at)
        return None
    return point


@contextlib.contextmanager
def _advised() -> Iterator[None]:
    """Say in errors about an image's VHDs what to do about them."""
    try:
        yield
    except exceptions.VhdError as error:
        raise type(error)("%s; store the image again, from a disk that `vhd-util check` accepts"
                          % error) from error


class Target:
    """The VDI that is being made; destroyed when the context is left by an exception."""

    def __init__(self, session: Session, job: BootJob, report: Report) -> None:
        self._session = session
        self._job = job
        self._report = report
        self._done = 0
        self.uuid: Optional[str] = None
        self.virtual_size = 0

    def __enter__(self) -> Target:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None and self.uuid is not None:
            disks.discard(self._session, self.uuid, "a failed transfer")

    def create(self, virtual_size: int, blocks: Optional[int] = None) -> None:
        """Make the VDI, once its size in bytes is known.

        :param blocks: how many of its blocks of 2 MiB will be written, if that is known.
        :raises SrFull: the SR has no room for it, or for that.
        """
        beforehand.create(self._session, self._job.sr_ref, virtual_size, blocks)
        self.virtual_size = virtual_size
        self.uuid = marked.create(
            self._session, self._job.transfer_id, self._job.sr_ref, virtual_size,
            self._job.name_label, self._job.description, self._job.other_config)
        self._report.created_vdi(self.uuid)

    def apply(self, length: int, chunks: Iterator[Any]) -> None:
        """Write a VHD of *length* bytes on top of what the VDI holds."""
        assert self.uuid is not None
        done = self._done
        import_disk(self._session, self.uuid, length, chunks,
                    progress=lambda sent: self._report.progress(done + sent, done + length))
        self._done += length

    def hand_over(self) -> None:
        """Make the complete VDI one that Nova can take."""
        assert self.uuid is not None
        self._report.check()  # nobody would own the VDI
        marked.release(self._session, self.uuid)

    def stopped(self) -> bool:
        """Tell whether the transfer is to end."""
        return self._report.stopped()


def restore(account: Account, point: Point, target: Target, threads: int) -> None:
    """Make *target* of a point of ours."""
    content = Content(account, point, threads, target.stopped)
    target.create(point.virtual_size, point.blocks)
    target.apply(content.layout.length, content.vhd())
