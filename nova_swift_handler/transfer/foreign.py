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
from typing import TYPE_CHECKING, Protocol

from nova_swift_handler import exceptions
from nova_swift_handler.files import tgz
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer import chain, coalesce
from nova_swift_handler.transfer.coalesce import Coalescer
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd import footer as footers
from nova_swift_handler.vhd.chain import Link
from nova_swift_handler.vhd.reader import StreamReader

if TYPE_CHECKING:
    from nova_swift_handler.transfer.boot import Target

LOG = logging.getLogger(__name__)

_NAME = "%d.vhd of the image"
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
        reader = StreamReader(peeked, data.length)
        coalesce.check_whole(reader)
        with Coalescer(target, settings.staging_dir) as disk:
            disk.apply(reader, "the image")
    elif peeked.first[:2] == tgz.MAGIC:
        _load_tgz(peeked, target, settings)
    else:
        raise exceptions.ImageUnsupported(
            "the image begins with %r, which is neither a dynamic VHD nor a gzipped tar of VHDs; "
            "%s" % (peeked.first, _CONVERT))


def _load_tgz(stream: tgz.Readable, target: Target, settings: TransferSettings) -> None:
    """Coalesce a chain leaf first, each VHD as it comes if it is its turn, else from a copy."""
    with chain.Staging(settings) as staging, Coalescer(target, settings.staging_dir) as disk:
        for member in tgz.members(stream):
            number = chain.number_of(member.name)
            if number is None:
                LOG.info("Passing over %r in the image: no VHD of a chain", member.name)
                continue
            peeked = _Peeked(member, constants.FOOTER_SIZE)
            if not peeked.first.startswith(footers.COOKIE):
                raise exceptions.ImageUnsupported(
                    "%r in the image begins with %r, so it is no dynamic VHD; %s"
                    % (member.name, peeked.first[:len(footers.COOKIE)], _CONVERT))
            if number == len(disk):
                reader = StreamReader(peeked, member.size)
                name = _NAME % number
                staging.check_beside(number, Link(name, reader.footer, reader.header))
                disk.apply(reader, name, staging.held())
                _apply_staged(staging, disk)
            elif 0 <= number < len(disk):
                raise exceptions.ChainBroken(
                    "the image holds VHD %d of its chain twice" % number)
            else:
                staging.add(number, member.size, peeked)
        # Here the image was read to its end, and so proven by its checksums.
        staging.settle(len(disk))
        _apply_staged(staging, disk)
        staging.check_none_left(len(disk))
        disk.finish()


def _apply_staged(staging: chain.Staging, disk: Coalescer) -> None:
    path = staging.take(len(disk))
    while path is not None:
        with open(path, "rb") as file:
            disk.apply(StreamReader(file, os.path.getsize(path)), _NAME % len(disk),
                       staging.held())
        path = staging.take(len(disk))
