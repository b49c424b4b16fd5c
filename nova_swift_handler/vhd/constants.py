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

"""Sizes and magic values of the VHD format."""

SECTOR = 512
"""Bytes of a sector, the unit in which the BAT addresses the file."""

BLOCK_SIZE = 2 * 1024 * 1024
"""Bytes of disk data in a block, unless a header says otherwise."""

SECTORS_PER_BLOCK = BLOCK_SIZE // SECTOR

BITMAP_SIZE = SECTORS_PER_BLOCK // 8
"""Bytes of the sector bitmap in front of a 2 MiB block: one bit a sector, and exactly a sector."""

FOOTER_SIZE = 512
HEADER_SIZE = 1024

HEADER_OFFSET = 512
"""Where XAPI and this package put the dynamic header, bytes from the start of the file."""

TABLE_OFFSET = 2048
"""Where XAPI and this package put the BAT of a whole disk, bytes from the start of the file."""

MAX_VIRTUAL_SIZE = 2040 * 1024 ** 3
"""Largest virtual size in bytes that XAPI handles as VHD (xen-api constants.ml, max_vhd_size)."""

UNUSED = 0xFFFFFFFF
"""A BAT entry of a block that the file does not hold."""

NOT_PRESENT = 0xFFFFFFFFFFFFFFFF
"""An offset field that points nowhere."""

NULL_UUID = bytes(16)

TYPE_FIXED = 2
TYPE_DYNAMIC = 3
TYPE_DIFFERENCING = 4
