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

"""VHDs of a chain that come out of an image before their turn: staged until it has come.

``direct_vhd`` stores a chain as ``0.vhd`` (the leaf), ``1.vhd`` (its parent) and so on; before
2012 a leaf was ``snap.vhd``, its parents ``image.vhd`` and ``base.vhd``.  They stand in the tar as
the directory had them, in any order (os_xenapi, dom0 plugin utils.py).
"""

from __future__ import annotations

import os
import re
from types import TracebackType
from typing import Any, BinaryIO, Dict, Iterator, Optional, Type

from nova_swift_handler import exceptions
from nova_swift_handler.files.staged import told_when_full
from nova_swift_handler.files.tempdir import LockedDirectory
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.sources.source import link_of
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.chain import LONGEST, Link, check_links, check_parent
from nova_swift_handler.vhd.file import VhdFile

LEAF = "0.vhd"
_NUMBERED = re.compile(r"([0-9]{1,3})\.vhd")
_OLD_STYLE = {"snap.vhd": -3, "image.vhd": -2, "base.vhd": -1}
"""Below zero: which numbers they have depends on which of them are there."""

_PIECE = 1024 * 1024


def number_of(name: str) -> Optional[int]:
    """Return which VHD of a chain a member called *name* is; None if none.

    The leaf has the lowest number: 0, or in an old-style image one below zero.
    """
    base = os.path.basename(name)
    match = _NUMBERED.fullmatch(base)
    return int(match.group(1)) if match else _OLD_STYLE.get(base)


class Staging:
    """A directory for a chain's files, removed when the context is left."""

    def __init__(self, settings: TransferSettings) -> None:
        self._limit = settings.staging_limit
        self._parent = settings.staging_dir
        self._directory = LockedDirectory(settings.staging_dir)
        self._used = 0
        self._paths: Dict[int, str] = {}
        self._links: Dict[int, Link] = {}
        self._taken: Optional[str] = None

    def __enter__(self) -> Staging:
        self._directory.__enter__()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._directory.__exit__(kind, error, trace)

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, number: int, size: int, stream: Any) -> None:
        """Keep the *size* bytes of *stream* as VHD *number* of the chain.

        :raises StagingFull: they would exceed the configured limit, or the file system.
        :raises VhdError: it is malformed.
        :raises ChainBroken: it is no parent or child of one that is staged, as it should be.
        """
        if number in self._paths:
            raise exceptions.ChainBroken("the image holds VHD %d of its chain twice" % number)
        if number >= LONGEST:
            raise exceptions.ChainBroken(
                "the image holds a VHD number %d, and no chain has more than %d"
                % (number, LONGEST))
        if size < 0:
            raise exceptions.ImageCorrupt("the image's VHD %d is said to have %d bytes"
                                          % (number, size))
        self._used += size
        if self._used > self._limit:
            raise exceptions.StagingFull(
                "the image's chain needs more than the %d bytes that may be staged; raise "
                "staging_limit in [swift_vhd] if %s has the room" % (self._limit, self._parent))
        path = os.path.join(self._directory.path, "%d.vhd" % number)
        with told_when_full(self._parent, "the image's chain"), open(path, "wb") as file:
            self._copy(stream, file, size)
        self._paths[number] = path
        self._links[number] = _link(path, "%d.vhd of the image" % number)
        if number >= 0:  # how old names follow on each other depends on which there will be
            self.check_beside(number, self._links[number])

    def check_beside(self, number: int, link: Link) -> None:
        """Check that the VHD *number* follows on those beside it that are staged.

        :raises ChainBroken: it does not.
        """
        child, parent = self._links.get(number - 1), self._links.get(number + 1)
        if child is not None:
            check_parent(child, link)
        if parent is not None:
            check_parent(link, parent)

    def settle(self, count: int) -> None:
        """Give VHDs of the old style the numbers that they have, all of them being staged.

        :param count: how many VHDs have had their turn.
        :raises ChainBroken: they are no chain.
        """
        old = sorted(number for number in self._paths if number < 0)
        if old and (count or len(old) < len(self._paths)):
            raise exceptions.ChainBroken(
                "the image holds VHDs named %s and others named as %s is: it is not clear what "
                "chain they are" % (", ".join(sorted(_OLD_STYLE)), LEAF))
        if old:
            self._paths = dict(enumerate(self._paths[each] for each in old))
            self._links = dict(enumerate(self._links[each] for each in old))
            check_links([self._links[number]._replace(name="%d.vhd of the image" % number)
                         for number in range(len(old))])

    def held(self) -> Iterator[int]:
        """Yield the numbers of the blocks of 2 MiB that any of the staged VHDs has part of."""
        for path in self._paths.values():
            with open(path, "rb") as file:
                yield from VhdFile(file).held(constants.BLOCK_SIZE)

    def take(self, number: int) -> Optional[str]:
        """Return the path of VHD *number*, which is removed when the next is asked for; or None.
        """
        if self._taken is not None:
            os.unlink(self._taken)
        self._taken = self._paths.pop(number, None)
        return self._taken

    def check_none_left(self, count: int) -> None:
        """Check that nothing waits for its turn when the image has ended.

        :param count: how many VHDs had theirs.
        :raises ChainBroken: something does.
        """
        if self._paths:
            there = max(self._paths) + 1
            raise exceptions.ChainBroken("the image's chain of %d VHDs lacks %s" % (
                count + len(self._paths), ", ".join(
                    "%d.vhd" % number for number in range(there)
                    if number >= count and number not in self._paths)))
        if not count:
            raise exceptions.ImageUnsupported(
                "the image holds no VHD: a tgz of this kind has %s and its parents" % LEAF)

    @staticmethod
    def _copy(stream: Any, file: BinaryIO, size: int) -> None:
        left = size
        while left:
            piece = stream.read(min(_PIECE, left))
            if not piece:
                raise exceptions.ImageCorrupt(
                    "the image ends inside a VHD: %d of its %d bytes are missing" % (left, size))
            file.write(piece)
            left -= len(piece)


def _link(path: str, name: str) -> Link:
    link = link_of(path, name)
    if link.header is None:
        raise exceptions.ImageUnsupported(
            "%s is a fixed VHD; only dynamic and differencing ones can be booted" % name)
    return link
