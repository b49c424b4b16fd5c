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

"""What a driver of VHD files must say beyond what all of them do: names, sizes, space."""

from __future__ import annotations

import abc
from typing import Optional, Tuple

from nova_swift_handler.sandbox.xapi.storage.repository import DirectoryRepository, Entry


class VhdDriver(DirectoryRepository):
    """The seam between chains of VHD files (vhdsr) and where they are kept (ext, lvm)."""

    #: files have the size of their volume and never grow by themselves
    fixed = False
    vhd_name = ("", ".vhd")
    raw_name = ("", ".raw")

    @abc.abstractmethod
    def dom0_path(self, entry: Entry) -> str:
        """Return the path of a node's file as dom0 of a real host has it."""

    @abc.abstractmethod
    def create_length(self, virtual_size: int, raw: bool) -> int:
        """Return the space an empty disk takes at creation."""

    @abc.abstractmethod
    def check_create(self, length: int) -> None:
        """Refuse to create a disk for which there is no space."""

    @abc.abstractmethod
    def snapshot_lengths(
        self, leaf: Entry, clone: Optional[bool], attached: bool
    ) -> Tuple[Optional[int], Optional[int]]:
        """Return volume sizes for the new leaf and the new disk; None for files.

        ``clone`` None means an internal snapshot, without new disk.  Raises 44 when the SR lacks
        the space.
        """

    def shrink(self, leaf: Entry) -> None:
        """``leaf`` is about to become a base copy (LVM deflates it); the structure is owned."""

    def grow_again(self, leaf: Entry) -> None:
        """``leaf`` stays a leaf after all; the structure is owned."""

    @abc.abstractmethod
    def coalesce_cost(self, child: Entry, parent: Entry) -> int:
        """Extra space for merging ``child`` into ``parent`` (_calcExtraSpaceForCoalescing)."""

    @abc.abstractmethod
    def leaf_coalesce_cost(self, leaf: Entry, parent: Entry) -> int:
        """Extra space for merging a leaf at once (_calcExtraSpaceForLeafCoalescing)."""

    @abc.abstractmethod
    def snapshot_coalesce_cost(self, leaf: Entry, parent: Entry) -> int:
        """Extra space for merging a leaf by an internal snapshot."""

    def before_coalesce(self, child: Entry, parent: Entry) -> None:
        """Make room in ``parent`` (LVM inflates); the structure is owned."""

    def after_coalesce(self, parent: Entry) -> None:
        """``parent`` has its new blocks (LVM deflates); the structure is owned."""

    def before_leaf_coalesce(self, leaf: Entry, parent: Entry) -> None:
        """Make room for a merge at once; the structure is owned."""

    def after_leaf_coalesce(self, leaf: Entry, attached: bool) -> None:
        """The merged file is the leaf now (LVM inflates); the structure is owned."""
