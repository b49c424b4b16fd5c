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

"""qcow2 images, read by ``qemu-img`` a piece at a time.

A piece is written to a temporary file and read from there, so no copy of the disk is made.  The
format: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import struct
import subprocess
import tempfile
from concurrent import futures
from typing import Any, Collection, Dict, Iterator, List, NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.files.tempdir import LockedDirectory
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.sources import rawfile
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource, unchanged
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import block_count

LOG = logging.getLogger(__name__)

MAGIC = b"QFI\xfb"
PROGRAM = "qemu-img"
PIECE = 32
"""Blocks that are converted at a time, 64 MiB; two such pieces lie in the staging directory."""

_HEADER = struct.Struct(">4sIQIIQI")
_FEATURES_AT = 72
_CORRUPT, _EXTERNAL = 1 << 1, 1 << 2
_TOLD = 4096
_IN_USE = "Is another process using the image"  # a hint of QEMU's block/file-posix.c
_CHECK_LEAKS = 3  # exit code of `qemu-img check`: only unused room was found to be taken


class Qcow2Source(DiskSource):
    """A qcow2 image in a file, whole in itself.

    :raises ConfigError: there is no ``qemu-img``.
    :raises ImageUnsupported: it needs other files, which could be any of this machine, or a key.
    :raises ImageCorrupt: it is damaged.
    """

    def __init__(self, path: str, settings: TransferSettings) -> None:
        self._path = path
        self._staging = settings.staging_dir
        self.virtual_size = _check_header(path)
        rawfile.check_size(self.virtual_size, path)
        program = shutil.which(PROGRAM)
        if program is None:
            raise exceptions.ConfigError(
                "%s is a qcow2 image, and the program that reads those, %s, is not on this "
                "machine: install it (package qemu-utils on Debian and Ubuntu, qemu-img "
                "elsewhere), or convert the image to raw where it is" % (path, PROGRAM))
        self._program = program
        self._check()

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`."""
        with unchanged(self._path), contextlib.ExitStack() as held:
            # What the file says of others is read by qemu-img anew each time.
            _check_header(self._path)
            pieces = [piece for piece in self._pieces()
                      if wanted is None or any(number in wanted for number in piece.numbers)]
            directory = held.enter_context(LockedDirectory(self._staging)).path
            pool = held.enter_context(futures.ThreadPoolExecutor(1))
            following: Optional[futures.Future[str]] = None
            for number, piece in enumerate(pieces):
                path = (following or pool.submit(self._convert, piece, directory)).result()
                following = (pool.submit(self._convert, pieces[number + 1], directory)
                             if number + 1 < len(pieces) else None)
                yield from self._read(piece, path, wanted)
                os.unlink(path)

    def _read(self, piece: _Piece, path: str, wanted: Optional[Collection[int]]) -> Blocks:
        size = min(PIECE * constants.BLOCK_SIZE,
                   self.virtual_size - piece.first * constants.BLOCK_SIZE)
        with open(path, "rb", buffering=0) as file:
            for index in rawfile.held(file.fileno(), size):
                if wanted is None or piece.first + index in wanted:
                    yield piece.first + index, rawfile.read_block(
                        file.fileno(), index * constants.BLOCK_SIZE, size, path)

    def _convert(self, piece: _Piece, directory: str) -> str:
        """Write a piece of the disk into a file; return its path."""
        offset = piece.first * constants.BLOCK_SIZE
        target = os.path.join(directory, "%d.raw" % piece.first)
        source = {"driver": "raw", "offset": offset, "file": self._node(),
                  "size": min(PIECE * constants.BLOCK_SIZE, self.virtual_size - offset)}
        self._run("convert", "-O", "raw", _json(source), target)
        return target

    def _pieces(self) -> Iterator[_Piece]:
        """Yield the pieces of the disk that have data in them.

        :raises ImageCorrupt: the file ends before its data do.
        """
        full = bytearray(block_count(self.virtual_size))
        length = os.path.getsize(self._path)
        for extent in self._map():
            if extent["zero"] or not extent["data"]:
                continue
            start, end = extent["start"], extent["start"] + extent["length"]
            first, stop = start // constants.BLOCK_SIZE, -(-end // constants.BLOCK_SIZE)
            full[first:stop] = b"\1" * (stop - first)
            if extent.get("offset", 0) + extent["length"] > length and "offset" in extent:
                raise exceptions.ImageCorrupt(
                    "%s is cut off: it has %d bytes, and data of its disk up to byte %d; fetch it "
                    "again" % (self._path, length, extent["offset"] + extent["length"]))
        for first in range(0, len(full), PIECE):
            numbers = [first + at for at, held in enumerate(full[first:first + PIECE]) if held]
            if numbers:
                yield _Piece(first, numbers)

    def _map(self) -> Iterator[Dict[str, Any]]:
        """Yield what the image has of its disk; it may have millions of extents."""
        with subprocess.Popen(
                [self._program, "map", "--output=json", _json(self._node())],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            cut = ""
            for line in running.stdout:
                text = line.strip().strip("[],")
                try:
                    extent = json.loads(text) if text else None
                except ValueError:
                    cut = text  # it was killed, which its exit code will tell
                    continue
                if extent is not None:
                    yield extent
            told = running.stderr.read()
        self._judge("map", running.returncode, told)
        if cut:
            raise exceptions.ImageCorrupt(
                "%s cannot be read: `%s map` said what is no part of a map: %.200r; see whether "
                "that program is QEMU's" % (self._path, PROGRAM, cut))

    def _check(self) -> None:
        """See that the image's own tables are whole."""
        # Of a large image that is cut off it says millions of lines.
        with tempfile.TemporaryFile(dir=self._staging) as told:
            done = subprocess.run(
                [self._program, "check", "--output=json", _json(self._node())], check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told)
            told.seek(0)
            if done.returncode == _CHECK_LEAKS:
                LOG.info("%s has clusters that nothing uses, which harms nothing", self._path)
            else:
                self._judge("check", done.returncode, told.read(_TOLD).decode("utf-8", "replace"))

    def _run(self, verb: str, *arguments: str) -> None:
        done = subprocess.run([self._program, verb, *arguments], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        self._judge(verb, done.returncode, done.stderr)

    def _judge(self, verb: str, code: int, told: str) -> None:
        if not code:
            return
        lines = told.strip().splitlines() or ["nothing"]
        said = "`%s %s` ended with %d and said: %s" % (
            PROGRAM, verb, code, " ".join(lines[:1] if verb == "check" else lines[-1:])[:300])
        if "No space left" in told:
            raise exceptions.StagingFull(
                "%s has no room for a piece of %s; make room or set staging_dir in [swift_vhd]: "
                "%s" % (self._staging, self._path, said))
        if _IN_USE in told:
            raise exceptions.ImageUnsupported(
                "%s is in use, so what is read of it may be no whole disk; stop the VM that runs "
                "from it: %s" % (self._path, said))
        raise exceptions.ImageCorrupt(
            "%s is a damaged qcow2 image; fetch it again, or see what `qemu-img check` finds: %s"
            % (self._path, said))

    def _node(self) -> Dict[str, Any]:
        # Formats are named, never guessed, and no parent is opened whatever the header says now.
        return {"driver": "qcow2", "backing": None, "file": {
            "driver": "file", "filename": os.path.abspath(self._path)}}


class _Piece(NamedTuple):
    """A stretch of the disk.

    :ivar first: number of its first block.
    :ivar numbers: those of its blocks that may be not zero.
    """

    first: int
    numbers: List[int]


def _json(node: Dict[str, Any]) -> str:
    """Return what QEMU takes for the name of an image (qemu-block-drivers(7))."""
    return "json:" + json.dumps(node)


def _check_header(path: str) -> int:
    """Return the size in bytes of the disk of an image that is whole in itself."""
    with open(path, "rb") as file:
        header = file.read(_FEATURES_AT + 8)
    if len(header) < _HEADER.size:
        raise exceptions.ImageCorrupt("%s is cut off inside the header of a qcow2 image" % path)
    magic, version, backing, _length, _bits, size, encrypted = _HEADER.unpack_from(header)
    if magic != MAGIC:
        raise exceptions.ImageUnsupported("%s is no qcow2 image: it begins with %r, not %r"
                                          % (path, magic, MAGIC))
    if version not in (2, 3):
        raise exceptions.ImageUnsupported(
            "%s is a qcow image of version %d; convert it to raw with %s" % (path, version,
                                                                             PROGRAM))
    features = int.from_bytes(header[_FEATURES_AT:], "big") if version == 3 else 0
    needs = ("has a backing file" if backing else "is encrypted" if encrypted
             else "keeps its data in another file" if features & _EXTERNAL else "")
    if needs:
        raise exceptions.ImageUnsupported(
            "%s %s, so it is no disk in itself, and what it names could be any file of this "
            "machine; where it was made, make a whole one: qemu-img convert -O qcow2" % (
                path, needs))
    if features & _CORRUPT:
        raise exceptions.ImageCorrupt(
            "%s is a damaged qcow2 image: QEMU has marked it as corrupt; try `qemu-img check -r "
            "all` on a copy" % path)
    return int(size)
