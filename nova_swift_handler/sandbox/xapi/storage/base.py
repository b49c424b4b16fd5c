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

"""The contract of a simulated storage repository (SR).

This package imitates the storage of a XenServer host (SM's SMAPIv1 drivers, tapdisk and
vhd-tool) with nothing but the standard library.  It shares no code with the product on purpose:
its VHD reading and writing is written a second time, so that one cannot hide a bug of the other.

Order of calls: ``open_sr`` -> any of the verbs, from any thread.  Structure (create, snapshot,
resize, destroy, garbage collection) is serialised in each SR; the I/O of disks runs in parallel
and in short pieces, so that a collection may run between two pieces of an export.

All sizes and offsets are bytes unless a name says otherwise.
"""

from __future__ import annotations

import abc
import dataclasses
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.storage.cbt import Logs

SECTOR = 512
BLOCK = 2 * 1024 * 1024

#: Receives pieces of a stream; may raise to abort it.
Write = Callable[[bytes], Any]
#: Returns 1..n bytes of a stream, b"" at its end.
Read = Callable[[int], bytes]
#: Receives the fraction done, 0.0 .. 1.0; values may repeat.
Progress = Callable[[float], Any]


class StorageError(Exception):
    """A verb failed as it fails on a real host.

    ``code`` and ``params`` are XAPI's ErrorDescription: ``[code, *params]``.
    """

    def __init__(self, code: str, params: Optional[List[str]] = None):
        self.code = code
        self.params = list(params or [])
        super().__init__("%s %s" % (code, self.params))


@dataclasses.dataclass
class Node:
    """One image of an SR, visible (a VDI) or hidden (a base copy); a copy, safe to keep.

    ``sm_config`` holds what SM writes there (``vhd-parent``, ``vdi_type``, ``type``,
    ``gc_no_space``) besides what ``create`` was given.  ``physical_utilisation`` is what SM last
    reported: stale after writes until the next ``scan``.
    """

    uuid: str
    parent: Optional[str]
    hidden: bool
    virtual_size: int
    physical_utilisation: int
    sm_config: Dict[str, str]
    raw: bool = False
    #: Made by ``snapshot(clone=False)``; LVM keeps such volumes deflated.
    snapshot: bool = False
    #: File name in the SR (XAPI's VDI.location on an ISO SR; elsewhere location is the uuid).
    name: str = ""
    read_only: bool = False


@dataclasses.dataclass(frozen=True)
class GcAction:
    """What one ``gc_step`` did.  Apply it, or simply ``scan`` and reconcile records.

    ``kind``:
      ``prune``          hidden ``uuid`` without visible descendants was deleted;
      ``coalesce``       hidden ``uuid`` was merged into ``parent`` and deleted, its children
                         hang on ``parent`` now;
      ``leaf-coalesce``  visible ``uuid`` absorbed its ``parent``: the data live on as ``uuid``,
                         the node ``parent`` is gone;
      ``snapshot``       the leaf ``uuid`` was too large to coalesce at once: a hidden node
                         ``parent`` was put below it (an internal snapshot); a later step merges.
    ``removed``: uuids of nodes that no longer exist.  ``relinked``: nodes whose parent changed.
    """

    kind: str
    uuid: str
    parent: Optional[str]
    removed: List[str]
    relinked: List[str]


