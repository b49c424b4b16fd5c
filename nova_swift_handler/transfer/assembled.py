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

"""A point's disk as the stream of a VHD, put together here and not by Swift."""

from __future__ import annotations

from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.content import Content


class Assembled:
    """The bytes of a dynamic VHD, each block proven; for their order see :func:`.fetch.runs`.

    :param threads: ranges read at a time; see :func:`.fetch.fetch` for the memory.
    :raises PointInvalid, StoreError: the point's tables are damaged, or cannot be read.

    :ivar length: how many bytes there are.
    """

    def __init__(self, account: Account, point: Point, threads: int) -> None:
        content = Content(account, point, threads)
        self.length = content.layout.length
        self._pieces = content.vhd()
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return the next bytes, up to *size*; none at the end.

        :raises StoreCorrupt: a block is not what was stored.
        :raises StoreError: Swift did not deliver.
        """
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        data, self._piece = bytes(self._piece[:size]), self._piece[size:]
        return data

    def close(self) -> None:
        """End early."""
        self._pieces.close()
