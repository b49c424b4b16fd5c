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

"""Where the blocks of a disk that is to be stored come from."""

from __future__ import annotations

import abc
import array
import contextlib
import os
from typing import Collection, Generator, Iterator, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.chain import Chain, Link, arranged
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.reader import StreamReader
from nova_swift_handler.xapi.export import Export
from nova_swift_handler.xapi.session import Session

Numbered = Tuple[int, bytearray]
"""A block's number and its 2 MiB, absent sectors being zero."""

Blocks = Generator[Numbered, None, None]

_ZERO = bytes(constants.BLOCK_SIZE)


class DiskSource(abc.ABC):
    """A disk that can be read, and read again.

    :ivar virtual_size: bytes of the disk; known once :meth:`blocks` has been entered.
    """

    virtual_size: int

    @abc.abstractmethod
    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """Yield the disk's blocks, ascending; those not yielded are zero.

        :param wanted: numbers of the only blocks to yield; None for all there are.
        :raises VhdError: what is read is no whole disk.
        :raises XapiError: XAPI failed, or failed to say that it did not.
        """


def check_whole(reader: StreamReader, what: str) -> None:
    """Refuse what is not a whole disk in ascending blocks of 2 MiB.

    :raises VhdError: it is not.
    """
    if reader.differencing:
        raise exceptions.ChainBroken(
            "%s is a differencing VHD, which needs its parent; give the whole chain or a "
            "coalesced copy" % what)
    if reader.header.block_size != constants.BLOCK_SIZE:
        raise exceptions.VhdError(
            "%s has blocks of %d bytes; disks are stored in blocks of 2 MiB: convert it first"
            % (what, reader.header.block_size))
    if not reader.bat.ascending():
        raise exceptions.VhdError("%s does not hold its blocks in ascending order" % what)


def trim(number: int, data: bytearray, virtual_size: int) -> bytearray:
    """Zero what a disk's last block has beyond the disk's end, in place."""
    over = (number + 1) * constants.BLOCK_SIZE - virtual_size
    if over > 0:
        data[-over:] = bytes(over)
    return data


@contextlib.contextmanager
def unchanged(path: str) -> Iterator[None]:
    """See that a file stays as it is while the context is.

    What seems damaged in a file that changes need not be, so the change is told in its stead.

    :raises ImageUnsupported: it was changed.
    """
    def state() -> object:
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    before, failure = state(), None
    try:
        yield
    except (exceptions.VhdError, exceptions.ImageCorrupt, exceptions.ImageUnsupported) as error:
        failure = error
    if state() != before:
        raise exceptions.ImageUnsupported(
            "%s was changed while it was read; stop what writes to it, or take a copy"
            % path) from failure
    if failure is not None:
        raise failure


class VdiSource(DiskSource):
    """A VDI, exported by XAPI.  The VDI must not change: it is a snapshot, or detached."""

    def __init__(self, session: Session, vdi_uuid: str) -> None:
        self._session = session
        self._vdi_uuid = vdi_uuid
        self.virtual_size = 0

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`.

        XAPI answers 200 before it has begun and says nothing of its export's length; so what
        counts is that all blocks of the BAT and the last footer have come, nothing behind them,
        and that XAPI's task then ends with success.
        """
        with Export(self._session, self._vdi_uuid) as export:
            try:
                yield from self._read(export, wanted)
            except exceptions.VhdError as error:
                # What XAPI says of its task tells more than the bytes that came in its stead.
                raise export.failure() or exceptions.TransferCut(
                    "exporting VDI %s gave no whole VHD, though XAPI's task does not say why: %s"
                    % (self._vdi_uuid, error)) from error

    def _read(self, export: Export, wanted: Optional[Collection[int]]) -> Iterator[Numbered]:
        reader = StreamReader(export)
        check_whole(reader, "the export of VDI %s" % self._vdi_uuid)
        self.virtual_size = reader.footer.virtual_size
        yield from read_whole(reader, wanted, compact=True)
        export.finish()


def read_whole(reader: StreamReader, wanted: Optional[Collection[int]],
               compact: bool = False) -> Iterator[Numbered]:
    """Yield the blocks of a VHD that :func:`check_whole` has passed, or only the *wanted*."""
    for block in reader.blocks(compact):
        if wanted is None or block.number in wanted:
            yield block.number, trim(block.number, block.normalised(),
                                     reader.footer.virtual_size)


class FileSource(DiskSource):
    """A dynamic or fixed VHD in a file, of any block size; or a chain of VHDs in files.

    :param paths: the VHDs of the chain, in any order: their unique ids tell the right one.
    :raises VhdError: one is no VHD.
    :raises ChainBroken: they are no chain, see ``vhd.chain.arranged``.

    :ivar paths: the files, leaf first.
    :ivar fixed: whether the base is a fixed VHD, which has all blocks, zeros too.
    """

    def __init__(self, *paths: str) -> None:
        links = [link_of(path, path) for path in paths]
        order = arranged(links)
        self.paths = [paths[number] for number in order]
        self.fixed = links[order[-1]].header is None
        self.virtual_size = 0

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`; exact to the sector bitmaps."""
        with contextlib.ExitStack() as stack:
            for path in self.paths:
                stack.enter_context(unchanged(path))
            vhds = [VhdFile(stack.enter_context(open(path, "rb"))) for path in self.paths]
            chain = Chain(vhds, self.paths)
            self.virtual_size = chain.virtual_size
            for number in chain.held(constants.BLOCK_SIZE):
                if wanted is None or number in wanted:
                    yield number, chain.read(number * constants.BLOCK_SIZE, constants.BLOCK_SIZE)

    def numbers(self) -> array.array[int]:
        """Return the numbers of the blocks that are not zero.

        Those of dynamic VHDs are taken to be so; a fixed one is read for it.
        """
        with contextlib.ExitStack() as stack:
            vhds = [VhdFile(stack.enter_context(open(path, "rb"))) for path in self.paths]
            chain = Chain(vhds, self.paths)
            self.virtual_size = chain.virtual_size
            return array.array("I", (
                number for number in chain.held(constants.BLOCK_SIZE)
                if not self.fixed or chain.read(number * constants.BLOCK_SIZE,
                                                constants.BLOCK_SIZE) != _ZERO))


def link_of(path: str, name: str) -> Link:
    """Return what the VHD in the file *path* says about its place in a chain.

    :param name: what messages call it.
    :raises VhdError: it is none.
    """
    with open(path, "rb") as file:
        try:
            vhd = VhdFile(file)
        except exceptions.VhdError as error:
            raise type(error)("%s: %s" % (name, error)) from error
    return Link(name, vhd.footer, vhd.header)
