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

"""See before an operation whether it can succeed: room on the SR, depth of the chain, kind of VDI.

XAPI finds out as well, but late: a file SR in the middle of an import, or with a number for a
reason.  Call these right before the operation; another client may still be quicker, so its own
errors are to be handled all the same.  None of them changes anything.
"""

from __future__ import annotations

import logging
from typing import Callable, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import errors, repository, sizes, tree
from nova_swift_handler.xapi import session as sessions

LOG = logging.getLogger(__name__)

_NeedOf = Callable[[str], sizes.Need]
"""What an operation takes where disks lie in a layout of :mod:`.sizes`."""

TOO_DEEP = "SR_BACKEND_FAILURE_109"
"""XAPI's code for a chain that is too long; errors about depth from here have it too."""

_COALESCE = ("delete snapshots that are no longer needed and let the SR coalesce (swift-vhd sr"
             " coalesce --wait), or make the chain flat (swift-vhd sr coalesce --flatten)")
_SHRINK = "Or copy the disk to a file SR or a thin LVM SR, where a snapshot takes little."


def create(session: sessions.Session, sr_ref: str, virtual_size: int,
           blocks: Optional[int] = None) -> None:
    """See whether a disk can be made, and filled.

    :param virtual_size: bytes.
    :param blocks: blocks of 2 MiB that will be written to it at once; None if that is not known.
    :raises SrFull: the SR has no room for it.
    """
    def need(layout: str) -> sizes.Need:
        if blocks is None:
            return sizes.to_create(layout, virtual_size)
        return sizes.to_fill(layout, virtual_size, blocks)

    written = "" if blocks is None else f" with {blocks} blocks of data"
    _room(session, sr_ref, need, f"making a disk of {virtual_size} bytes{written}")


def snapshot(session: sessions.Session, vdi_uuid: str, warning_depth: Optional[int] = None,
             clone: bool = False) -> None:
    """See whether a VDI can be snapshotted, or cloned.

    :param warning_depth: log a warning if its chain has so many VHDs (option
        ``chain_depth_warning``).
    :param clone: a clone is to be made, which on thick LVM takes a whole disk's room.
    :raises SrFull: the SR has no room for it.
    :raises XapiError: it does not exist, is a base copy, has no data any more, is a raw volume, or
        its chain is too deep (``code`` is :data:`TOO_DEEP`).
    """
    what = "clone" if clone else "snapshot"
    doing = f"making a {what} of VDI {vdi_uuid}"
    chain = tree.chain(session, vdi_uuid)
    vdi = chain[0]
    _refuse_kind(vdi, doing)
    if vdi.raw:
        raise exceptions.XapiError(
            f"{doing} is not possible: it is a raw volume (sm_config type=raw), and only VHDs"
            " can have snapshots; copy it to a new VDI first (xe vdi-copy)", "NOT_IMPLEMENTED",
            (f"VDI.{what}",))
    check_depth(doing, tree.Forest(chain).depth(vdi_uuid), warning_depth)

    def need(layout: str) -> sizes.Need:
        return sizes.to_snapshot(
            layout, vdi.virtual_size, vdi.utilisation, _attached(session, vdi),
            vdi.is_a_snapshot, clone)

    _room(session, vdi.sr_ref, need, doing, _SHRINK)


def copy(session: sessions.Session, vdi_uuid: str, sr_ref: Optional[str] = None) -> None:
    """See whether a VDI can be copied (``VDI.copy``).

    :param sr_ref: the SR that gets the copy; None is its own.
    :raises SrFull: that SR has no room for it.
    :raises XapiError: it does not exist, is a base copy, has no data any more, or a VM may write
        to it (``code`` is ``VDI_IN_USE``).
    """
    doing = f"copying VDI {vdi_uuid}"
    chain = tree.chain(session, vdi_uuid)
    vdi = chain[0]
    _refuse_kind(vdi, doing)
    if _attached(session, vdi, writable=True):
        raise exceptions.XapiError(
            f"{doing} is not possible: a VM has it attached and may write to it; copy a snapshot"
            " of it, or shut the VM down", "VDI_IN_USE", (vdi.ref, "copy"))
    stored = sum(each.utilisation for each in chain)
    _room(session, sr_ref or vdi.sr_ref,
          lambda layout: sizes.to_copy(layout, vdi.virtual_size, stored), doing)


def check_depth(doing: str, depth: int, warning_depth: Optional[int] = None) -> None:
    """See whether a chain can take one more snapshot.

    One less than XAPI allows: at the limit the SR's own collector, which needs a snapshot to
    coalesce a busy disk, could not help any more.

    :param doing: what is being done to what.
    :param depth: VHDs of the chain, root included.
    :param warning_depth: depth from which on a warning is logged.
    :raises XapiError: it is too deep; ``code`` is :data:`TOO_DEEP`.
    """
    if depth >= tree.MAX_DEPTH - 1:
        raise exceptions.XapiError(
            f"{doing} is not possible: its chain has {depth} VHDs, and XAPI's limit is"
            f" {tree.MAX_DEPTH}, of which the collector needs one; {_COALESCE}", TOO_DEEP)
    warn_of_depth(doing, depth, warning_depth)


def warn_of_depth(doing: str, depth: int, warning_depth: Optional[int]) -> None:
    """Log a warning about a chain of *warning_depth* VHDs and more."""
    if warning_depth is not None and depth >= warning_depth:
        LOG.warning("%s: its chain has %d VHDs, and with %d no snapshot can be made any more; %s",
                    doing[:1].upper() + doing[1:], depth, tree.MAX_DEPTH, _COALESCE)


def room(where: repository.Repository, need: sizes.Need, doing: str, advice: str = "") -> None:
    """See whether an SR has the room.

    :param advice: what else might be done, a sentence.
    :raises SrFull: it has not.
    """
    if where.free < need.least:
        raise exceptions.SrFull(
            f"{doing} needs {need.least} bytes on {where}, which has {where.free} free;"
            f" {errors.FULL_ADVICE}" + (f". {advice}" if advice else ""))
    if where.free < need.most:
        LOG.warning("%s may need up to %d bytes on %s, which has %d free; if it fails, %s. %s",
                    doing[:1].upper() + doing[1:], need.most, where, where.free,
                    errors.FULL_ADVICE, advice)


def _refuse_kind(vdi: tree.Vdi, doing: str) -> None:
    if not vdi.managed:
        raise exceptions.XapiError(
            f"{doing} is not possible: it is a hidden base copy; name the snapshot or disk above"
            " it (swift-vhd sr chain shows them)", "VDI_NOT_MANAGED", (vdi.ref,))
    if vdi.kind == "cbt_metadata":
        raise exceptions.XapiError(
            f"{doing} is not possible: its data have been destroyed, and only its change log is"
            " left", "VDI_INCOMPATIBLE_TYPE", (vdi.ref, vdi.kind))


def _attached(session: sessions.Session, vdi: tree.Vdi, writable: bool = False) -> bool:
    """Tell whether the VDI is in use; with *writable*, whether by a VM that may write to it."""
    return any(each.attached and (not writable or (each.writable and not each.control))
               for each in disks.attachments(session, vdi.ref))


def _room(session: sessions.Session, sr_ref: str, need: _NeedOf, doing: str,
          advice: str = "") -> None:
    layout = repository.read(session, sr_ref).layout
    if layout is not None:  # of other types nothing is known, so XAPI is left to find out
        room(repository.measure(session, sr_ref), need(layout), doing, advice)
