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

"""Size arithmetic of SM: vhdutil.py (VHD overheads) and lvhdutil.py (logical volumes)."""

from __future__ import annotations

from nova_swift_handler.sandbox.xapi.storage import errors
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK

MIB = 1024 * 1024
GIB = 1024 * MIB
#: vhdutil.MAX_VHD_SIZE: the largest disk SM makes.
MAX_VHD_SIZE = 2040 * GIB
#: vhdutil.MAX_CHAIN_SIZE: a leaf this deep is not snapshotted.
MAX_CHAIN = 30
#: lvutil.LVM_SIZE_INCREMENT: the extent size of SM's volume groups.
EXTENT = 4 * MIB
#: lvhdutil.MSIZE: virtual size that LVM's VHDs have their metadata preallocated for.
LVM_METADATA_FOR = 2048 * GIB


def round_up(value: int, unit: int) -> int:
    """Round ``value`` up to a multiple of ``unit``."""
    return (value + unit - 1) // unit * unit


def valid_virtual_size(size: int) -> int:
    """Return the size a disk gets when ``size`` is asked for (validate_and_round_vhd_size)."""
    if size < 0 or size > MAX_VHD_SIZE:
        limit = MAX_VHD_SIZE // MIB
        raise errors.backend_failure(
            79, "VDI size must be between 1 MB and %d MB" % limit)
    return round_up(max(size, BLOCK), BLOCK)


def metadata_overhead(virtual_size: int) -> int:
    """Bytes of metadata of an empty VHD (calcOverheadEmpty)."""
    megabytes = virtual_size // MIB
    overhead = round_up(3 * 1024 + megabytes // 2 * 4, 512)
    return round_up(overhead + megabytes // 2 // 8, 4096)


def bitmap_overhead(virtual_size: int) -> int:
    """Bytes of padded sector bitmaps for so much data (calcOverheadBitmap)."""
    return (virtual_size + BLOCK - 1) // BLOCK * 4096


def volume_size(vhd_size: int) -> int:
    """Size of the logical volume for a VHD of so many bytes (calcSizeLV)."""
    return round_up(vhd_size, EXTENT)


def thick_volume_size(virtual_size: int) -> int:
    """Size of a fully provisioned volume (calcSizeVHDLV)."""
    return volume_size(
        virtual_size + metadata_overhead(LVM_METADATA_FOR) + bitmap_overhead(virtual_size))


def thin_volume_size() -> int:
    """Size of the volume of an empty, deflated VHD: 8 MiB."""
    return volume_size(metadata_overhead(LVM_METADATA_FOR))
