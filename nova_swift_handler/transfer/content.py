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

"""What is on the disk of a point: its blocks, or the VHD that holds them."""

from __future__ import annotations

import contextlib
import uuid
from typing import Callable, Generator, Union

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup
from nova_swift_handler.catalog.blockmap import DiskDigest
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import fetch
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout


class Content:
    """The disk of a point, read from the segments; see :func:`.fetch.fetch` for the memory.

    :param threads: ranges read at a time.
    :param stopped: tells whether to end early, in silence.
    :raises PointInvalid: the point's tables are damaged.

    :ivar layout: of the VHD; its unique id is the image's.
    """

    def __init__(self, account: Account, point: Point, threads: int,
                 stopped: Callable[[], bool] = lambda: False) -> None:
        self._account = account
        self._point = point
        self._threads = threads
        self._stopped = stopped
        self._map, self._stored = lookup.blocks(account, point)
        self.layout = Layout(point.virtual_size, self._map.order(),
                             uuid.UUID(point.image_id).bytes)

    def blocks(self) -> Generator[fetch.Fetched, None, None]:
        """Yield the blocks that are not zero, ascending, each proven.

        :raises StoreCorrupt: a block is damaged; or, after the last, all of them together are not
            the disk that was stored.
        :raises StoreError: Swift did not deliver.
        """
        proven = DiskDigest(self._point.virtual_size)
        with contextlib.closing(fetch.fetch(self._account, self._map, self._stored,
                                            self._threads, self._stopped)) as fetched:
            for block in fetched:
                place = self._map.get(block.number)
                assert place is not None
                proven.add(block.number, place.digest)
                yield block
        if not self._stopped() and proven.hexdigest() != self._point.digest:
            raise exceptions.StoreCorrupt(
                "the blocks that were read of the point of image %s are not all of its disk"
                % self._point.image_id)

    def vhd(self) -> Generator[Union[bytes, memoryview], None, None]:
        """Yield the bytes of the VHD, ``layout.length`` of them; errors as :meth:`blocks`."""
        yield self.layout.head
        with contextlib.closing(self.blocks()) as blocks:
            for block in blocks:
                yield FULL_BITMAP
                yield block.data
        yield self.layout.footer
