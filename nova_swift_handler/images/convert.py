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

"""Make an ordinary image of one that Glance reads in place: a copy that stock handlers boot.

They take an image's container format ``ovf`` for a tgz of VHDs, and cannot boot a bare VHD
(``nova.virt.xenapi.vm_utils``, ``nova.virt.xenapi.image``).  The copy is an image of its own: an
active image's bytes cannot be exchanged in Glance.  It has an archive with one VHD in it that
needs no other, so it stays what it is, whatever becomes of the disk in Swift.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, BinaryIO, Callable, Dict, Tuple, cast

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.settings import UPLOAD
from nova_swift_handler.images import begun, template
from nova_swift_handler.transfer import boot, snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report

LOG = logging.getLogger(__name__)

OVF = "ovf"
_SIGNED = "img_signature"  # properties of a signature over bytes that the copy does not have


def convert(services: Services, image_id: str, *, replace: bool,
            progress: Callable[[int, int], None]) -> Dict[str, Any]:
    """Upload a copy of an image's disk to Glance as an ``ovf`` archive; return what it is.

    The copy has the image's name, owner, visibility, members, tags and properties, without those
    of a signature; as ever, members have to accept it.  Its checksum and hash are Glance's own,
    and the checksum is compared with what was sent.

    :param replace: delete the original in Glance when the copy is active; what is stored of it
        goes with the next housekeeping.
    :raises NotThere: Glance has no such image, or no disk of it is stored here.
    :raises ImageUnsupported: it is such an image already, or not active.
    :raises GlanceError: the original could not be deleted, as the message says, and
        there are both.
    :raises SwiftVhdError: it failed; then there is no copy, and the original is as it was.
    """
    ours = services.credentials.session()
    # A copy is what is asked for, however images are registered here.
    services = dataclasses.replace(
        services, glance=dataclasses.replace(services.glance, registration=UPLOAD))
    images, account = services.images(None, ours), services.account(ours)
    original = images.get(image_id)
    _check(original, replace)
    point = boot.stored_of(account, services.containers, images, image_id)
    if point is None:
        raise exceptions.NotThere(
            "no disk of image %s is stored here; only those can be converted" % image_id)
    report = Report(lambda event: progress(event["done"], event["total"]))
    disk = _counted(snapshot.published(account, services, point, report), report)
    attributes = Attributes("private", original.min_disk, original.min_ram,
                            properties=_properties(original))
    begun.remove_abandoned(images, original.name or "", original.owner)
    with begun.announced() as mark, template.new_image(
            images, original.name or "", "vhd", OVF, attributes, original.owner, mark,
            tags=list(original.tags), os_hidden=original.hidden) as copy:
        snapshot.register(images, copy.id, disk)
        # It took its time, in which the original may have been taken away from those who had it.
        now = images.get(image_id)
        if now.status != "active":
            raise exceptions.ImageUnsupported(
                "image %s is not converted: its status became %s meanwhile" % (
                    image_id, now.status))
        images.change(copy.id, {"visibility": now.visibility})
        for member in images.members(image_id) if now.visibility == "shared" else ():
            images.share(copy.id, member)
        template.finish(images, copy.id, Attributes(protected=now.protected))
        made = images.get(copy.id)
    if replace:
        try:
            images.delete(image_id)
        except exceptions.GlanceError as error:
            raise type(error)(
                "image %s is converted, its copy %s is active; but it could not be deleted, do "
                "that yourself and do not convert it again: %s" % (image_id, made.id, error)
            ) from error
    return {"id": made.id, "name": made.name, "owner": made.owner, "visibility": made.visibility,
            "disk_format": made.disk_format, "container_format": made.container_format,
            "size": made.size, "checksum": made.checksum, "virtual_size": point.virtual_size,
            "original": image_id, "replaced": replace}


def _check(original: Image, replace: bool) -> None:
    if original.status != "active":
        raise exceptions.ImageUnsupported(
            "image %s cannot be converted: its status is %s, not active"
            % (original.id, original.status))
    if (original.disk_format, original.container_format) != ("vhd", "bare"):
        raise exceptions.ImageUnsupported(
            "image %s need not be converted: it is %s/%s, and not vhd/bare"
            % (original.id, original.disk_format, original.container_format))
    if replace and original.protected:
        raise exceptions.ImageUnsupported(
            "image %s cannot be replaced: it is protected. Convert it without --replace, or "
            "unprotect it first" % original.id)


def _counted(disk: Published, report: Report) -> Published:
    """Return *disk*, whose progress is reported when it is read."""
    def opened() -> Tuple[BinaryIO, int]:
        stream, length = disk.open()
        return cast(BinaryIO, _Counted(stream, length, report)), length

    return dataclasses.replace(disk, open=opened)


class _Counted:
    """A stream that reports how much of it was read."""

    def __init__(self, stream: BinaryIO, length: int, report: Report) -> None:
        self._stream = stream
        self._length = length
        self._report = report
        self._done = 0
        self.close = stream.close

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes."""
        piece = self._stream.read(size)
        self._done += len(piece)
        self._report.progress(self._done, self._length)
        return piece


def _properties(original: Image) -> Dict[str, str]:
    signed = [name for name in original.properties if name.startswith(_SIGNED)]
    if signed:
        LOG.warning("The copy of image %s is not signed: its signature is over the bytes of the "
                    "original. Left out: %s.", original.id, ", ".join(sorted(signed)))
    return {name: value for name, value in original.properties.items() if name not in signed}
