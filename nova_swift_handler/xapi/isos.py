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

"""ISO images on an ISO SR: put there through XAPI, read back, and known again.

What SM's ISO driver does (sm, ``ISOSR.py``): a VDI is a file ``*.iso`` or ``*.img``; one that
``VDI.create`` makes has the name that ``sm_config["path"]`` says, of letters, digits, dots and
hyphens, its exact size, and can be written by a raw import; one that a scan finds is read-only.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import errors, marked, repository
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi.export import Export
from nova_swift_handler.xapi.import_ import import_disk
from nova_swift_handler.xapi.repository import Repository

MARK = "swift_vhd_iso"
"""The key in ``other_config`` of an ISO that was put there from here, and checked.

Its value names the VDI's own uuid, and counts only where that is right: copies inherit it.
"""

_NOT_WRITABLE = ("SR_BACKEND_FAILURE_78", "SR_OPERATION_NOT_SUPPORTED", "OPERATION_NOT_ALLOWED")
_SECTOR = 512
_PIECE = 1024 * 1024
_ZERO = bytes(_PIECE)


class Kept(NamedTuple):
    """A VDI of an ISO SR.

    :ivar image_id: of the ISO that was put there from here; None of any other.
    :ivar sha256: of that ISO, hexadecimal.
    """

    uuid: str
    name: str
    image_id: Optional[str]
    sha256: str


class Iso(NamedTuple):
    """An ISO that is to be put on an SR.

    :ivar size: bytes.
    :ivar sha256: hexadecimal.
    """

    name: str
    image_id: str
    size: int
    sha256: str


def find(session: sessions.Session, wanted: str) -> Repository:
    """Return an ISO SR, as its files are now.

    :param wanted: its uuid or name.
    :raises RecordMissing: there is none.
    :raises ImageUnsupported: it keeps no ISO images.
    """
    ref = repository.find(session, wanted)
    where = repository.read(session, ref)
    if where.type != repository.ISO:
        raise exceptions.ImageUnsupported(
            f"{where} is no SR for ISO images: its type is {where.type}, not iso; name one that"
            " `swift-vhd sr list --iso` shows")
    session.call("SR.scan", ref, doing=f"scanning {where}")
    return repository.read(session, ref)


def held(session: sessions.Session, where: Repository) -> List[Kept]:
    """Return the VDIs of an ISO SR but for those that are just being written, by name."""
    records = session.call("VDI.get_all_records_where", f'field "SR" = "{where.ref}"',
                           doing=f"listing {where}")
    return sorted((_parse(record) for record in records.values()
                   if marked.MARK not in record["other_config"]),
                  key=lambda kept: (kept.name, kept.uuid))


def put(session: sessions.Session, where: Repository, iso: Iso, transfer_id: str,
        chunks: Iterable[Any], progress: Callable[[int], None]) -> str:
    """Write an ISO as a new VDI, read it back, and mark it; return the VDI's uuid.

    :param chunks: the ISO's bytes.
    :param progress: called with the number of bytes that have passed, to the SR and back: twice
        the size in the end.
    :raises SrFull: the SR has no room.
    :raises ImageUnsupported: no block device can have so many bytes.
    :raises XapiError: XAPI refused or failed, or gives other bytes than were written.  Whatever
        is raised, no VDI is left.
    """
    if not iso.size or iso.size % _SECTOR:
        raise exceptions.ImageUnsupported(
            f"ISO {iso.name!r} cannot be put on an SR: it has {iso.size} bytes, which is no"
            f" multiple of {_SECTOR}, so its end would be lost; store a whole image of the CD")
    if where.free < iso.size:
        raise exceptions.SrFull(
            f"putting ISO {iso.name!r} of {iso.size} bytes on {where} failed: {where.free} bytes"
            f" are free; {errors.FULL_ADVICE}")
    try:
        uuid = marked.create(
            session, transfer_id, where.ref, iso.size, iso.name, f"ISO image {iso.image_id}", {},
            {"path": file_name(iso)})
    except exceptions.XapiError as error:
        raise _read_only(where, error) from error
    try:
        import_disk(session, uuid, iso.size, chunks, "raw", progress)
        check(session, uuid, iso, lambda read: progress(iso.size + read))
        _mark(session, uuid, iso)
        marked.release(session, uuid)
    except BaseException as error:
        disks.discard(session, uuid, "a failed push")
        if isinstance(error, exceptions.XapiError) and not isinstance(error, exceptions.SrFull):
            _raise_full(session, where, iso, error)
        raise
    return uuid


def check(session: sessions.Session, uuid: str, iso: Iso,
          progress: Callable[[int], None] = lambda read: None) -> None:
    """Read a VDI back, and see that it is the ISO and zeros behind it.

    :raises TransferCut: it is not.
    :raises XapiError: it cannot be read.
    """
    size = disks.virtual_size(session, uuid)
    digest: Any = hashlib.sha256()
    with Export(session, uuid, fmt="raw") as export:
        while export.position < size:
            start = export.position
            piece = export.read(min(_PIECE, size - start))
            if not piece:
                raise export.failure() or exceptions.TransferCut(
                    f"reading VDI {uuid} back ended after {start} of {size} bytes")
            own = max(0, min(len(piece), iso.size - start))
            digest.update(piece[:own])
            if piece[own:] != _ZERO[:len(piece) - own]:
                raise exceptions.TransferCut(
                    f"VDI {uuid} is not the ISO {iso.name!r}: it goes on behind its end")
            progress(min(export.position, iso.size))
        export.finish()
    if size < iso.size or digest.hexdigest() != iso.sha256:
        raise exceptions.TransferCut(
            f"VDI {uuid} is not the ISO {iso.name!r} that was written: its SHA-256 is"
            f" {digest.hexdigest()}, not {iso.sha256}; check the SR's file system")


def remove(session: sessions.Session, kept: Kept) -> None:
    """Destroy an ISO that was put there from here.

    :raises XapiError: a VM has it in its drive, or XAPI fails.
    """
    if disks.belongs_to_vm(session, kept.uuid):
        raise exceptions.XapiError(
            f"VDI {kept.uuid} ({kept.name}) stays: a VM has it in its CD drive; eject it and try"
            " again", "VDI_IN_USE", (kept.uuid,))
    disks.destroy_vdi(session, kept.uuid)


def name(session: sessions.Session, uuid: str, label: str) -> None:
    """Give an ISO its name again: a scan may have given it that of its file."""
    doing = f"naming VDI {uuid}"
    ref = session.call("VDI.get_by_uuid", uuid, doing=doing)
    session.call("VDI.set_name_label", ref, label, doing=doing)


def file_name(iso: Iso) -> str:
    """Return what the ISO's file is called: its name, as far as SM allows it, and its digest."""
    stem = iso.name[:-4] if iso.name.lower().endswith((".iso", ".img")) else iso.name
    return "%s-%s.iso" % (re.sub(r"[^A-Za-z0-9.-]", "-", stem)[:180], iso.sha256[:12])


