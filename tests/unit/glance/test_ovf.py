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

"""The archive for stock handlers."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import zlib

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance import ovf


class Short(io.BytesIO):
    """Gives out less than asked for, as sockets do."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 1000) if size > 0 else size)


@pytest.mark.parametrize("size", [512, 1536, 10240 - 512, 10240, 3 * 1024 * 1024 + 512])
def test_tar_reads_the_one_member_back(size: int) -> None:
    vhd = random.Random(size).getrandbits(8 * size).to_bytes(size, "big")
    archive = ovf.Archive(Short(vhd), size)
    packed = b"".join(archive)
    assert archive.sent == len(packed)
    assert archive.md5 == hashlib.md5(packed).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r|gz") as tar:
        member = tar.next()
        assert member is not None
        assert (member.name, member.size) == ("0.vhd", size)
        found = tar.extractfile(member)
        assert found is not None and found.read() == vhd
        assert tar.next() is None


def test_the_tar_is_made_of_whole_records() -> None:
    plain = zlib.decompress(b"".join(ovf.Archive(io.BytesIO(bytes(5000)), 5000)), 31)
    assert len(plain) % tarfile.RECORDSIZE == 0


def test_a_member_may_be_larger_than_ustar_can_say() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    size = 9 * 1024 ** 3
    unpacker = zlib.decompressobj(31)
    plain = b""
    for piece in ovf.Archive(Endless(), size):  # type: ignore[arg-type]
        plain += unpacker.decompress(piece)
        if len(plain) >= tarfile.BLOCKSIZE:
            break
    member = tarfile.TarInfo.frombuf(plain[:512], "utf-8", "strict")
    assert member.size == size


def test_a_vhd_that_ends_early_makes_no_complete_archive() -> None:
    archive = ovf.Archive(io.BytesIO(bytes(900)), 1000)
    packed = []
    with pytest.raises(exceptions.StoreCorrupt, match="100 bytes short of 1000"):
        packed.extend(archive)
    assert isinstance(archive.failure, exceptions.StoreCorrupt)
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(b"".join(packed))
    assert not unpacker.eof
