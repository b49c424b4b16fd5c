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

"""The archive that stock handlers boot: a gzipped tar with the VHD as its one member ``0.vhd``.

Nova calls it container_format ``ovf``.  ``0.vhd`` is the leaf of a chain (os_xenapi's dom0 plugin
``glance.py`` and ``nova.virt.xenapi.image.vdi_stream`` number them from the leaf), here the only
one.  GNU tar headers, since ustar's end at 8 GiB.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from typing import Any, BinaryIO, Iterator, Optional

from nova_swift_handler import exceptions

MEMBER = "0.vhd"
_CHUNK = 1 << 20
_GZIP = 31  # zlib's window bits for a gzip header and trailer


class Archive:
    """Makes the archive while it is iterated over; nothing is staged.

    Every block is yielded as soon as it is compressed.  One pass only.

    :ivar sent: bytes yielded so far.
    :ivar failure: what went wrong with the VHD, if anything did; also raised.
    """

    def __init__(self, vhd: BinaryIO, length: int, level: int = 1) -> None:
        """Wrap *vhd*, from which exactly *length* bytes can be read."""
        self.sent = 0
        self.failure: Optional[BaseException] = None
        self._vhd = vhd
        self._length = length
        self._level = level
        try:
            self._md5: Any = hashlib.md5()  # noqa: S324  (what Glance calls checksum)
        except ValueError:  # pragma: no cover  (FIPS)
            self._md5 = None

    @property
    def md5(self) -> Optional[str]:
        """The md5 of what was yielded, as Glance's checksum; None where Python refuses md5."""
        return self._md5.hexdigest() if self._md5 is not None else None

    def __iter__(self) -> Iterator[bytes]:
        packer = zlib.compressobj(self._level, zlib.DEFLATED, _GZIP)
        try:
            for piece in self._tar():
                packed = packer.compress(piece)
                if packed:
                    yield self._count(packed)
        except GeneratorExit:
            raise
        except BaseException as exc:
            self.failure = exc
            raise
        yield self._count(packer.flush())

    def _tar(self) -> Iterator[bytes]:
        header = tarfile.TarInfo(MEMBER)
        header.size = self._length
        header.mode = 0o644
        yield header.tobuf(tarfile.GNU_FORMAT)
        left = self._length
        while left:
            piece = self._vhd.read(min(left, _CHUNK))
            if not piece:
                raise exceptions.VhdTruncated(
                    f"Packing a VHD for Glance: it ended {left} bytes short of {self._length}.")
            left -= len(piece)
            yield piece
        used = tarfile.BLOCKSIZE + self._length
        # The member is padded to a block, two empty blocks end the archive, records are whole.
        end = used + -used % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
        yield bytes(end + -end % tarfile.RECORDSIZE - used)

    def _count(self, packed: bytes) -> bytes:
        self.sent += len(packed)
        if self._md5 is not None:
            self._md5.update(packed)
        return packed
