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

"""VDIs and the SRs they lie on."""

from __future__ import annotations

import logging
import time
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors
from nova_swift_handler.xapi import session as sessions

LOG = logging.getLogger(__name__)

DETACH_TIMEOUT = 330.0
"""Seconds XAPI may take to let go of a disk after a transfer broke (it polls up to 300 s)."""

_BUSY = ("VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS", "SR_BACKEND_FAILURE_24")
_STARTING = "HOST_STILL_BOOTING"
_FIRST_PAUSE = 0.2
_LAST_PAUSE = 5.0


def create_vdi(session: sessions.Session, sr_ref: str, virtual_size: int, name_label: str,
               description: str, other_config: Mapping[str, str],
               sm_config: Optional[Mapping[str, str]] = None) -> str:
    """Create an empty, writable disk.

    :param virtual_size: bytes; the SR rounds up to 2 MiB, :func:`virtual_size` tells.
    :param sm_config: what the SR's driver is told, such as a file's name on an SR of ISO images.
    :returns: the VDI's uuid.
    :raises SrFull: the SR has no room.
    :raises XapiError: XAPI refused, or made a smaller disk (which is destroyed again).
    """
    doing = (f"creating a VDI of {virtual_size} bytes ({name_label}) on SR"
             f" {sr_uuid(session, sr_ref)}")
    ref = session.call("VDI.create", {
        "name_label": name_label, "name_description": description, "SR": sr_ref,
        "virtual_size": str(virtual_size), "type": "user", "sharable": False,
        "read_only": False, "other_config": dict(other_config), "xenstore_data": {},
        "sm_config": dict(sm_config or {}), "tags": []}, doing=doing)
    try:
        record = session.call("VDI.get_record", ref, doing=doing)
        if int(record["virtual_size"]) < virtual_size:
            raise exceptions.XapiError(
                f"{doing} failed: the SR made a disk of only {record['virtual_size']} bytes;"
                " look into the host's /var/log/SMlog")
    except BaseException:
        _destroy_quietly(session, ref, doing)
        raise
    return str(record["uuid"])


def destroy_vdi(session: sessions.Session, uuid: str,
                timeout: float = DETACH_TIMEOUT) -> None:
    """Destroy a disk; one that does not exist is as good as destroyed.

    After a broken transfer XAPI keeps the disk attached to dom0 for a while; that is waited for.
    A dom0 attachment still there after half the time is taken to be forgotten (XAPI restarted in
    mid-transfer) and removed.  Attachments of other VMs are never touched.  A XAPI that does not
    answer is waited for as well: transfers break when it is restarted, which takes a while.

    :param timeout: seconds.
    :raises XapiError: the disk is attached to a VM, or still busy after ``timeout``.
    :raises XapiUnreachable: XAPI did not answer until then.
    """
    began = time.monotonic()
    pause, detached = _FIRST_PAUSE, False
    while True:
        forgotten = not detached and time.monotonic() - began >= timeout / 2
        failure = _try_to_destroy(session, uuid, forgotten)
        if failure is None:
            return
        passed = time.monotonic() - began
        if passed >= timeout:
            raise failure
        detached = detached or (
            forgotten and not isinstance(failure, exceptions.XapiUnreachable))
        time.sleep(min(pause, timeout - passed))
        pause = min(pause * 1.6, _LAST_PAUSE)


def get_record(session: sessions.Session, uuid: str) -> Dict[str, Any]:
    """Return XAPI's record of a VDI; 64-bit integers in it are strings.

    :raises XapiError: with code ``UUID_INVALID`` if there is no such VDI.
    """
    doing = f"reading the record of VDI {uuid}"
    ref = session.call("VDI.get_by_uuid", uuid, doing=doing)
    record: Dict[str, Any] = session.call("VDI.get_record", ref, doing=doing)
    return record


def virtual_size(session: sessions.Session, uuid: str) -> int:
    """Return the size of the disk that a guest sees, in bytes."""
    return int(get_record(session, uuid)["virtual_size"])


