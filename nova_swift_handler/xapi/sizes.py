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

"""What disks take on an SR, by the arithmetic of SM itself; nothing here asks a host.

Sources: sm ``vhdutil.py`` (calcOverheadEmpty, calcOverheadBitmap, validate_and_round_vhd_size),
``lvhdutil.py`` (calcSizeLV, calcSizeVHDLV) and ``LVHDSR.py`` (LVHDVDI.create, _snapshot).  All
sizes are bytes.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

FILE = "file"
"""VHD files on a file system, which grow as they are written: EXT, NFS and their like."""
LVM_THICK = "lvm thick"
"""Logical volumes as large as the disk can become; snapshots and base copies are deflated."""
LVM_THIN = "lvm thin"
"""Logical volumes that are that large only while a disk is attached for writing."""

MIB = 1024 ** 2
BLOCK = 2 * MIB
EXTENT = 4 * MIB
"""Logical volumes are multiples of it."""
MAX_DISK = 2040 * 1024 ** 3
_BITMAP = 4096
"""A block's bitmap, padded so that its data begin on a page."""
_LVM_METADATA_FOR = 2048 * 1024 ** 3
"""Volumes have the metadata of a disk of this size, so that disks can grow."""
_JOURNALS = 2 * EXTENT
"""The volumes in which SM notes what to undo of a snapshot."""


class Need(NamedTuple):
    """Free space that an operation takes.

    The two differ where XAPI does not tell what SM will find: how much of a volume is written.

    :ivar least: bytes without which it fails for certain.
    :ivar most: bytes with which it cannot fail for lack of space.
    """

    least: int
    most: int


def disk(virtual_size: int) -> int:
    """Return the size of the disk that is made when *virtual_size* is asked for."""
    return _up(max(virtual_size, BLOCK), BLOCK)


def empty_vhd(virtual_size: int) -> int:
    """Return the size of a VHD file without a block."""
    megabytes = virtual_size // MIB
    table = _up(3 * 1024 + megabytes // 2 * 4, 512)
    return _up(table + megabytes // 2 // 8, 4096)


def vhd(virtual_size: int, blocks: int) -> int:
    """Return the size of a VHD file with so many blocks."""
    return empty_vhd(virtual_size) + blocks * (BLOCK + _BITMAP)


def full_volume(virtual_size: int) -> int:
    """Return the size of the logical volume of a disk that can be written."""
    bitmaps = -(-virtual_size // BLOCK) * _BITMAP
    return _up(virtual_size + empty_vhd(_LVM_METADATA_FOR) + bitmaps, EXTENT)


def deflated_volume(blocks: int = 0) -> int:
    """Return the size of the logical volume of a VHD of so many blocks that is only read.

    A snapshot without a block of its own has 8 MiB.
    """
    return _up(vhd(_LVM_METADATA_FOR, blocks), EXTENT)


def to_create(layout: str, virtual_size: int) -> Need:
    """Return what an empty disk takes."""
    virtual_size = disk(virtual_size)
    if layout == FILE:
        return _exactly(empty_vhd(virtual_size))
    if layout == LVM_THIN:
        return _exactly(deflated_volume())
    return _exactly(full_volume(virtual_size))


def to_fill(layout: str, virtual_size: int, blocks: int) -> Need:
    """Return what a new disk takes into which so many blocks are imported.

    A thin logical volume is inflated for it, and deflated afterwards.
    """
    virtual_size = disk(virtual_size)
    if layout == FILE:
        return _exactly(vhd(virtual_size, blocks))
    return _exactly(full_volume(virtual_size))


def to_copy(layout: str, virtual_size: int, stored: int) -> Need:
    """Return what a flat copy of a disk takes (``VDI.copy``), on the SR that it is made on.

    :param stored: bytes that the VHDs of the source's chain take.  The copy has no more, and less
        where one hides what another holds, or what is written is zero.
    """
    virtual_size = disk(virtual_size)
    if layout == FILE:
        most = min(vhd(virtual_size, virtual_size // BLOCK), empty_vhd(virtual_size) + stored)
        return Need(empty_vhd(virtual_size), most)
    return _exactly(full_volume(virtual_size))


def to_snapshot(layout: str, virtual_size: int, volume: int, attached: bool,
                is_a_snapshot: bool = False, clone: bool = False,
                blocks: Optional[int] = None) -> Need:
    """Return what a snapshot of a disk takes, or a clone.

    Its VHD becomes a base copy, deflated on LVM, and two empty VHDs above it come anew: that of
    the disk, which on thick LVM has a full volume, and that of the snapshot, which is small; a
    clone's has a full volume on thick LVM.

    :param volume: bytes of the disk's logical volume (its ``physical_utilisation``); means
        nothing but on LVM.
    :param attached: whether a VM uses the disk.
    :param is_a_snapshot: whether the disk is itself a snapshot, which LVM keeps deflated.
    :param blocks: how many blocks the disk's own VHD has, if that is known.
    """
    virtual_size = disk(virtual_size)
    if layout == FILE:
        return _exactly(2 * empty_vhd(virtual_size))
    full, small = full_volume(virtual_size), deflated_volume()
    thick = layout == LVM_THICK
    disks = full if attached or (thick and not is_a_snapshot) else small
    new = full if thick and clone else small
    before = disks + new + _JOURNALS
    given = [max(0, volume - deflated) for deflated in (
        (volume, small) if blocks is None else (deflated_volume(blocks),) * 2)]
    return Need(max(0, before - max(given)), max(0, before - min(given)))


def _exactly(size: int) -> Need:
    return Need(size, size)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
