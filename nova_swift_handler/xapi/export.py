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

"""Read a VDI's contents out of XAPI."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Callable, NoReturn, Optional, Type

from nova_swift_handler import exceptions, tally
from nova_swift_handler.xapi import patience as patiences
from nova_swift_handler.xapi import request
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import task as tasks

PATH = "/export_raw_vdi"


class Export:
    """The stream of one VDI, from entry to exit of the context.

    The end of the stream says nothing: XAPI gives no length, and appends the text of an HTTP
    error to what it has sent when it fails.  So the caller reads exactly the bytes that the VHD's
    own tables promise, then calls :meth:`finish`.  If the stream ends before that, or what is
    read is no VHD, :meth:`failure` tells XAPI's reason.

    Leaving the context drops the connection, which is what makes XAPI stop, and destroys the task.
    """

    def __init__(self, session: sessions.Session, vdi_uuid: str, base: Optional[str] = None,
                 fmt: str = "vhd", progress: Optional[Callable[[int], None]] = None) -> None:
        """Prepare an export; nothing is sent yet.

        :param vdi_uuid: the VDI; a snapshot, for a disk in use is read as it changes.
        :param base: uuid of a VDI to leave out: a differencing VHD with all 2 MiB blocks
            allocated in only one of the two chains (xen-api ``f.ml``, hybrid export).
        :param fmt: ``vhd`` or ``raw``.
        :param progress: called with the number of bytes read so far.
        """
        self.vdi_uuid = vdi_uuid
        self.position = 0
        """Bytes read so far."""
        self._session = session
        self._query = {"vdi": vdi_uuid, "format": fmt}
        self._doing = f"exporting VDI {vdi_uuid}"
        if base is not None:
            self._query["base"] = base
            self._doing += f" relative to VDI {base}"
        self._progress = progress
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Export:
        """Start the export.

        :raises XapiError: there is no such VDI or base, or XAPI refuses.
        :raises XapiUnreachable, TransferCut: no answer came.
        """
        for uuid in (self.vdi_uuid, self._query.get("base")):
            if uuid is not None:  # XAPI's own answer to an unknown uuid is misleading.
                self._session.call("VDI.get_by_uuid", uuid, doing=self._doing)
        with contextlib.ExitStack() as stack:
            self._task = stack.enter_context(tasks.Task(self._session, self._doing))
            self._patience = patiences.Patience(self._task,
                                                self._session.settings.idle_timeout)
            self._connection = stack.enter_context(request.start(
                self._session, self._task, self._patience, "GET", PATH, self._query))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._stack.close()

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer.

        :returns: the bytes read; fewer than the buffer holds only at the end of the stream.
        :raises TransferCut: the connection broke, or nothing came for the idle timeout.
        :raises TaskFailed, SrFull: it did, and the task tells why.
        """
        try:
            count = self._connection.readinto(buffer, self._patience)
        except OSError as exc:
            self._cut(exc.strerror or str(exc))
        self.position += count
        tally.TALLY.moved(tally.XAPI, tally.RECEIVED, count)
        if self._progress is not None:
            self._progress(self.position)
        return count

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer only at the end; raises as :meth:`readinto`."""
        buffer = bytearray(size)
        count = self.readinto(memoryview(buffer))
        return bytes(memoryview(buffer)[:count])

    def finish(self) -> None:
        """Make sure that nothing follows what was read, and that XAPI calls it a success.

        :raises TaskFailed, SrFull: the task failed, or does not settle.
        :raises TransferCut: the stream goes on, or the connection broke.
        """
        limit = self._session.settings.finish_timeout
        try:
            said = self._connection.rest(patiences.Patience(self._task, limit))
        except OSError as exc:
            self._cut(exc.strerror or str(exc))
        if said:
            text = self._session.scrub(said.decode("latin-1"))[:40]
            self._cut(f"bytes follow that do not belong to the disk, beginning with {text!r}")
        self._task.wait(limit)

    def failure(self) -> Optional[exceptions.XapiError]:
        """Return why XAPI says that the export failed; None when it calls it a success.

        For a stream that ended early.  Waits a while for the task to settle.
        """
        return self._task.failure(request.REASON_TIMEOUT)

    def _cut(self, how: str) -> NoReturn:
        """Raise for a broken stream, by the task's reason where it has one."""
        reason = self.failure()
        if reason is not None and reason.code:
            raise reason from None
        raise exceptions.TransferCut(
            f"{self._doing} failed after {self.position} bytes: {how}; the VDI is unchanged, try"
            " again")
