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

"""A VDI in memory, written as XAPI writes one: by another parser than the package's own."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional

from tests.unit.vhd import independent


class FakeTarget:
    """Stands for ``transfer.boot.Target``.

    :ivar disk: the VDI's bytes; None until it is created.
    :ivar blocks: how many blocks it was said to be given.
    :ivar sent: each VHD that was applied.
    :ivar lengths: bytes of each.
    """

    def __init__(self) -> None:
        self.uuid: Optional[str] = None
        self.disk: Optional[bytearray] = None
        self.blocks: Optional[int] = None
        self.sent: List[bytes] = []
        self.lengths: List[int] = []

    def create(self, virtual_size: int, blocks: Optional[int] = None) -> None:
        assert self.disk is None, "a second VDI"
        self.blocks = blocks
        self.uuid = "a-vdi"
        self.disk = bytearray(virtual_size)

    def apply(self, length: int, chunks: Iterator[Any]) -> None:
        assert self.disk is not None
        vhd = b"".join(bytes(chunk) for chunk in chunks)
        assert len(vhd) == length, "Content-Length was a lie"
        independent.apply(vhd, self.disk)
        self.sent.append(vhd)
        self.lengths.append(length)

    def stopped(self) -> bool:
        return False
