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

"""The VHD stream of GET /export_raw_vdi, as vhd-tool writes it, and the raw one.

Layout (xen-api ocaml/libs/vhd/vhd_format/f.ml, Vhd_input.vhd_common): footer, header, an empty
sector where locator 0 points, BAT, for each block a bitmap of ones and 2 MiB, footer.  Blocks are
packed without 4 KiB alignment, there is no batmap, and the uuid is new in every export.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid as uuidlib
from typing import Iterable, List, Optional, Sequence, Tuple

from nova_swift_handler.sandbox.xapi.storage import structures as vhd
from nova_swift_handler.sandbox.xapi.storage.base import (
    BLOCK,
    SECTOR,
    Disk,
    Progress,
    StorageError,
    Write,
)
from nova_swift_handler.sandbox.xapi.storage.sizes import MAX_VHD_SIZE, round_up
from nova_swift_handler.sandbox.xapi.storage.vhdfile import VhdFile

_TABLE = 2048
_LOCATOR = 1536
_BITMAP = b"\xff" * SECTOR
_ZEROS = bytes(BLOCK)
CREATOR = b"caml"
CREATOR_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Base:
    """What a delta's header says of its base: dom0 path, on-disk footer uuid, mtime (VHD)."""

    path: str
    uuid: bytes
    time: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to send: ``blocks`` ascending, of a disk of ``size`` bytes."""

    size: int
    blocks: Sequence[int]
    base: Optional[Base] = None

    @property
    def length(self) -> int:
        """Bytes of the whole stream."""
        entries = (self.size + BLOCK - 1) // BLOCK
        return (_TABLE + round_up(4 * entries, SECTOR)
                + len(self.blocks) * (SECTOR + BLOCK) + vhd.FOOTER_SIZE)


def check_size(uuid: str, size: int) -> None:
    """Refuse disks a VHD cannot hold."""
    if size > MAX_VHD_SIZE:
        raise StorageError("VDI_TOO_LARGE", [uuid, str(MAX_VHD_SIZE)])


def plan_chain(
    chain: Sequence[VhdFile], base: Optional[Sequence[VhdFile]], base_path: str = ""
) -> Plan:
    """Choose blocks by BATs: of the whole chain, or of the nodes only one chain has.

    Both chains are leaf first.  The symmetric difference goes by footer uuid and file name.
    """
    size = chain[0].size
    limit = (size + BLOCK - 1) // BLOCK
    if base is None:
        return Plan(size, _blocks(chain, limit))
    mine = {_identity(image): image for image in chain}
    theirs = {_identity(image): image for image in base}
    differing = [
        image for key, image in {**mine, **theirs}.items() if (key in mine) != (key in theirs)]
    known = base[0].identity()
    return Plan(size, _blocks(differing, limit), Base(base_path, known.uuid, known.time))


def _identity(image: VhdFile) -> Tuple[bytes, str]:
    return image.footer.uuid, image.identity().name


def _blocks(images: Iterable[VhdFile], limit: int) -> List[int]:
    found = set()
    for image in images:
        found.update(image.allocated())
    return sorted(block for block in found if block < limit)


def plan_raw(source: Disk) -> Plan:
    """Choose the blocks of a raw image that are not all zeros."""
    size = round_up(source.virtual_size, BLOCK)
    blocks = [
        block for block in range(size // BLOCK) if _read_block(source, block) != _ZEROS]
    return Plan(size, blocks)


def _read_block(source: Disk, block: int) -> bytes:
    start = block * BLOCK
    length = min(BLOCK, source.virtual_size - start)
    data = source.pread(start, length)
    return data if length == BLOCK else data.ljust(BLOCK, b"\0")


def stream(plan: Plan, source: Disk, write: Write, progress: Optional[Progress] = None) -> int:
    """Write the stream; return its length."""
    head, footer = _head(plan)
    write(head)
    for done, block in enumerate(plan.blocks, 1):
        write(_BITMAP)
        write(_read_block(source, block))
        if progress is not None:
            progress(done / len(plan.blocks))
    write(footer)
    return plan.length


def _head(plan: Plan) -> Tuple[bytes, bytes]:
    """Return everything before the first block, and the footer."""
    entries = (plan.size + BLOCK - 1) // BLOCK
    footer = vhd.Footer(
        plan.size, vhd.DYNAMIC if plan.base is None else vhd.DIFFERENCING, uuidlib.uuid4().bytes,
        creator=CREATOR, creator_version=CREATOR_VERSION).pack()
    header = vhd.Header(_TABLE, entries, BLOCK)
    if plan.base is not None:
        header.parent_uuid, header.parent_time = plan.base.uuid, plan.base.time
        header.parent_name = plan.base.path
        # the locator's text is announced but never written
        length = len("file://" + plan.base.path)
        header.locators = [vhd.Locator(vhd.LOCATOR_MACX, 1, length, _LOCATOR)]
    table = [vhd.UNUSED] * (round_up(4 * entries, SECTOR) // 4)
    place = (_TABLE + 4 * len(table)) // SECTOR
    for block in plan.blocks:
        table[block] = place
        place += (SECTOR + BLOCK) // SECTOR
    packed = struct.pack(">%dI" % len(table), *table)
    return footer + header.pack() + bytes(_TABLE - _LOCATOR) + packed, footer


def stream_raw(source: Disk, write: Write, progress: Optional[Progress] = None) -> int:
    """Write every byte of the disk; return their number."""
    size = source.virtual_size
    for offset in range(0, size, BLOCK):
        write(source.pread(offset, min(BLOCK, size - offset)))
        if progress is not None:
            progress(min(1.0, (offset + BLOCK) / size))
    return size
