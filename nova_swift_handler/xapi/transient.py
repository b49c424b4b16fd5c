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

"""Snapshots of disks that are made to be read, and destroyed when they have been."""

from __future__ import annotations

import contextlib
import logging
from concurrent import futures
from typing import Iterator

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import beforehand, marked
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import session as sessions

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def snapshot(session: sessions.Session, vdi_uuid: str, transfer_id: str) -> Iterator[str]:
    """Give the uuid of a new snapshot of a VDI, destroyed when the context is left.

    The VDI may be in use.  The snapshot is marked, so that :func:`.marked.reap` destroys it if
    this process is killed; if that happens between the snapshot and the mark, nobody does.

    :param transfer_id: one that is known to be alive while the context is.
    :raises SrFull: the SR has no room for it.
    :raises XapiError: there is no such VDI, or it cannot be snapshotted.
    """
    doing = f"making a snapshot of VDI {vdi_uuid}"
    beforehand.snapshot(session, vdi_uuid, session.settings.chain_depth_warning)
    with contextlib.ExitStack() as stack:
        # In a thread of its own: when the caller is interrupted meanwhile, XAPI goes on with it,
        # and its answer is the only way to learn which snapshot it is.
        pool = stack.enter_context(futures.ThreadPoolExecutor(1))
        made = pool.submit(_snapshot, session, vdi_uuid, doing)
        stack.callback(_destroy, session, made)
        ref = made.result()
        yield marked.of_snapshot(session, transfer_id, ref)


def _snapshot(session: sessions.Session, vdi_uuid: str, doing: str) -> str:
    ref = session.call("VDI.get_by_uuid", vdi_uuid, doing=doing)
    try:
        return str(session.call("VDI.snapshot", ref, {}, doing=doing))
    except exceptions.XapiUnreachable as error:
        raise exceptions.XapiUnreachable(
            f"{error}. XAPI may have made the snapshot all the same: look for it with swift-vhd sr"
            " show, and destroy it") from error


def _destroy(session: sessions.Session, made: futures.Future[str]) -> None:
    """Destroy a snapshot, if there came to be one; a failure is told and not raised.

    It is not what the caller wants to know first: what was read of the snapshot is good.
    """
    if made.exception() is not None:
        return
    try:
        disks.destroy_vdi(session, str(session.call("VDI.get_uuid", made.result())))
    except exceptions.XapiError as error:
        LOG.error("A snapshot is left over on the SR; destroy it by hand: %s", error)
