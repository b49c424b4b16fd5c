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

"""An LVM SR: each VHD in a logical volume of a volume group.

A volume is a sparse file truncated to its size, which only this driver changes; the VHD's footer
is in its last sector.  Thick (SM's default): volumes have their full size, snapshots and base
copies are deflated.  Thin: volumes are deflated while not attached for writing.  Sources:
LVHDSR.py, lvhdutil.py, cleanup.py (LVHDVDI, LVHDSR).
"""

from __future__ import annotations

import contextlib
from typing import Dict, Optional, Tuple

from nova_swift_handler.sandbox.xapi.storage import errors, sizes
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, StorageError
from nova_swift_handler.sandbox.xapi.storage.repository import Entry
from nova_swift_handler.sandbox.xapi.storage.vhdsr import VhdRepository

_JOURNAL_VOLUME = sizes.EXTENT
_METADATA_VOLUME = sizes.EXTENT  # the LV "MGT"


class LvmSR(VhdRepository):
    """SM's LVHDSR with use_vhd=true."""

    fixed = True
    vhd_name = ("VHD-", "")
    raw_name = ("LV-", "")

    def __init__(self, uuid: str, root: str, size: int, allocation: str = "thick",
                 type: str = "lvm") -> None:
        self.type = type
        if allocation not in ("thick", "thin"):
            raise StorageError("SR_BACKEND_FAILURE_110", ["", "allocation %s" % allocation, ""])
        self.allocation = allocation
        super().__init__(uuid, root, size // sizes.EXTENT * sizes.EXTENT)
        self.sm_config = {"use_vhd": "true", "allocation": allocation}

    def dom0_path(self, entry: Entry) -> str:
        return "/dev/VG_XenStorage-%s/%s" % (self.uuid, entry.name)

    def fixed_overhead(self) -> int:
        return _METADATA_VOLUME

    def _driver_config(self, entry: Entry) -> Dict[str, str]:
        config = super()._driver_config(entry)
        config["vdi_type"] = "aio" if entry.raw else "vhd"
        return config

    def _needs(self, amount: int) -> None:
        """_ensureSpaceAvailable."""
        if amount > self.free:
            raise errors.backend_failure(44)

    def _volume(self, entry: Entry) -> int:
        return self.image(entry.uuid).length

    def _is_snapshot(self, entry: Entry) -> bool:
        return bool(self.records.get(entry.uuid, {}).get("snapshot"))

    # -- create, snapshot, resize -------------------------------------------------------------

    def create_length(self, virtual_size: int, raw: bool) -> int:
        if raw:
            return sizes.volume_size(virtual_size)
        if self.allocation == "thin":
            return sizes.thin_volume_size()
        return sizes.thick_volume_size(virtual_size)

    def check_create(self, length: int) -> None:
        self._needs(length)

    def snapshot_lengths(
        self, leaf: Entry, clone: Optional[bool], attached: bool
    ) -> Tuple[Optional[int], Optional[int]]:
        full, thin = sizes.thick_volume_size(leaf.virtual_size), sizes.thin_volume_size()
        for_leaf = for_new = thin
        if attached or (self.allocation == "thick" and not self._is_snapshot(leaf)):
            for_leaf = full
        if self.allocation == "thick" and clone:
            for_new = full
        image = self.image(leaf.uuid)
        saved = image.length - sizes.volume_size(image.physical_size)
        counted = 0 if clone is None else for_new
        self._needs(for_leaf + counted + 2 * _JOURNAL_VOLUME - saved)
        return for_leaf, for_new

    def shrink(self, leaf: Entry) -> None:
        self._deflate(leaf)

    def grow_again(self, leaf: Entry) -> None:
        if leaf.writers or (self.allocation == "thick" and not self._is_snapshot(leaf)):
            self._inflate(leaf, sizes.thick_volume_size(leaf.virtual_size))

    def _resize(self, entry: Entry, size: int) -> None:
        if entry.raw:
            raise StorageError("NOT_IMPLEMENTED", ["VDI.resize"])
        if self.allocation == "thick":
            length = sizes.thick_volume_size(size)
            self._needs(length - self._volume(entry))
            self._inflate(entry, length)
        super()._resize(entry, size)

    # -- inflating and deflating --------------------------------------------------------------

    def _inflate(self, entry: Entry, length: int) -> None:
        image = self.image(entry.uuid)
        length = sizes.volume_size(length)
        if length > image.length:
            self.reserve(length - image.length)
            image.set_length(length)
        entry.utilisation = image.length

    def _deflate(self, entry: Entry) -> None:
        image = self.image(entry.uuid)
        length = sizes.volume_size(image.physical_size)
        if length < image.length:
            self.reserve(length - image.length)
            image.set_length(length)
        entry.utilisation = image.length

    def _before_writing(self, entry: Entry) -> None:
        if entry.raw:
            return
        try:
            self._inflate(entry, sizes.thick_volume_size(entry.virtual_size))
        except StorageError as exc:
            raise errors.backend_failure(180) from exc

    def _after_writing(self, entry: Entry) -> None:
        if not entry.raw and (self.allocation == "thin" or self._is_snapshot(entry)):
            self._deflate(entry)

    def _check_import(self, entry: Entry) -> None:
        if entry.raw:  # vhd-tool: "unimplemented: prezeroed"
            raise errors.io_error()

    # -- collector ----------------------------------------------------------------------------

    def coalesce_cost(self, child: Entry, parent: Entry) -> int:
        below = self.image(parent.uuid)
        blocks = set(self.image(child.uuid).allocated()) | set(below.allocated())
        return sizes.thick_volume_size(len(blocks) * BLOCK) - below.length

    def leaf_coalesce_cost(self, leaf: Entry, parent: Entry) -> int:
        image = self.image(leaf.uuid)
        saved = image.length - sizes.volume_size(image.physical_size)
        return self.coalesce_cost(leaf, parent) - saved

    def snapshot_coalesce_cost(self, leaf: Entry, parent: Entry) -> int:
        size = sizes.volume_size(self.image(leaf.uuid).physical_size)
        return self.coalesce_cost(leaf, parent) + size

    def before_coalesce(self, child: Entry, parent: Entry) -> None:
        more = self.coalesce_cost(child, parent)
        if more > 0:
            self._inflate(parent, self._volume(parent) + more)

    def after_coalesce(self, parent: Entry) -> None:
        if parent.uuid in self.entries:
            self._deflate(parent)

    def before_leaf_coalesce(self, leaf: Entry, parent: Entry) -> None:
        self._deflate(leaf)
        self.before_coalesce(leaf, parent)

    def after_leaf_coalesce(self, leaf: Entry, attached: bool) -> None:
        if self._is_snapshot(leaf) and not attached:
            self._deflate(leaf)
            return
        with contextlib.suppress(StorageError):  # a thin SR may lack the space; next attach asks
            self._inflate(leaf, sizes.thick_volume_size(leaf.virtual_size))
