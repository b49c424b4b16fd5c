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

"""PUT /import_raw_vdi (xen-api's import_raw_vdi.ml).

The 200 is written before the body is read, so it means nothing: the work is over when the server
closes, and the task tells how it went.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Optional, Tuple

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.datapath import login
from nova_swift_handler.sandbox.xapi.datapath.pace import Inlet, Pace
from nova_swift_handler.sandbox.xapi.errors import ApiError, internal_error
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.connection import Dropped
from nova_swift_handler.sandbox.xapi.server.request import Request
from nova_swift_handler.sandbox.xapi.server.stream import Stream
from nova_swift_handler.sandbox.xapi.storage.base import StorageRepository

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

ACTION = "put_import_raw_vdi"

#: A frame of XAPI's own chunked form of raw data: offset, length, both little-endian.
_FRAME = struct.Struct("<QI")


class Refused(Exception):
    """The request cannot be served; said before the 200."""

    def __init__(self, version: str, status: str, error: ApiError):
        super().__init__(status)
        self.head = response.head(version, status)
        self.error = error


class ImportHandler:
    def __init__(self, pool: Pool, host: Host):
        self._pool = pool
        self._host = host

    def __call__(self, request: Request, stream: Stream) -> bool:
        try:
            with login.session(self._pool, self._host, request) as session:
                given = login.given_task(self._pool, request)
                with login.role_check(self._pool, given, ACTION):
                    vdi, sr = self._place(request)
                    redirect = sr and login.elsewhere(self._pool, self._host, request, sr)
                    if redirect:
                        stream.write(redirect)
                        return False
                    task = given or login.new_task(
                        self._pool, self._host, request, session, "Importing raw VDI")
                    self._import(request, stream, vdi, sr, task)
        except login.Unauthorised:
            stream.write(response.unauthorised(request.version, ACTION))
        return False

    def _place(self, request: Request) -> Tuple[Optional[str], Optional[str]]:
        """The VDI to write and its SR, or the SR to make one on (a ref, not looked at), or
        neither."""
        wanted = request.param("vdi")
        if wanted is not None:
            vdi = login.find_vdi(self._pool, wanted)
            return vdi, self._pool.db.get("VDI", vdi, "SR")
        sr_id, sr_uuid = request.param("sr_id"), request.param("sr_uuid")
        if sr_id is None and sr_uuid is not None:
            sr_id = self._pool.db.by_uuid("SR", sr_uuid)
        return None, sr_id

    def _import(
        self, request: Request, stream: Stream, vdi: Optional[str], sr: Optional[str], task: str,
    ) -> None:
        try:
            if sr is None:
                raise Refused("1.1", "400 Bad Request", ApiError("VDI_MISSING"))
            form, chunked = _form(request)
            if vdi is None:
                vdi = self._new_vdi(request, form, sr)
        except Refused as exc:
            self._pool.tasks.fail(task, exc.error)
            stream.write(exc.head)
            return
        stream.write(_ok(task))
        uuid = self._pool.db.get("VDI", vdi, "uuid")
        try:
            self._receive(vdi, uuid, form, chunked, request.content_length, stream, task)
        except (Dropped, OSError):
            self._pool.tasks.fail(task, errors.io_error())
            raise
        except Exception as exc:
            self._pool.tasks.fail(task, errors.from_exception(exc))
            # The connection's loop adds the 500: two responses after the first 200.
            stream.write(response.head("1.1", "400 Bad Request"))
            raise
        self._pool.tasks.complete(task, "<value>%s</value>" % vdi)

    def _new_vdi(self, request: Request, form: str, sr: str) -> str:
        """Without ``vdi`` a new one, for raw data of a known length only.  Raises Refused."""
        if form != "raw":
            raise Refused("1.0", "400 Bad Request", internal_error(
                "Importing a VHD directly into an SR not yet supported"))
        if request.content_length is None:
            raise Refused("1.0", "400 Bad Request", internal_error(
                "Not enough info supplied to import"))
        return self._pool.disks.create({
            "SR": sr, "virtual_size": request.content_length, "name_label": "Imported VDI"})

    def _receive(
        self, vdi: str, uuid: str, form: str, chunked: bool, length: Optional[int],
        stream: Stream, task: str,
    ) -> None:
        pace = Pace(self._pool, "import", uuid)
        repository = self._pool.disks.repository(self._pool.db.get("VDI", vdi, "SR"))
        full = self._pool.faults.strike("sr_full", sr=repository.uuid)
        inlet = Inlet(stream, pace, length, full)

        def progress(fraction: float) -> None:
            self._pool.tasks.progress(task, fraction)

        with self._pool.attachments.in_dom0(self._host, vdi, "RW"):
            try:
                if form == "vhd":
                    repository.import_vhd(uuid, inlet.read, length, progress)
                elif chunked:
                    _import_frames(repository, uuid, inlet)
                else:
                    repository.import_raw(uuid, inlet.read, length, progress)
            except Exception as exc:
                if inlet.ended_early or isinstance(exc, (Dropped, OSError)):
                    self._pool.attachments.linger(uuid)
                raise
        fault = self._pool.faults.strike("task_fail_after_200", direction="import", vdi=uuid)
        if fault:
            raise ApiError(fault["code"], *fault["params"])


def _form(request: Request) -> Tuple[str, bool]:
    """Format, and whether the data come in XAPI's frames.  Raises Refused."""
    form = (request.param("format") or "raw").lower()
    chunked = request.param("chunked") is not None  # any value will do, "false" too
    encoding = request.headers.get("transfer-encoding")
    if form not in ("raw", "vhd"):
        text = "Unknown format %s" % form
    elif encoding is not None:
        text = "Cannot handle encoding: %s" % encoding
    elif chunked and form != "raw":
        text = "Cannot handle chunked VHD"
    else:
        return form, chunked
    raise Refused("1.0", "404 Not Found", internal_error(text))


def _import_frames(repository: StorageRepository, uuid: str, inlet: Inlet) -> None:
    """Frames of offset, length and data; one of zeros ends them."""
    with repository.open(uuid, True) as disk:
        while True:
            offset, length = _FRAME.unpack(_exactly(inlet, _FRAME.size))
            if (offset, length) == (0, 0):
                disk.flush()
                return
            disk.pwrite(offset, _exactly(inlet, length))


def _exactly(inlet: Inlet, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = inlet.read(length - len(data))
        if not piece:
            raise errors.io_error()
        data += piece
    return data


def _ok(task: str) -> bytes:
    """Written by hand in XAPI too: no length, and no blank after ``task-id:``."""
    return (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
        "task-id:%s\r\ncontent-type: application/octet-stream\r\n\r\n" % task).encode("latin-1")
