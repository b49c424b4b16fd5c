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

"""Chains of VHDs out of an image: staged, and checked before anything is written.

``direct_vhd`` stores a chain as ``0.vhd`` (the leaf), ``1.vhd`` (its parent) and so on; before
2012 a leaf was ``snap.vhd``, its parents ``image.vhd`` and ``base.vhd``
(os_xenapi, dom0 plugin utils.py).
"""

from __future__ import annotations

import errno
import os
import re
from types import TracebackType
from typing import Any, BinaryIO, Dict, List, Optional, Type

from nova_swift_handler import exceptions
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.tempdir import LockedDirectory
from nova_swift_handler.vhd.chain import Link, check_links
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
        """
        if number in self._paths:
            raise exceptions.ChainBroken("the image holds VHD %d of its chain twice" % number)
        if size < 0:
            raise exceptions.ImageCorrupt("the image's VHD %d is said to have %d bytes"
                                          % (number, size))
        self._used += size
        if self._used > self._limit:
            raise exceptions.StagingFull(
                "the image's chain needs more than the %d bytes that may be staged; raise "
                "staging_limit in [swift_vhd] if %s has the room" % (self._limit, self._parent))
        path = os.path.join(self._directory.path, "%d.vhd" % number)
        try:
            with open(path, "wb") as file:
                self._copy(stream, file, size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise exceptions.StagingFull(
                "%s has no room for the image's chain (%d bytes so far); make room or set "
                "staging_dir in [swift_vhd]" % (self._parent, self._used)) from error
        self._paths[number] = path

    def base_first(self) -> List[str]:
        """Return the paths of the chain's files, base first, its links checked.

        :raises ChainBroken: a VHD is missing, foreign, or links elsewhere.
        :raises VhdError: one is malformed.
        """
        if self._paths and max(self._paths) < 0:  # old style: numbered by which are there
            self._paths = dict(enumerate(self._paths[old] for old in sorted(self._paths)))
        count = len(self._paths)
        if not count:
            raise exceptions.ImageUnsupported(
                "the image holds no VHD: a tgz of this kind has %s and its parents" % LEAF)
        missing = [number for number in range(count) if number not in self._paths]
        if missing:
            raise exceptions.ChainBroken(
                "the image's chain of %d VHDs lacks %s" % (
                    count, ", ".join("%d.vhd" % number for number in missing)))
        paths = [self._paths[number] for number in range(count)]
        check_links([_link(path, "%d.vhd of the image" % number)
                     for number, path in enumerate(paths)])
        return paths[::-1]

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
    """Return what the VHD at *path* says about its place in the chain."""
    with open(path, "rb") as file:
        try:
            vhd = VhdFile(file)
        except exceptions.VhdError as error:
            raise type(error)("%s: %s" % (name, error)) from error
    if vhd.header is None:
        raise exceptions.ImageUnsupported(
            "%s is a fixed VHD; only dynamic and differencing ones can be booted" % name)
    return Link(name, vhd.footer, vhd.header)
