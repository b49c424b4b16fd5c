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

"""GET /export_raw_vdi (xen-api's export_raw_vdi.ml).

The 200 is written before anything is done.  What goes wrong afterwards reaches the client as the
task's failure, and as the text of a second response inside the body.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Optional

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.datapath import login
from nova_swift_handler.sandbox.xapi.datapath.pace import Outlet, Pace
from nova_swift_handler.sandbox.xapi.errors import ApiError, internal_error
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.connection import Dropped
from nova_swift_handler.sandbox.xapi.server.request import Request
from nova_swift_handler.sandbox.xapi.server.stream import Stream
from nova_swift_handler.sandbox.xapi.storage.base import StorageError

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

ACTION = "get_export_raw_vdi"

#: format -> content type, ending of the file name.  (XAPI knows tar and qcow2 as well.)
_FORMATS = {
    "raw": ("application/octet-stream", "raw"),
    "vhd": ("application/vhd", "vhd"),
}


class ExportHandler:
    def __init__(self, pool: Pool, host: Host):
        self._pool = pool
        self._host = host

    def __call__(self, request: Request, stream: Stream) -> bool:
        try:
            with login.session(self._pool, self._host, request) as session:
                given = login.given_task(self._pool, request)
                with login.role_check(self._pool, given, ACTION):
                    vdi = login.find_vdi(self._pool, request.param("vdi"))
                    redirect = login.elsewhere(
                        self._pool, self._host, request, self._pool.db.get("VDI", vdi, "SR"))
                    if redirect is not None:
                        stream.write(redirect)
                        return False
                    task = given or login.new_task(
                        self._pool, self._host, request, session, "Exporting raw VDI")
                    self._export(request, stream, vdi, task)
        except login.Unauthorised:
            stream.write(response.unauthorised(request.version, ACTION))
        return False

    def _export(self, request: Request, stream: Stream, vdi: str, task: str) -> None:
        form = (request.param("format") or "raw").lower()
        if form not in _FORMATS:
            self._pool.tasks.fail(task, internal_error("Unknown format %s" % form))
            stream.write(response.head("1.0", "404 Not Found"))
            return
        uuid = self._pool.db.get("VDI", vdi, "uuid")
        stream.write(_ok(task, uuid, form))
        pace = Pace(self._pool, "export", uuid)
        try:
            self._send(vdi, uuid, form, request.param("base"), stream, pace, task)
        except (Dropped, OSError):
            self._pool.tasks.fail(task, errors.io_error())
            raise
        except Exception as exc:
            self._pool.tasks.fail(task, errors.from_exception(exc))
            raise
        self._finish(task, uuid)

    def _finish(self, task: str, uuid: str) -> None:
        fault = self._pool.faults.strike("task_fail_after_200", direction="export", vdi=uuid)
        if fault:
            self._pool.tasks.fail(task, ApiError(fault["code"], *fault["params"]))
        else:
            self._pool.tasks.complete(task)

    def _send(
        self, vdi: str, uuid: str, form: str, base: Optional[str], stream: Stream, pace: Pace,
        task: str,
    ) -> None:
        garbage = self._pool.faults.strike("export_garbage", vdi=uuid)
        outlet = Outlet(stream, pace, garbage)

        def progress(fraction: float) -> None:
            self._pool.tasks.progress(task, fraction)

        with contextlib.ExitStack() as plugged:
            plugged.enter_context(self._pool.attachments.in_dom0(self._host, vdi, "RO"))
            base_uuid = self._plug_base(base, plugged)
            repository = self._pool.disks.repository(self._pool.db.get("VDI", vdi, "SR"))
            try:
                if form == "vhd":
                    repository.export_vhd(uuid, outlet.write, base_uuid, progress)
                else:
                    repository.export_raw(uuid, outlet.write, progress)
            except (Dropped, OSError):
                self._pool.attachments.linger(uuid)
                raise
            except StorageError as exc:
                raise _named(exc, uuid, vdi) from exc
            if garbage:
                raise errors.io_error()

    def _plug_base(self, value: Optional[str], plugged: contextlib.ExitStack) -> Optional[str]:
        """The uuid of the disk to export relative to; looked at only now, after the 200."""
        if value is None:
            return None
        base = login.find_vdi(self._pool, value)
        plugged.enter_context(self._pool.attachments.in_dom0(self._host, base, "RO"))
        uuid: str = self._pool.db.get("VDI", base, "uuid")
        return uuid


def _named(exc: StorageError, uuid: str, vdi: str) -> ApiError:
    """Storage knows uuids only; XAPI names the ref."""
    return ApiError(exc.code, *[vdi if param == uuid else param for param in exc.params])


def _ok(task: str, uuid: str, form: str) -> bytes:
    """Written by hand in XAPI too: no length, and no blank after ``task-id:``."""
    content_type, ending = _FORMATS[form]
    return (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
        "task-id:%s\r\ncontent-type:%s\r\n"
        'content-disposition: attachment; filename="%s.%s"\r\n\r\n'
        % (task, content_type, uuid, ending)).encode("latin-1")
