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

import tarfile
import zlib
from typing import BinaryIO, Iterator

from nova_swift_handler.glance.body import Body

MEMBER = "0.vhd"
_GZIP = 31  # zlib's window bits for a gzip header and trailer


class Archive(Body):
    """Packs a VHD; every block is yielded as soon as it is compressed."""

    def __init__(self, vhd: BinaryIO, length: int, level: int = 1) -> None:
        """Wrap *vhd*, from which exactly *length* bytes can be read."""
        super().__init__(vhd, length)
        self._level = level

    def _pieces(self) -> Iterator[bytes]:
        packer = zlib.compressobj(self._level, zlib.DEFLATED, _GZIP)
        for piece in self._tar():
            packed = packer.compress(piece)
            if packed:
                yield packed
        yield packer.flush()

    def _tar(self) -> Iterator[bytes]:
        header = tarfile.TarInfo(MEMBER)
        header.size = self._length
        header.mode = 0o644
        yield header.tobuf(tarfile.GNU_FORMAT)
        yield from self._read()
        used = tarfile.BLOCKSIZE + self._length
        # The member is padded to a block, two empty blocks end the archive, records are whole.
        end = used + -used % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
        yield bytes(end + -end % tarfile.RECORDSIZE - used)