class Disk(abc.ABC):
    """An attached image.  Closing it detaches.  Safe for use by several threads."""

    virtual_size: int

    @abc.abstractmethod
    def pread(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes at ``offset``; VDI_IO_ERROR beyond the disk's end."""

    @abc.abstractmethod
    def pwrite(self, offset: int, data: bytes) -> None:
        """Write at ``offset``; VDI_IO_ERROR beyond the disk's end or when the SR is full."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Let earlier writes survive the process (not a power cut)."""

    @abc.abstractmethod
    def close(self) -> None:
        """Detach; may be called twice."""

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class StorageRepository(abc.ABC):
    """One SR.  ``uuid``, ``type`` (see open_sr) and ``sm_config`` never change.

    Every verb raises StorageError.  An unknown ``uuid`` is ``UUID_INVALID ["VDI", uuid]``.
    """

    uuid: str
    type: str
    sm_config: Dict[str, str]
    #: Logs of changed blocks; None where the driver keeps none.
    cbt: Optional[Logs] = None

    @property
    @abc.abstractmethod
    def physical_size(self) -> int:
        """Capacity."""

    @property
    @abc.abstractmethod
    def physical_utilisation(self) -> int:
        """Space in use now."""

    @property
    @abc.abstractmethod
    def virtual_allocation(self) -> int:
        """Sum of the virtual sizes of visible disks."""

    @abc.abstractmethod
    def scan(self) -> Dict[str, Node]:
        """Re-read the SR and return every node, hidden ones included."""

    @abc.abstractmethod
    def create(self, uuid: str, virtual_size: int, sm_config: Mapping[str, str]) -> Node:
        """Make an empty disk; the size is rounded up, read it back from the node."""

    @abc.abstractmethod
    def snapshot(
        self, uuid: str, new_uuid: str, base_uuid: str, clone: bool, attached: bool = False
    ) -> Dict[str, Node]:
        """Snapshot (or clone) the leaf ``uuid`` as ``new_uuid``.

        Returns the nodes ``uuid``, ``new_uuid`` and, unless the leaf was untouched,
        ``base_uuid``.  Depth 30 is error 109.  ``attached``: a VM has the leaf plugged; LVM then
        keeps the leaf inflated.
        """

    @abc.abstractmethod
    def resize(self, uuid: str, virtual_size: int) -> Node:
        """Grow a disk; shrinking is error 79."""

    @abc.abstractmethod
    def destroy(self, uuid: str) -> None:
        """Delete a leaf; its hidden ancestors stay until the collector comes."""

    @abc.abstractmethod
    def open(self, uuid: str, writable: bool) -> Disk:
        """Attach; on LVM a writable attach inflates the volume (error 180 when full)."""

    @abc.abstractmethod
    def chain(self, uuid: str) -> List[Node]:
        """Nodes from ``uuid`` to its root."""

    @abc.abstractmethod
    def blocks(self, uuid: str, base: Optional[str] = None) -> List[int]:
        """Numbers of the 2 MiB blocks an export (or copy) moves, ascending; ``base`` as there."""

    @abc.abstractmethod
    def export_vhd(
        self, uuid: str, write: Write, base: Optional[str] = None,
        progress: Optional[Progress] = None,
    ) -> int:
        """Write the VHD stream vhd-tool makes; return its length.

        Raw images with ``base``: INTERNAL_ERROR; beyond 2040 GiB: VDI_TOO_LARGE with the uuid
        as first param (XAPI names the ref there: replace it).
        """

    @abc.abstractmethod
    def export_raw(self, uuid: str, write: Write, progress: Optional[Progress] = None) -> int:
        """Write all bytes of the disk; return their number."""

    @abc.abstractmethod
    def import_vhd(
        self, uuid: str, read: Read, content_length: Optional[int],
        progress: Optional[Progress] = None,
    ) -> None:
        """Apply a VHD stream on top of the disk; anything wrong is VDI_IO_ERROR, no rollback.

        Exceptions of ``read`` and ``progress`` pass through.
        """

    @abc.abstractmethod
    def import_raw(
        self, uuid: str, read: Read, content_length: Optional[int],
        progress: Optional[Progress] = None,
    ) -> None:
        """Write ``content_length`` bytes (or a disk full) from offset 0."""

    @abc.abstractmethod
    def gc_step(
        self, leaf_coalesce: Optional[Mapping[str, str]] = None, attached: Any = ()
    ) -> Optional[GcAction]:
        """Do one action of SM's collector; None when there is nothing (more) to do.

        ``leaf_coalesce``: other_config["leaf-coalesce"] of VDIs that have it, by uuid ("false":
        never; "force": at once whatever the size).  ``attached``: uuids VMs have plugged; they
        matter to LVM's space arithmetic only.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Release file descriptors; the SR can be opened again with ``open_sr``."""


def open_sr(
    type: str, uuid: str, root: str, size: int,
    sm_config: Optional[Mapping[str, str]] = None,
) -> StorageRepository:
    """Open the SR kept in the directory ``root`` (made if missing), its own and no other's.

    ``type``: "ext", "lvm" or "iso"; "nfs", of which SM knows the same (NFSSR is a FileSR), or
    "lvmoiscsi" (LVHDoISCSISR is an LVHDSR), which hosts share.  ``size``: capacity in bytes (the
    partition of ext, the volume group of lvm; for iso what the file system is said to hold).
    ``sm_config``: ``{"allocation": "thin"}`` for a thin LVM SR.
    """
    os.makedirs(root, exist_ok=True)
    if type in ("ext", "nfs"):
        from nova_swift_handler.sandbox.xapi.storage.ext import ExtSR
        return ExtSR(uuid, root, size, type)
    if type in ("lvm", "lvmoiscsi"):
        from nova_swift_handler.sandbox.xapi.storage.lvm import LvmSR
        allocation = dict(sm_config or {}).get("allocation", "thick")
        return LvmSR(uuid, root, size, allocation, type)
    if type == "iso":
        from nova_swift_handler.sandbox.xapi.storage.iso import IsoSR
        return IsoSR(uuid, root, size)
    raise StorageError("SR_UNKNOWN_DRIVER", [type])


def copy_disk(
    src_sr: StorageRepository, src_uuid: str, dst_sr: StorageRepository, dst_uuid: str,
    progress: Optional[Progress] = None,
) -> Node:
    """Copy a disk flat, as VDI.copy does: a new disk without parent.

    The new disk is destroyed again when the copy fails, or ``progress`` raises.
    """
    from nova_swift_handler.sandbox.xapi.storage.copy import copy_flat
    return copy_flat(src_sr, src_uuid, dst_sr, dst_uuid, progress)
