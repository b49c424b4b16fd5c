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

from nova_swift_handler.catalog import lookup
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import fetch
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout


class Content:
    """The disk of a point, read from the segments; see :func:`.fetch.fetch` for the memory.

    :param threads: ranges read at a time.
    :param stopped: tells whether to end early, in silence.
    :raises PointInvalid: the point's tables are damaged.

    :ivar layout: of the VHD, blocks being in the order of :func:`.fetch.runs`; its unique id is
        the image's.
    """

    def __init__(self, account: Account, point: Point, threads: int,
                 stopped: Callable[[], bool] = lambda: False) -> None:
        self._account = account
        self._threads = threads
        self._stopped = stopped
        self._map, self._stored = lookup.blocks(account, point)
        order = (place.block for group in fetch.runs(self._map) for place in group)
        self.layout = Layout(point.virtual_size, order, uuid.UUID(point.image_id).bytes)

    def blocks(self) -> Generator[fetch.Fetched, None, None]:
        """Yield the blocks that are not zero, as the layout has them, each proven.

        :raises StoreCorrupt: a block is damaged.
        :raises StoreError: Swift did not deliver.
        """
        with contextlib.closing(fetch.fetch(self._account, self._map, self._stored,
                                            self._threads, self._stopped)) as fetched:
            yield from fetched

    def vhd(self) -> Generator[Union[bytes, memoryview], None, None]:
        """Yield the bytes of the VHD, ``layout.length`` of them; errors as :meth:`blocks`."""
        yield self.layout.head
        with contextlib.closing(self.blocks()) as blocks:
            for block in blocks:
                yield FULL_BITMAP
                yield block.data
        yield self.layout.footer
