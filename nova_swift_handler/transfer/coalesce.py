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

"""A chain of VHDs becomes one VDI, leaf first: of each VHD what no VHD above it has.

XAPI's import writes what the sector bitmaps say, on top of what the VDI has (xen-api, vhd-tool).
So a chain can be coalesced from its leaf as well as from its base, as long as nothing is written
twice; then it need not be staged when the leaf comes first, and what a child has overwritten is
not sent at all.
"""

from __future__ import annotations

import contextlib
import itertools
from types import TracebackType
from typing import TYPE_CHECKING, Iterable, Iterator, Optional, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.transfer.written import Written
from nova_swift_handler.vhd import bitmap, constants
from nova_swift_handler.vhd.chain import Link, Links
from nova_swift_handler.vhd.layout import Layout, block_count
from nova_swift_handler.vhd.reader import Block, StreamReader
from nova_swift_handler.vhd.writer import stream

if TYPE_CHECKING:
    from nova_swift_handler.transfer.boot import Target


class Coalescer:
    """Makes *target* of the VHDs of a chain.

    Each link is checked when its VHD comes, so an error may leave a part of the disk in the
    target, whose context destroys it.

    :param directory: for a small file without a name, see :class:`.written.Written`.
    """

    def __init__(self, target: Target, directory: str) -> None:
        self._target = target
        self._directory = directory
        self._links = Links()
        self._written: Optional[Written] = None
        self._stack = contextlib.ExitStack()

    def __len__(self) -> int:
        """Return how many VHDs were applied."""
        return len(self._links)

    def __enter__(self) -> Coalescer:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._stack.close()

    def apply(self, reader: StreamReader, name: str, further: Iterable[int] = ()) -> None:
        """Write the VHD that *reader* reads; the first one, the leaf, makes the VDI.

        Sectors that it lacks stay as they are; so do those that its last block has beyond its
        disk's end, where the VDI, or a leaf above, may be larger.

        :param name: what messages call it.
        :param further: the blocks of 2 MiB that its parents have, as far as they are known.
        :raises ChainBroken: it is not the parent of the one before.
        """
        self._links.add(Link(name, reader.footer, reader.header))
        size = reader.footer.virtual_size
        if len(self._links) == 1:
            held = bytearray(block_count(size))
            for number in itertools.chain(reader.held(constants.BLOCK_SIZE), further):
                if number < len(held):  # else its turn will come, and its disk is found too large
                    held[number] = 1
            self._target.create(size, sum(held))
            if reader.differencing:
                self._written = self._stack.enter_context(
                    Written(-(-size // constants.SECTOR), self._directory))
        wanted = bytearray(reader.header.entries)
        for number in reader.order:
            wanted[number] = not self._covered(reader, number)
        layout = Layout(size, (number for number in reader.order if wanted[number]), bytes(16),
                        reader.header.block_size)

        def blocks() -> Iterator[Block]:
            for block in reader.blocks():
                if wanted[block.number]:
                    yield block._replace(bitmap=self._take(reader, block))

        self._target.apply(layout.length, stream(layout, blocks()))

    def finish(self) -> None:
        """Check that all of the chain has come.

        :raises ChainBroken: the last VHD needs a parent.
        """
        self._links.finish()

    def _covered(self, reader: StreamReader, number: int) -> bool:
        if self._written is None:
            return False
        return self._written.covers(*_sectors(reader, number))

    def _take(self, reader: StreamReader, block: Block) -> bytes:
        first, count = _sectors(reader, block.number)
        there = bitmap.keep_first(block.bitmap, count)
        return there if self._written is None else self._written.take(first, there, count)


def _sectors(reader: StreamReader, number: int) -> Tuple[int, int]:
    """Return the first sector of a block, and how many of it are on the disk."""
    per_block = reader.header.block_size // constants.SECTOR
    first = number * per_block
    return first, min(per_block, -(-reader.footer.virtual_size // constants.SECTOR) - first)


def check_whole(reader: StreamReader) -> None:
    """Refuse a differencing VHD that is all there is.

    :raises ChainBroken: so it is.
    """
    if reader.differencing:
        raise exceptions.ChainBroken(
            "the VHD is a differencing one and its parent (named %r) is not in the image"
            % reader.header.parent_name)
