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

"""Disks of the host, whoever runs them: stored as points of their own volumes, and made anew."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.catalog.point import EXPORT, SNAPSHOT
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.glance.settings import IN_PLACE
from nova_swift_handler.images import template
from nova_swift_handler.transfer import boot, leftovers, snapshot
from nova_swift_handler.transfer.jobs import BootJob, Services
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import FileSource, VdiSource
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout
from nova_swift_handler.vhd.reader import Block
from nova_swift_handler.vhd.writer import stream
from nova_swift_handler.xapi import coalescing, repository, transient
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)

DISKS = ("user", "system", "ephemeral", "suspend", "crashdump")
"""Types of VDIs that hold what somebody wrote, and not what XAPI keeps for itself."""

NO_DISKS = ("iso", "udev")
"""Types of SRs for CD images, and for devices of the host."""

NOVA = "nova_instance_uuid"


class Disk(NamedTuple):
    """A VDI that can be stored.

    :ivar name: its name label.
    :ivar frozen: whether it is a snapshot itself, which nobody writes to.
    :ivar instance: the Nova instance that its ``other_config`` names.  A clone has that from the
        disk it was made of, so it proves nothing.
    """

    uuid: str
    name: str
    sr_ref: str
    sr_uuid: str
    frozen: bool
    instance: Optional[str]

    def origin(self) -> Dict[str, str]:
        """Return what a point says of where it is from."""
        return {"vdi": self.uuid, "sr": self.sr_uuid, "name": self.name}


def look_up(session: Session, vdi_uuid: str) -> Disk:
    """Return a VDI that is a disk.

    :raises RecordMissing: there is none of this uuid.
    :raises ImageUnsupported: it is no disk.
    """
    record = disks.get_record(session, vdi_uuid)
    sr = repository.read(session, record["SR"])
    doing = "storing VDI %s (%s)" % (vdi_uuid, record["name_label"])
    if sr.type in NO_DISKS:
        raise exceptions.ImageUnsupported(
            "%s is not possible: it lies on %s, which has CD images and devices of the host, not "
            "disks; store an ISO file with `swift-vhd iso create`" % (doing, sr))
    if not record["managed"]:
        raise exceptions.ImageUnsupported(
            "%s is not possible: it is a hidden base copy; name the disk or snapshot above it "
            "(`swift-vhd sr chain` shows them)" % doing)
    if record["type"] not in DISKS:
        raise exceptions.ImageUnsupported(
            "%s is not possible: it is of the type %s, which is no disk" % (doing, record["type"]))
    return Disk(str(record["uuid"]), str(record["name_label"]), sr.ref, sr.uuid,
                bool(record["is_a_snapshot"]), record["other_config"].get(NOVA))


@contextlib.contextmanager
def reading(session: Session, disk: Disk) -> Iterator[VdiSource]:
    """Give a disk as it is now; of one that may change, a snapshot is made for the time."""
    if disk.frozen:
        yield VdiSource(session, disk.uuid)
        return
    with leftovers.transfer(session, disk.sr_ref) as transfer, transient.snapshot(
            session, disk.uuid, transfer) as made:
        LOG.info("Reading VDI %s from its snapshot %s", disk.uuid, made)
        yield VdiSource(session, made)


@contextlib.contextmanager
def frozen(services: Services, vdi_uuid: str) -> Iterator[VdiSource]:
    """Give a VDI as it is now.

    :raises XapiError, ImageUnsupported: as :func:`look_up` and ``transient.snapshot``.
    """
    assert services.xapi is not None
    with Session(services.xapi) as session, reading(
            session, look_up(session, vdi_uuid)) as source:
        yield source


def store(services: Services, vdi_uuid: str, report: Report, *, name: str = "",
          owner: Optional[str] = None,
          image_properties: Optional[Mapping[str, str]] = None,
          wait: bool = False) -> Dict[str, Any]:
    """Store a VDI as the next point of its volume, with an image; return figures.

    The volume is the VDI's uuid, even if a Nova instance uses it: which, only ``other_config``
    tells, and clones inherit that.  The image is private.

    :param name: the image's; the VDI's and the time if empty.
    :param owner: project that is to own the image; the service account's if None.
    :param wait: return when the SR has coalesced what the snapshot left in the disk's chain.
    :raises SwiftVhdError: it failed; then there is no point, image or snapshot; the blocks that
        were sent stay, for the next one.  All is stored if it was the waiting that failed.
    """
    assert services.xapi is not None
    with Session(services.xapi) as session:
        disk = look_up(session, vdi_uuid)
        stored = _store(services, session, disk, report, name, owner, image_properties or {})
        if wait:
            coalescing.watch(session, disk.sr_ref, report.progress, of_vdis=[disk.uuid])
        return stored


def _store(services: Services, session: Session, disk: Disk, report: Report, name: str,
           owner: Optional[str], image_properties: Mapping[str, str]) -> Dict[str, Any]:
    ours = services.credentials.session()
    account, images = services.account(ours), services.images(None, ours)
    container = services.containers.volume(disk.uuid)
    with contextlib.ExitStack() as held:
        if disk.instance:
            LOG.warning(
                "VDI %s says that it belongs to the Nova instance %s; snapshots that Nova makes "
                "of that are points of another volume", disk.uuid, disk.instance)
        image = held.enter_context(template.new_image(
            images, name or disk.name or disk.uuid, "vhd", "bare",
            Attributes("private", properties=image_properties), owner))
        how, _why = images.choose(image.id)
        with contextlib.ExitStack() as read:
            source = read.enter_context(reading(session, disk))
            subject = Subject(image.id, SNAPSHOT, disk.uuid, image.owner or "", image.created_at,
                              disk.origin())
            with snapshot.stored(services, account, subject, source, container, report,
                                 for_glance=how in IN_PLACE) as point:
                read.close()  # Glance may take its time, and snapshots room
                with template.undone(images, image.id):
                    how = snapshot.register(images, image.id, snapshot.published(
                        account, services, point, report))
    return {"id": image.id, "volume": disk.uuid, "name": image.name, "registration": how,
            "sequence": point.sequence, "virtual_size": point.virtual_size,
            "vhd_size": point.vhd_size, "blocks": point.blocks, "sent_blocks": point.sent_blocks,
            "sent_bytes": point.sent_bytes, "parent": point.parent}


def create(services: Services, source: Sequence[str], sr: Optional[str], name: str,
           report: Report) -> Dict[str, Any]:
    """Make a VDI; return what there is to say of it.

    :param source: the id of an image, or of what is stored here without one; or the paths of a
        VHD or of the VHDs of a chain, in any order.
    :param sr: uuid or name of the SR; None is the pool's default.
    :raises NotThere: *source* is neither, or there is no such image or SR.
    :raises SwiftVhdError: it failed; then there is no VDI.
    """
    assert services.xapi is not None
    image_id = source[0] if len(source) == 1 and names.is_id(source[0]) else ""
    if len(source) == 1 and not image_id and not os.path.exists(source[0]):
        raise exceptions.NotThere(
            "%s is neither a file nor the id of an image; `swift-vhd image list` shows ids"
            % source[0])
    files = None if image_id else FileSource(*source)
    with Session(services.xapi) as session, contextlib.ExitStack() as held:
        sr_ref = _sr(session, sr)
        target = boot.Target(session, BootJob(
            services, None, image_id, sr_ref, name, "", {},
            held.enter_context(leftovers.transfer(session, sr_ref))), report)
        if files is not None:
            with target:
                _write(target, files)
                target.hand_over()
            origin = "files"
        else:
            ours = services.credentials.session()
            account, images = services.account(ours), services.images(None, ours)
            point = lookup.find(account, services.containers, image_id)
            # An export has no image: one of its id was made by somebody who knows its address.
            if point is None or point.kind != EXPORT:
                point = boot.stored_of(account, services.containers, images, image_id)
            origin = boot.fill(target, services, account, images, image_id, point, report)
    return {"id": target.uuid, "name": name, "virtual_size": target.virtual_size,
            "source": origin}


def _sr(session: Session, wanted: Optional[str]) -> str:
    ref = repository.find(session, wanted)
    sr = repository.read(session, ref)
    if sr.type in NO_DISKS:
        raise exceptions.ImageUnsupported(
            "a disk cannot be made on %s, which is for CD images and devices" % sr)
    return ref


def _write(target: boot.Target, files: FileSource) -> None:
    """Write to a new VDI what a chain of VHDs in files makes, put together here."""
    numbers = files.numbers()
    layout = Layout(files.virtual_size, numbers, bytes(16))
    target.create(files.virtual_size, layout.count)
    wanted = set(numbers) if files.fixed else None
    with contextlib.closing(files.blocks(wanted)) as blocks:
        target.apply(layout.length, stream(layout, (
            Block(number, FULL_BITMAP, data) for number, data in blocks)))
