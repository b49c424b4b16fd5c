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

"""Whether a stitched VHD is what its point says: every block leads where it should.

Only the head and the footer of a view are read, through the view itself; where its blocks lead is
told by its manifests.
"""

from __future__ import annotations

import itertools
import re
from typing import Callable, Iterator, NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP
from nova_swift_handler.vhd.reader import StreamReader

_STITCHED = re.compile(r"/[^/]*[0-9a-f]{64}\.\d+(-[0-9a-f]{16})?$")
"""How the names of stitched parts end: those of regions and of views."""

_AHEAD = 64 * 1024
"""Bytes read of a view at least: the head of a disk of up to 30 GiB."""


class Target(NamedTuple):
    """Where a block of a view is to lead.

    :ivar segment: that holds it; None for a block of zeros.
    :ivar slot: how many blocks lie before it there.
    """

    segment: Optional[Segment]
    slot: int


class Expected(NamedTuple):
    """What a view should be.

    :ivar virtual_size: bytes of the disk.
    :ivar unique_id: 16 bytes of the VHD's footer.
    :ivar parent_id: 16 bytes of its parent's; None for a whole disk.
    :ivar numbers: gives the numbers of its blocks, ascending.
    :ivar target: tells where a block is to lead.
    """

    virtual_size: int
    unique_id: bytes
    parent_id: Optional[bytes]
    numbers: Callable[[], Iterator[int]]
    target: Callable[[int], Target]


class _Ranges:
    """The beginning of an object as a stream, read by as few ranges as will do."""

    def __init__(self, account: Account, container: str, name: str, size: int) -> None:
        self._account = account
        self._object = container, name
        self._size = size
        self._position = 0
        self._ahead = b""

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes, none at the end."""
        if not self._ahead:
            data = bytearray(min(max(size, _AHEAD), self._size - self._position))
            if data:
                self._account.read_into(*self._object, self._position, memoryview(data))
            self._position += len(data)
            self._ahead = bytes(data)
        given, self._ahead = self._ahead[:size], self._ahead[size:]
        return given


def problem(account: Account, container: str, name: str, expected: Expected) -> Optional[str]:
    """Return what is wrong with the view *name*; None if nothing is.

    :raises ObjectMissing: it, or something it is stitched from, is not there.
    :raises StoreError: Swift could not be asked.
    """
    try:
        size = account.head(container, name).size
        reader = StreamReader(_Ranges(account, container, name, size), size)
        last = bytearray(constants.FOOTER_SIZE)
        account.read_into(container, name, size - len(last), memoryview(last))
        if bytes(last) != reader.footer.pack():
            return "it does not end with its footer"
        return _told(reader, expected) or _led(account, container, name, size, reader, expected)
    except (exceptions.VhdError, exceptions.StoreCorrupt) as error:
        return str(error)


def _told(reader: StreamReader, expected: Expected) -> Optional[str]:
    footer, parent_id = reader.footer, reader.header.parent_unique_id
    if footer.virtual_size != expected.virtual_size:
        return "its disk has %d bytes, not %d" % (footer.virtual_size, expected.virtual_size)
    if footer.unique_id != expected.unique_id:
        return "it is the VHD of something else"
    if reader.differencing != (expected.parent_id is not None) or (
            reader.differencing and parent_id != expected.parent_id):
        return "it does not name the parent that its metadata names"
    for has, should in itertools.zip_longest(reader.bat.allocated(), expected.numbers()):
        if has != should:
            return "it has block %s where it should have block %s" % (has, should)
    return None


def _led(account: Account, container: str, name: str, size: int, reader: StreamReader,
         expected: Expected) -> Optional[str]:
    """Walk through the blocks and the manifest's entries side by side."""
    leaves = _leaves(account, container, name)
    start = end = 0
    leaf = Entry()
    for number in reader.order:
        place = reader.bat[number] * constants.SECTOR
        while end <= place:
            following = next(leaves, None)
            if following is None:
                return "it ends in front of block %d" % number
            leaf, start, end = following, end, end + following.length
        target = expected.target(number)
        within = (leaf.first or 0) + place - start
        if place + reader.header.stride > end or not _is(leaf, within, target, container):
            return "block %d leads to byte %d of %s, where it is not" % (
                number, within, leaf.path)
    total = end + sum(leaf.length for leaf in leaves)
    return None if total == size else "its manifests make %d bytes of its %d" % (total, size)


def _is(leaf: Entry, within: int, target: Target, container: str) -> bool:
    if target.segment is None:
        return within == 0 and leaf.path in ["/%s/%s" % (container, zeros)
                                             for zeros in names.ZEROS]
    return (leaf.path == target.segment.path and leaf.etag == target.segment.etag
            and within == target.slot * segments.STRIDE)


def _leaves(account: Account, container: str, name: str) -> Iterator[Entry]:
    """Yield what a stitched object is made of, all nesting resolved."""
    for entry in account.manifest(container, name):
        if entry.path is not None and _STITCHED.search(entry.path):
            inner = entry.path[1:].partition("/")
            yield from _leaves(account, inner[0], inner[2])
        else:
            yield entry


def zeros_are_zero(account: Account, container: str, name: str) -> bool:
    """Tell whether an object of zeros, as views name it for such blocks, is as it should be."""
    return account.get(container, name) == FULL_BITMAP + bytes(constants.BLOCK_SIZE)