def _parse(record: Dict[str, Any]) -> Kept:
    uuid, label = str(record["uuid"]), str(record["name_label"])
    try:
        said = json.loads(record["other_config"][MARK])
        if said["vdi"] == uuid:
            return Kept(uuid, label, str(said["image"]), str(said["sha256"]))
    except (KeyError, TypeError, ValueError):
        pass
    return Kept(uuid, label, None, "")


def _mark(session: sessions.Session, uuid: str, iso: Iso) -> None:
    doing = f"marking VDI {uuid}"
    ref = session.call("VDI.get_by_uuid", uuid, doing=doing)
    session.call("VDI.add_to_other_config", ref, MARK, json.dumps(
        {"vdi": uuid, "image": iso.image_id, "sha256": iso.sha256}, sort_keys=True), doing=doing)


def _read_only(where: Repository, error: exceptions.XapiError) -> exceptions.XapiError:
    if isinstance(error, exceptions.SrFull) or error.code not in _NOT_WRITABLE:
        return error
    return exceptions.XapiError(
        f"{error}; nothing can be written to {where}: is it the tools' or a CD drive's, is its"
        " share mounted read-only, or is a file of that name there?", error.code, error.params)


def _raise_full(session: sessions.Session, where: Repository, iso: Iso,
                error: exceptions.XapiError) -> None:
    """Raise a failed write's error as one of a full SR, if that can have been its cause."""
    if error.code != "VDI_IO_ERROR":
        return
    try:
        session.call("SR.scan", where.ref)
        free = repository.read(session, where.ref).free
    except exceptions.XapiError:
        return
    if free < iso.size:
        raise exceptions.SrFull(
            f"{error}; {where} has {free} bytes free, the ISO needs {iso.size}; "
            f"{errors.FULL_ADVICE}", error.code, error.params) from error
