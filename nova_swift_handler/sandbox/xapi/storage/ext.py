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

"""An EXT SR: VHD files in a directory, thin, in a file system of a set capacity.

The space in use is the sum of the files' lengths (a VHD grows a block at a time, so that is what
its data take), not what the host's own file system says: a simulated SR fills up at the same
write everywhere.
"""

from __future__ import annotations

from typing import Optional, Tuple

from nova_swift_handler.sandbox.xapi.storage import layout, sizes
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK
from nova_swift_handler.sandbox.xapi.storage.repository import Entry
from nova_swift_handler.sandbox.xapi.storage.vhdsr import VhdRepository


class ExtSR(VhdRepository):
    """SM's FileSR, with EXTSR and NFSSR."""

    def __init__(self, uuid: str, root: str, size: int, type: str = "ext") -> None:
        self.type = type
        super().__init__(uuid, root, size)

    def dom0_path(self, entry: Entry) -> str:
        return "/run/sr-mount/%s/%s" % (self.uuid, entry.name)

    def create_length(self, virtual_size: int, raw: bool) -> int:
        return virtual_size if raw else layout.empty_length(virtual_size, differencing=False)

    def check_create(self, length: int) -> None:
        """A file system only finds out when it writes."""

    def snapshot_lengths(
        self, leaf: Entry, clone: Optional[bool], attached: bool
    ) -> Tuple[Optional[int], Optional[int]]:
        return None, None

    # cleanup.py, class VDI

    def coalesce_cost(self, child: Entry, parent: Entry) -> int:
        below = self.image(parent.uuid)
        blocks = set(self.image(child.uuid).allocated()) | set(below.allocated())
        data = len(blocks) * BLOCK
        merged = (data + sizes.bitmap_overhead(data)
                  + sizes.metadata_overhead(child.virtual_size))
        return merged - below.length

    def leaf_coalesce_cost(self, leaf: Entry, parent: Entry) -> int:
        return self.coalesce_cost(leaf, parent)

    def snapshot_coalesce_cost(self, leaf: Entry, parent: Entry) -> int:
        return self.coalesce_cost(leaf, parent) + sizes.metadata_overhead(leaf.virtual_size)
