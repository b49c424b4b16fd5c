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

"""Write bytes into a VDI through XAPI."""

from __future__ import annotations

import collections.abc
from typing import Callable, Iterable, NoReturn, Optional, Union

from nova_swift_handler import exceptions, tally
from nova_swift_handler.xapi import http as data_http
from nova_swift_handler.xapi import patience as patiences
from nova_swift_handler.xapi import repository, request
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import task as tasks

PATH = "/import_raw_vdi"


def import_disk(session: sessions.Session, vdi_uuid: str, length: int,
                chunks: Iterable[Union[bytes, bytearray, memoryview]], fmt: str = "vhd",
                progress: Optional[Callable[[int], None]] = None) -> None:
    """Send one VHD, or a raw disk, into a VDI.

    XAPI applies a VHD on top of what the VDI holds: sectors whose bitmap bit is set are written,
    all others stay as they are; a VHD larger than the VDI is only noticed at a block beyond its
    end (vhd-tool ``impl.ml``).  There is no way back: after a failure the VDI holds a mixture
    and is the caller's to destroy.

    :param length: bytes that ``chunks`` will give, announced beforehand.
    :param chunks: pieces of 1 MiB or so are efficient; they may be one reused buffer.  A
        generator is closed on every way out, so that what feeds it stops at once.
    :param fmt: ``vhd`` or ``raw``.
    :param progress: called with the number of bytes handed over so far.
    :raises SrFull: the SR has no room (as far as XAPI lets it be known).
    :raises TaskFailed: XAPI says why it failed, or does not settle.
    :raises TransferCut: the connection broke or stood still, or ``chunks`` does not give
        ``length`` bytes.
    :raises XapiUnreachable, XapiError: XAPI did not take the request.
    """
    doing = f"importing into VDI {vdi_uuid}"
    session.call("VDI.get_by_uuid", vdi_uuid, doing=doing)
    with tasks.Task(session, doing) as task:
        try:
            _transfer(session, task, {"vdi": vdi_uuid, "format": fmt}, length, chunks, progress)
        except exceptions.TaskFailed as exc:
            full = _full(session, vdi_uuid, exc)
            if full is None:
                raise
            raise full from exc
        finally:
            if isinstance(chunks, collections.abc.Generator):
                chunks.close()


def _transfer(session: sessions.Session, task: tasks.Task, query: request.Query, length: int,
              chunks: Iterable[Union[bytes, bytearray, memoryview]],
              progress: Optional[Callable[[int], None]]) -> None:
    patience = patiences.Patience(task, session.settings.idle_timeout)
    with request.start(session, task, patience, "PUT", PATH, query, length) as connection:
        sent = 0
        for chunk in chunks:
            patience.moved()  # The time the source took is not XAPI's.
            with memoryview(chunk) as view:
                if sent + view.nbytes > length:
                    raise exceptions.TransferCut(
                        f"{task.doing} stopped: the source gives more than the {length} bytes"
                        " announced")
                try:
                    connection.send(view.cast("B"), patience)
                except (OSError, data_http.PeerSpoke) as exc:
                    _cut(session, task, connection, sent, length, exc)
                sent += view.nbytes
                tally.TALLY.moved(tally.XAPI, tally.SENT, view.nbytes)
            if progress is not None:
                progress(sent)
        if sent != length:
            raise exceptions.TransferCut(
                f"{task.doing} stopped: the source gave {sent} of {length} bytes")
        _settle(session, task, connection, length)


def _settle(session: sessions.Session, task: tasks.Task, connection: data_http.DataConnection,
            length: int) -> None:
    limit = session.settings.finish_timeout
    try:
        said = connection.rest(patiences.Patience(task, limit))
    except OSError as exc:
        _cut(session, task, connection, length, length, exc)
    task.wait(limit)
    if said:
        text = session.scrub(said.decode("latin-1"))[:40]
        raise exceptions.TransferCut(
            f"{task.doing} failed: after all bytes XAPI answered {text!r}, though its task is a"
            " success; look into the host's /var/log/xensource.log")


def _cut(session: sessions.Session, task: tasks.Task, connection: data_http.DataConnection,
         sent: int, length: int, cause: Exception) -> NoReturn:
    """Raise for a connection that ended early, by the task's reason where it has one."""
    connection.close()
    reason = task.failure(request.REASON_TIMEOUT)
    if reason is not None and reason.code:
        raise reason from None
    how = getattr(cause, "strerror", None) or "XAPI closed the connection"
    raise exceptions.TransferCut(
        f"{task.doing} failed at byte {sent} of {length}: {how}; the VDI holds a part of the"
        " data, destroy it and try again")


def _full(session: sessions.Session, vdi_uuid: str,
          failure: exceptions.XapiError) -> Optional[exceptions.SrFull]:
    """Return SrFull if that is what an anonymous write error was.

    vhd-tool reports every failure as VDI_IO_ERROR, a full file system included.
    """
    if failure.code != "VDI_IO_ERROR":
        return None
    try:
        sr_ref = session.call("VDI.get_SR", session.call("VDI.get_by_uuid", vdi_uuid))
    except exceptions.XapiError:
        return None
    return repository.run_full(session, sr_ref, failure)
