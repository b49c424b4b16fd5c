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

"""The footer: the last 512 bytes of every VHD, and the first of a dynamic one."""

from __future__ import annotations

import dataclasses
import struct

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants, fields

COOKIE = b"conectix"

CREATOR = b"tap\0"
"""Creator application we write.

qemu takes a disk's size from its CHS geometry unless the creator is one of a few it trusts, this
being one; XAPI's own "caml" makes it cut the disk (block/vpc.c).
"""

CREATOR_VERSION = 0x00000001
"""Below 1.2: blktap expects a batmap from 1.2 on (libvhd.h, vhd_has_batmap)."""

_LAYOUT = struct.Struct(">8sIIQI4sIIQQHBBII16sB427x")
_CHECKSUM_AT = 64
_FORMAT_VERSION = 0x00010000
_TYPES = (constants.TYPE_FIXED, constants.TYPE_DYNAMIC, constants.TYPE_DIFFERENCING)


@dataclasses.dataclass(frozen=True)
class Footer:
    """A parsed footer.

    :ivar virtual_size: bytes of the disk, a multiple of 512.
    :ivar disk_type: one of ``constants.TYPE_*``.
    :ivar unique_id: 16 bytes that children name as their parent.
    :ivar data_offset: where the header is, bytes from the start; ``NOT_PRESENT`` if fixed.
    """

    virtual_size: int
    disk_type: int
    unique_id: bytes
    data_offset: int = constants.HEADER_OFFSET
    timestamp: int = 0
    creator: bytes = CREATOR
    creator_version: int = CREATOR_VERSION

    def pack(self) -> bytes:
        """Return the 512 bytes of the footer, checksum filled in.

        :raises VhdError: no VHD has a disk of that size.
        """
        _check_size(self.virtual_size)
        cylinders, heads, per_track = fields.geometry(self.virtual_size // constants.SECTOR)
        data = bytearray(_LAYOUT.pack(
            COOKIE, 2, _FORMAT_VERSION, self.data_offset, self.timestamp, self.creator,
            self.creator_version, 0, self.virtual_size, self.virtual_size,
            cylinders, heads, per_track, self.disk_type, 0, self.unique_id, 0))
        struct.pack_into(">I", data, _CHECKSUM_AT, fields.checksum(data))
        return bytes(data)

    @classmethod
    def parse(cls, data: bytes) -> Footer:
        """Return the footer in the 512 bytes of *data*.

        :raises VhdError: it is no footer, or one that cannot be trusted.
        """
        if len(data) < constants.FOOTER_SIZE:
            raise exceptions.VhdTruncated(
                "the VHD ends inside its footer: %d of 512 bytes are there" % len(data))
        (cookie, _features, version, data_offset, timestamp, creator, creator_version, _os,
         _original, size, _cyl, _heads, _per_track, disk_type, found, unique_id,
         _saved) = _LAYOUT.unpack(data[:constants.FOOTER_SIZE])
        if cookie != COOKIE:
            raise exceptions.VhdError(
                "this is not a VHD: its footer begins with %r instead of %r; check the image's "
                "disk_format" % (bytes(cookie), COOKIE))
        blank = bytearray(data[:constants.FOOTER_SIZE])
        blank[_CHECKSUM_AT:_CHECKSUM_AT + 4] = bytes(4)
        if fields.checksum(blank) != found:
            raise exceptions.VhdError(
                "the VHD's footer is damaged: its checksum is %#010x, its bytes give %#010x"
                % (found, fields.checksum(blank)))
        if version != _FORMAT_VERSION:
            raise exceptions.VhdError(
                "the VHD is of format version %#x; only 1.0 is understood" % version)
        if disk_type not in _TYPES:
            raise exceptions.VhdError("the VHD is of the unknown disk type %d" % disk_type)
        _check_size(size)
        return cls(size, disk_type, bytes(unique_id), data_offset, timestamp, bytes(creator),
                   creator_version)


def _check_size(size: int) -> None:
    if size % constants.SECTOR or not 0 < size <= constants.MAX_VIRTUAL_SIZE:
        raise exceptions.VhdError(
            "the VHD says its disk has %d bytes; a multiple of 512 up to 2040 GiB can be handled"
            % size)
