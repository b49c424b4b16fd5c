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

"""VDI.copy's data path: what vhd-tool streams from one attached disk to another.

After xen-api's sparse_dd.ml: blocks of 2 MiB that are allocated in the source's chain are written
whole, zeros too; of a copy relative to a base those that only one of both chains has allocated.
All others are left as they are on the target, which is taken to be full of zeros.
"""

from __future__ import annotations

from typing import Optional, Sequence

from nova_swift_handler.sandbox.xapi.storage.base import (
    BLOCK,
    Disk,
    Node,
    Progress,
    StorageRepository,
)


def copy_flat(
    src_sr: StorageRepository, src_uuid: str, dst_sr: StorageRepository, dst_uuid: str,
    progress: Optional[Progress] = None,
) -> Node:
    """Copy ``src_uuid`` to the new disk ``dst_uuid``; see base.copy_disk."""
    with src_sr.open(src_uuid, writable=False) as source:
        node = dst_sr.create(dst_uuid, source.virtual_size, {})
        try:
            with dst_sr.open(dst_uuid, writable=True) as target:
                copy_blocks(source, target, src_sr.blocks(src_uuid), progress)
        except BaseException:
            dst_sr.destroy(dst_uuid)
            raise
    return node


def copy_blocks(
    source: Disk, target: Disk, blocks: Sequence[int], progress: Optional[Progress] = None
) -> None:
    """Write these blocks of ``source`` to ``target``."""
    for done, block in enumerate(blocks):
        if progress is not None:
            progress(done / len(blocks))
        offset = block * BLOCK
        target.pwrite(offset, source.pread(offset, min(BLOCK, source.virtual_size - offset)))
    target.flush()
