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

"""VDIs that say which transfer they are for, so that none is lost with who knew of it.

A transfer's id begins with the name of the nova-compute that wants it, or of the machine where an
operator does, and a slash.

Clones and snapshots inherit ``other_config``.  So the mark of a VDI that is being written goes
before Nova gets it, and counts on no snapshot; that of a snapshot which is made to be read has the
snapshot's own uuid before the transfer's id, and counts on no other VDI.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, List, Mapping, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import errors
from nova_swift_handler.xapi import session as sessions

LOG = logging.getLogger(__name__)

MARK = "swift_vhd_transfer"
"""The key in ``other_config``."""

_CREATING = "vdi_create"  # in an SR's current_operations (xen-api, message_forwarding.ml)
_LOOKS = 2
_PAUSE = 1.0


def create(session: sessions.Session, transfer_id: str, sr_ref: str, virtual_size: int,
           name_label: str, description: str, other_config: Mapping[str, str],
           sm_config: Optional[Mapping[str, str]] = None) -> str:
    """Do :func:`~nova_swift_handler.xapi.disk.create_vdi`, the VDI being marked.

    If the answer is lost, the VDI that XAPI may have made all the same is destroyed.

    :raises XapiError: as ``create_vdi`` does.
    """
    try:
        return disks.create_vdi(session, sr_ref, virtual_size, name_label, description,
                                {**other_config, MARK: transfer_id}, sm_config)
    except exceptions.XapiUnreachable:
        try:
            destroy(session, transfer_id, sr_ref)
        except exceptions.XapiError as failure:
            LOG.error("A VDI with %s = %s in its other_config may be left over; destroy it by "
                      "hand: %s", MARK, transfer_id, failure)
        raise


def release(session: sessions.Session, uuid: str) -> None:
    """Take the mark off a VDI that is complete.

    :raises XapiError: XAPI refused, or there is no such VDI.
    """
    doing = f"handing over VDI {uuid}"
    ref = session.call("VDI.get_by_uuid", uuid, doing=doing)
    session.call("VDI.remove_from_other_config", ref, MARK, doing=doing)


def of_snapshot(session: sessions.Session, transfer_id: str, ref: str) -> str:
    """Mark a snapshot that is destroyed when it has been read; return its uuid.

    :raises XapiError: XAPI refused, or there is no such VDI.
    """
    uuid = str(session.call("VDI.get_uuid", ref, doing="marking a snapshot"))
    doing = f"marking snapshot {uuid}"
    # It has what its disk has there, a mark of another transfer's included.
    session.call("VDI.remove_from_other_config", ref, MARK, doing=doing)
    session.call("VDI.add_to_other_config", ref, MARK, f"{uuid} {transfer_id}", doing=doing)
    return uuid


def destroy(session: sessions.Session, transfer_id: str, sr_ref: str) -> int:
    """Destroy the VDIs of a transfer that nobody knows the uuids of; return how many there were.

    XAPI goes on with a call whose client is gone, so while it creates anything on the SR it is
    waited for, up to the time that a call may take.

    :raises XapiError: XAPI cannot be asked, or a VDI cannot be destroyed.
    """
    doing = f"looking for what transfer {transfer_id} has created"
    deadline = time.monotonic() + session.settings.read_timeout
    quiet = 0
    while True:
        late = time.monotonic() >= deadline
        try:
            # In this order: what is created after the first question is found after the next.
            operations = session.call("SR.get_current_operations", sr_ref, doing=doing)
            found = _find(session, transfer_id, sr_ref, doing)
            for uuid in found:
                disks.destroy_vdi(session, uuid)
            quiet = 0 if _CREATING in operations.values() else quiet + 1
            if found or quiet == _LOOKS:
                return len(found)
        except exceptions.XapiUnreachable:
            quiet = 0
            if late:
                raise
        if late:
            LOG.warning("The SR is still creating a VDI. Should one with %s = %s in its "
                        "other_config turn up, destroy it by hand", MARK, transfer_id)
            return 0
        time.sleep(_PAUSE)


def reap(session: sessions.Session, maker: str, sr_ref: str,
         alive: Callable[[str], bool], former: str = "") -> int:
    """Destroy the VDIs of transfers that died together with who wanted them; return how many.

    :param maker: who wanted the transfers that are meant; no other's are touched.
    :param alive: tells of a transfer's id whether it is under way.
    :param former: what *maker* was called by former releases, and others too: theirs are told.
    :raises XapiError: XAPI cannot be asked, or a VDI cannot be destroyed.
    """
    doing = f"looking for what transfers of {maker} have left"
    # Listed first: a transfer that marks a VDI is alive before, and as long as, it does.
    there = _marked(session, sr_ref, doing)
    found = [(uuid, transfer_id) for uuid, transfer_id in there
             if transfer_id.rpartition("/")[0] == maker and not alive(transfer_id)]
    for uuid, transfer_id in there:
        if former and transfer_id.rpartition("/")[0] == former:
            LOG.warning("VDI %s is of transfer %s, which a former release of this program has "
                        "begun here or on another machine of that name; if it is not under way "
                        "any more, destroy the VDI", uuid, transfer_id)
    destroyed = 0
    for uuid, transfer_id in found:
        # It may have handed the VDI over since it was listed, and so have come to its end.
        if not _is_still_of(session, uuid, transfer_id):
            continue
        if disks.belongs_to_vm(session, uuid):
            LOG.warning("VDI %s looks as if transfer %s had left it, but a VM has it; take %s out "
                        "of its other_config", uuid, transfer_id, MARK)
            continue
        LOG.warning("Destroying VDI %s, which transfer %s left when it was killed", uuid,
                    transfer_id)
        disks.destroy_vdi(session, uuid)
        destroyed += 1
    return destroyed


def _is_still_of(session: sessions.Session, uuid: str, transfer_id: str) -> bool:
    try:
        return _transfer(disks.get_record(session, uuid)) == transfer_id
    except exceptions.XapiError as error:
        if error.code not in errors.ABSENT:
            raise
        return False


def _find(session: sessions.Session, transfer_id: str, sr_ref: str, doing: str) -> List[str]:
    return [uuid for uuid, mark in _marked(session, sr_ref, doing) if mark == transfer_id]


def _marked(session: sessions.Session, sr_ref: str, doing: str) -> List[Tuple[str, str]]:
    """Return (uuid, transfer's id) of the VDIs that are one's, not of what is made of them."""
    # Values of maps cannot be asked for.
    records = session.call("VDI.get_all_records_where", f'field "SR" = "{sr_ref}"', doing=doing)
    found = ((str(record["uuid"]), _transfer(record)) for record in records.values())
    return [(uuid, transfer_id) for uuid, transfer_id in found if transfer_id is not None]


def _transfer(record: Mapping[str, Any]) -> Optional[str]:
    """Return the id of the transfer that a VDI is for; None if it is somebody's."""
    owner, of_one, transfer_id = record["other_config"].get(MARK, "").rpartition(" ")
    if not transfer_id or bool(of_one) != record["is_a_snapshot"]:
        return None
    return transfer_id if owner in ("", record["uuid"]) else None
