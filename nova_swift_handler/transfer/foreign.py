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

"""Images that other handlers or people stored: a plain VHD, or a tgz of a chain of VHDs."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Iterator, Optional, Protocol

from nova_swift_handler import exceptions
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer import chain, tgz
from nova_swift_handler.vhd import bitmap, constants
from nova_swift_handler.vhd import footer as footers
from nova_swift_handler.vhd.file import VhdFile
from nova_swift_handler.vhd.layout import Layout
from nova_swift_handler.vhd.reader import Block, StreamReader
from nova_swift_handler.vhd.writer import stream

if TYPE_CHECKING:
    from nova_swift_handler.transfer.boot import Target

LOG = logging.getLogger(__name__)

_CONVERT = ("a fixed VHD, raw or qcow2 image has to be converted to a dynamic VHD (qemu-img "
            "convert -O vpc -o subformat=dynamic,force_size=on)")


class Stream(tgz.Readable, Protocol):
    """Bytes of an image, *length* of them."""

    length: int


class _Peeked:
    """A stream whose first bytes have been looked at."""

    def __init__(self, stream: tgz.Readable, size: int) -> None:
        self._stream = stream
        self.first = b""
        while len(self.first) < size:
            piece = stream.read(size - len(self.first))
            if not piece:
                break
            self.first += piece
        self._left = self.first

    def read(self, size: int) -> bytes:
        if self._left:
            piece, self._left = self._left[:size], self._left[size:]
            return piece
        return self._stream.read(size)


def load(data: Stream, target: Target, settings: TransferSettings) -> None:
    """Make *target* of an image's bytes, whatever its formats claim to be.

    :raises VhdError: a VHD in it is malformed.
    :raises ChainBroken: its VHDs are no chain.
    :raises ImageUnsupported: it is neither a VHD nor a tgz of VHDs.
    """
    peeked = _Peeked(data, len(footers.COOKIE))
    if peeked.first == footers.COOKIE:
        apply_vhd(StreamReader(peeked, data.length), target)
    elif peeked.first[:2] == tgz.MAGIC:
        _load_tgz(peeked, target, settings)
    else:
        raise exceptions.ImageUnsupported(
            "the image begins with %r, which is neither a dynamic VHD nor a gzipped tar of VHDs; "
            "%s" % (peeked.first, _CONVERT))


def apply_vhd(reader: StreamReader, target: Target, total: Optional[int] = None) -> None:
    """Write the VHD that *reader* reads to a new VDI, or on top of what *target* holds.

    Sector bitmaps pass on, so sectors that the VHD lacks stay as they are; so do those that its
    last block has beyond its disk's end, where the VDI, or a leaf above, may be larger.

    :param total: bytes of all VHDs that make the disk, for progress.
    """
    if target.uuid is None:
        if reader.differencing:
            raise exceptions.ChainBroken(
                "the VHD is a differencing one and its parent (named %r) is not in the image"
                % reader.header.parent_name)
        target.create(reader.footer.virtual_size,
                      sum(1 for _ in reader.held(constants.BLOCK_SIZE)))
    layout = Layout(reader.footer.virtual_size, reader.order, bytes(16),
                    reader.header.block_size)

    def blocks() -> Iterator[Block]:
        for block in reader.blocks():
            sectors = (reader.footer.virtual_size
                       - block.number * reader.header.block_size) // constants.SECTOR
            yield block._replace(bitmap=bitmap.keep_first(block.bitmap, sectors))

    target.apply(layout.length, stream(layout, blocks()), total)


def _load_tgz(stream: tgz.Readable, target: Target, settings: TransferSettings) -> None:
    with chain.Staging(settings) as staging:
        for member in tgz.members(stream):
            number = chain.number_of(member.name)
            if number is None:
                LOG.info("Passing over %r in the image: no VHD of a chain", member.name)
                continue
            if target.uuid is not None:
                raise exceptions.ChainBroken(
                    "the image's leaf %s needs no parent, yet %s is there too"
                    % (chain.LEAF, member.name))
            peeked = _Peeked(member, constants.FOOTER_SIZE)
            if not peeked.first.startswith(footers.COOKIE):
                raise exceptions.ImageUnsupported(
                    "%s in the image begins with %r, so it is no dynamic VHD; %s"
                    % (member.name, peeked.first[:len(footers.COOKIE)], _CONVERT))
            if number == 0 and not len(staging) and _is_whole(peeked.first):
                # The leaf needs no parent, so this is all there is: no need to stage it.
                apply_vhd(StreamReader(peeked, member.size), target)
            else:
                staging.add(number, member.size, peeked)
        # Here the image was read to its end, and so proven by its checksums.
        if target.uuid is None:
            _apply_chain(staging, target)


def _is_whole(first: bytes) -> bool:
    return footers.Footer.parse(first).disk_type == constants.TYPE_DYNAMIC


def _apply_chain(staging: chain.Staging, target: Target) -> None:
    """Coalesce a chain: its base into a new VDI as large as the leaf, each delta on top."""
    paths = staging.base_first()
    held = bytearray()  # of each block, whether any VHD has it
    for path in paths:
        with open(path, "rb") as file:
            vhd = VhdFile(file)
            held.extend(bytes(max(0, -(-vhd.virtual_size // constants.BLOCK_SIZE) - len(held))))
            for number in vhd.held(constants.BLOCK_SIZE):
                held[number] = 1
    total = sum(os.path.getsize(path) for path in paths)
    target.create(vhd.virtual_size, sum(held))
    for path in paths:
        with open(path, "rb") as file:
            apply_vhd(StreamReader(file, os.path.getsize(path)), target, total)
