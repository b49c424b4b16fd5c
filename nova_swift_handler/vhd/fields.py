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

"""What footers and headers have in common: checksums and CHS geometry."""

from __future__ import annotations

from typing import Tuple, Union


def checksum(data: Union[bytes, bytearray]) -> int:
    """Return the one's complement of the sum of *data*'s bytes, its checksum field being zero."""
    return ~sum(data) & 0xFFFFFFFF


def geometry(sectors: int) -> Tuple[int, int, int]:
    """Return (cylinders, heads, sectors a track) for a disk of *sectors*, by the spec's appendix.

    The geometry never says more than the disk holds, and seldom exactly as much; readers that
    believe it cut the disk (see :data:`nova_swift_handler.vhd.footer.CREATOR`).
    """
    sectors = min(sectors, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
        cylinder_heads = sectors // per_track
    else:
        per_track = 17
        cylinder_heads = sectors // per_track
        heads = max(4, (cylinder_heads + 1023) // 1024)
        if cylinder_heads >= heads * 1024 or heads > 16:
            per_track, heads = 31, 16
            cylinder_heads = sectors // per_track
        if cylinder_heads >= heads * 1024:
            per_track, heads = 63, 16
            cylinder_heads = sectors // per_track
    return cylinder_heads // heads, heads, per_track