def sr_uuid(session: sessions.Session, sr_ref: str) -> str:
    """Return an SR's uuid."""
    return str(session.call("SR.get_uuid", sr_ref, doing="looking up an SR"))


class Attachment(NamedTuple):
    """A VBD of a VDI.

    :ivar attached: whether it is plugged now.
    :ivar control: whether it is dom0's.
    """

    vbd: str
    vm: str
    attached: bool
    control: bool
    writable: bool


def attachments(session: sessions.Session, vdi_ref: str) -> Iterator[Attachment]:
    """Give the VBDs of a VDI, skipping those just gone."""
    for vbd in session.call("VDI.get_VBDs", vdi_ref):
        try:
            record = session.call("VBD.get_record", vbd)
            control = session.call("VM.get_is_control_domain", record["VM"])
        except exceptions.XapiError as exc:
            if exc.code not in errors.ABSENT:
                raise
            continue
        yield Attachment(vbd, str(record["VM"]), bool(record["currently_attached"]),
                         bool(control), record["mode"] == "RW")


def belongs_to_vm(session: sessions.Session, uuid: str) -> bool:
    """Tell whether a VM has this disk, plugged or not; dom0 does not count.

    :raises XapiError: with code ``UUID_INVALID`` if there is no such VDI.
    """
    ref = session.call("VDI.get_by_uuid", uuid, doing=f"looking at the VBDs of VDI {uuid}")
    return any(not each.control for each in attachments(session, ref))


def _try_to_destroy(session: sessions.Session, uuid: str,
                    detach: bool) -> Optional[exceptions.XapiError]:
    """Destroy a disk, or return why that may succeed a little later.

    :param detach: whether to take it from dom0 first.
    """
    doing = f"destroying VDI {uuid}"
    try:
        ref = session.call("VDI.get_by_uuid", uuid, doing=doing)
        if detach:
            _detach_from_dom0(session, ref, uuid)
        try:
            session.call("VDI.destroy", ref, doing=doing)
        except exceptions.XapiError as exc:
            if exc.code not in _BUSY or _vm_using(session, ref):
                raise
            return exc
    except exceptions.XapiError as exc:
        if isinstance(exc, exceptions.XapiUnreachable) or exc.code == _STARTING:
            return exc
        if exc.code not in errors.ABSENT:
            raise
    return None


def _vm_using(session: sessions.Session, ref: str) -> Optional[str]:
    for each in attachments(session, ref):
        if each.attached and not each.control:
            return each.vbd
    return None


def _detach_from_dom0(session: sessions.Session, ref: str, uuid: str) -> None:
    for each in attachments(session, ref):
        if not each.control:
            continue
        LOG.warning("VDI %s is still attached to dom0 long after its transfer ended; detaching"
                    " it", uuid)
        for method in ("VBD.unplug", "VBD.destroy") if each.attached else ("VBD.destroy",):
            try:
                session.call(method, each.vbd, doing=f"detaching VDI {uuid} from dom0")
            except exceptions.XapiError as exc:
                if exc.code not in errors.ABSENT:
                    LOG.warning("%s", exc)


def discard(session: sessions.Session, uuid: str, after: str) -> None:
    """Do :func:`destroy_vdi` where there is a failure already; one more is told, not raised.

    :param after: what has left the VDI, for the log: a phrase like ``"a failed copy"``.
    """
    try:
        destroy_vdi(session, uuid)
    except exceptions.XapiError as error:
        LOG.error("After %s VDI %s is left over on the SR; destroy it by hand: %s", after, uuid,
                  error)


def _destroy_quietly(session: sessions.Session, ref: str, doing: str) -> None:
    """Destroy what the caller will not learn about; its own error is the one to tell."""
    try:
        session.call("VDI.destroy", ref)
    except exceptions.XapiError as exc:
        LOG.error("A VDI is left behind by a failure in %s: %s", doing, exc)
