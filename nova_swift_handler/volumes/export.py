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

"""Addresses by which anybody may download a stored disk until a given time.

A TempURL is a secret of its own: it goes to who asked for it, and into no log.
"""

from __future__ import annotations

import calendar
import email.utils
import logging
import urllib.parse
import uuid
from typing import Any, Dict

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names, places, raw
from nova_swift_handler.catalog.point import EXPORT, RANGES, Point
from nova_swift_handler.catalog.publish import Disk, Subject
from nova_swift_handler.store import probe, tempurl
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.volumes import volume
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)

VHD, RAW = "vhd", "raw"
FORMATS = (VHD, RAW)
_VIEWS = {VHD: names.DISK_VIEW, RAW: names.RAW_VIEW}


class Addresses:
    """Makes the addresses.

    :param fmt: ``VHD`` or ``RAW``.
    :param file_name: what the downloaded file is to be called; empty for the id and the format.
    :raises AbilityMissing: this Swift, or this account, cannot have such addresses.
    """

    def __init__(self, services: Services, account: Account, fmt: str, file_name: str) -> None:
        self._services = services
        self._account = account
        self._format = fmt
        self._file_name = file_name
        self._abilities = probe.abilities(account, services.containers.index)
        self._key = tempurl.key_of(account)
        if not self._abilities.tempurl:
            raise exceptions.AbilityMissing(
                "no address can be made: this Swift does not serve stitched objects by TempURL; "
                "`swift-vhd store probe` tells what was tried. Use `swift-vhd snapshot restore`")
        if fmt == RAW and not raw.possible(self._abilities):
            raise exceptions.AbilityMissing(
                "no address of a raw disk can be made: this Swift does not stitch ranges of "
                "objects, or of stitched ones; take the format vhd")

    def of(self, point: Point, expires: int) -> str:
        """Return the address of a point's disk.

        :param expires: until when it is good, seconds since 1970.
        :raises AbilityMissing: the point has no view of this kind that may be shown.
        :raises StoreError: Swift failed.
        """
        if self._format == RAW:
            raw.publish(self._account, self._abilities, point,
                        *lookup.blocks(self._account, point))
        else:
            self._check_vhd(point)
        url = urllib.parse.urlsplit(self._services.public_url(self._account))
        return "%s://%s%s" % (url.scheme, url.netloc, tempurl.signed(
            url.geturl(), point.container, names.of_point(point.image_id, _VIEWS[self._format]),
            self._key, expires, self._abilities.tempurl_digest,
            self._file_name or "%s.%s" % (point.image_id, self._format)))

    def size(self, point: Point) -> int:
        """Return the bytes of what is downloaded."""
        return point.virtual_size if self._format == RAW else point.vhd_size

    def _check_vhd(self, point: Point) -> None:
        if not point.vhd_size:
            raise exceptions.AbilityMissing(
                "the point of image %s has no %s: this Swift could not stitch it; use `swift-vhd "
                "snapshot restore`" % (point.image_id, names.DISK_VIEW))
        if point.stitching == RANGES:
            return
        blocks, stored = lookup.blocks(self._account, point)
        if not Disk(point.virtual_size, blocks, stored, bytearray(), "", 0,
                    0).fills_its_segments():
            raise exceptions.AbilityMissing(
                "the point of image %s shares segments with others, and this Swift stitches them "
                "whole, so who had its address could read what is not on its disk; use `swift-vhd "
                "volume export` or `snapshot restore`" % point.image_id)


def url(services: Services, image_id: str, fmt: str, seconds: int,
        file_name: str = "") -> Dict[str, Any]:
    """Return an address of a disk that is stored, good for so many seconds; nothing is copied.

    It ends sooner if the disk is deleted.

    :raises SwiftVhdError: there is none, or it can have no address.
    """
    account = services.account()
    addresses = Addresses(services, account, fmt, file_name)
    point = places.wanted(account, services.containers, image_id)
    _refuse_another(services, point)
    expires = calendar.timegm(account.clock(point.container).utctimetuple()) + seconds
    if point.expires_at is not None:
        expires = min(expires, point.expires_at)
    return _shown(addresses, point, fmt, expires)


def _refuse_another(services: Services, point: Point) -> None:
    """Raise if Glance has given the id of a point's image to another image since.

    Who asks for an address of that one must not be given the disk of the former.
    """
    if point.kind == EXPORT:
        return
    try:
        image = services.images(None).get(point.image_id)
    except exceptions.ImageUnavailable:
        return  # of a disk whose image is gone an operator may well want an address
    except exceptions.GlanceUnreachable as error:
        LOG.warning("Whether image %s is still the one whose disk is stored could not be asked: "
                    "%s", point.image_id, error)
        return
    if not lookup.is_of(point, image.owner or "", image.created_at):
        raise exceptions.PointInvalid(
            "what is stored under the id %s is the disk of another image, owned by %s, that had "
            "it before; to get at that disk use `swift-vhd snapshot restore`"
            % (point.image_id, point.project_id))


def export(services: Services, vdi_uuid: str, fmt: str, seconds: int, report: Report,
           file_name: str = "") -> Dict[str, Any]:
    """Store a VDI as it is now, to be downloaded for so many seconds; return the address.

    What is stored is a point of the VDI's volume without an image, which housekeeping deletes
    once it has expired.  It shares the blocks that other points of the volume have.

    :raises SwiftVhdError: it failed; then there is no point and no snapshot on the SR.
    """
    assert services.xapi is not None
    account = services.account()
    addresses = Addresses(services, account, fmt, file_name)
    with Session(services.xapi) as session:
        disk = volume.look_up(session, vdi_uuid)
        subject = Subject(str(uuid.uuid4()), EXPORT, disk.uuid, "", "", disk.origin(), seconds)
        with volume.reading(session, disk) as source, snapshot.stored(
                services, account, subject, source, services.containers.volume(disk.uuid), report,
                for_glance=False) as point:
            assert point.expires_at is not None
            return _shown(addresses, point, fmt, point.expires_at)


def _shown(addresses: Addresses, point: Point, fmt: str, expires: int) -> Dict[str, Any]:
    return {"url": addresses.of(point, expires), "format": fmt, "size": addresses.size(point),
            "expires": email.utils.formatdate(expires, usegmt=True), "id": point.image_id,
            "volume": point.volume_id, "virtual_size": point.virtual_size,
            "sent_bytes": point.sent_bytes}

