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

"""Which sectors of a disk have been written, whatever its size, in little memory."""

from __future__ import annotations

import errno
import os
import tempfile
from types import TracebackType
from typing import BinaryIO, Iterator, Optional, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.vhd import constants

_UNIT = constants.BLOCK_SIZE // constants.SECTOR
_BITMAP = _UNIT // 8
_NONE, _PARTLY, _WHOLLY = 0, 1, 2


class Written:
    """Remembers it, exact to the sector.

    Takes a byte for each 2 MiB of the disk, 1 MiB for 2040 GiB.  The bitmaps of those that are
    written in part are in a file without a name, 512 bytes each: 510 MiB if every 2 MiB of 2040
    GiB is one, and nothing if none is.

    :param sectors: how many the disk has.
    :param directory: where the file goes, if there is to be one.
    """

    def __init__(self, sectors: int, directory: str) -> None:
        self._sectors = sectors
        self._directory = directory
        self._states = bytearray(-(-sectors // _UNIT))
        self._file: Optional[BinaryIO] = None

    def __enter__(self) -> Written:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def covers(self, first: int, count: int) -> bool:
        """Tell whether all of *count* sectors from *first* on are written."""
        for unit, skipped, length, _after in self._pieces(first, count):
            mask = (1 << length) - 1
            if self._written(unit) >> (_UNIT - skipped - length) & mask != mask:
                return False
        return True

    def take(self, first: int, bitmap: bytes, count: int) -> bytes:
        """Remember what *bitmap* has; return a bitmap of what of that was not written yet.

        :param bitmap: of *count* sectors from *first* on, the first in the highest bit.
        :returns: as long as *bitmap*.
        :raises StagingFull: the directory has no room.
        """
        wanted = int.from_bytes(bitmap[:-(-count // 8)], "big") >> (-count % 8)
        fresh = 0
        for unit, skipped, length, after in self._pieces(first, count):
            place = _UNIT - skipped - length
            new = (wanted >> after & (1 << length) - 1) << place
            old = self._written(unit)
            fresh |= (new & ~old) >> place << after
            if new & ~old:
                self._keep(unit, old | new)
        return (fresh << (-count % 8)).to_bytes(-(-count // 8), "big").ljust(len(bitmap), b"\0")

    @staticmethod
    def _pieces(first: int, count: int) -> Iterator[Tuple[int, int, int, int]]:
        """Yield (unit, sectors of it before, sectors of it, sectors wanted after those)."""
        end = first + count
        while first < end:
            unit, skipped = divmod(first, _UNIT)
            length = min(_UNIT - skipped, end - first)
            first += length
            yield unit, skipped, length, end - first

    def _written(self, unit: int) -> int:
        """Return the bitmap of a unit as a number, the first sector being the highest bit."""
        state = self._states[unit]
        if state == _PARTLY:
            assert self._file is not None
            return int.from_bytes(os.pread(self._file.fileno(), _BITMAP, unit * _BITMAP), "big")
        return self._all(unit) if state == _WHOLLY else 0

    def _keep(self, unit: int, bits: int) -> None:
        if bits == self._all(unit):
            self._states[unit] = _WHOLLY
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115  (closed with the context)
                    dir=self._directory)
            data = bits.to_bytes(_BITMAP, "big")
            while os.pwrite(self._file.fileno(), data, unit * _BITMAP) != len(data):
                pass  # a file system without room takes a part first, and then raises
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise exceptions.StagingFull(
                "%s has no room for noting which sectors of the disk were written, at most 1/4096 "
                "of it; make room or set staging_dir in [swift_vhd]" % self._directory) from error
        self._states[unit] = _PARTLY

    def _all(self, unit: int) -> int:
        there = min(_UNIT, self._sectors - unit * _UNIT)
        return ((1 << there) - 1) << (_UNIT - there)
