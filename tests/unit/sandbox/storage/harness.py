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

"""Helpers: an SR whose disks are mirrored in plain byte arrays, and a VHD writer by hand."""

from __future__ import annotations

import io
import os
import random
import uuid as uuidlib
from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageRepository, open_sr

MIB = 1024 * 1024
BLOCK = 2 * MIB
GIB = 1024 * MIB


def new_uuid() -> str:
    return str(uuidlib.uuid4())


def noise(rng: random.Random, length: int) -> bytes:
    return rng.getrandbits(8 * length).to_bytes(length, "big") if length else b""


class Bench:
    """An SR, and what each of its disks must read as."""

    def __init__(self, kind: str, root: str, size: int = 64 * GIB, **sm_config: str) -> None:
        self.kind, self.root, self.size, self.sm_config = kind, str(root), size, sm_config
        self.uuid = new_uuid()
        self.sr: StorageRepository = self._open()
        self.disks: Dict[str, bytearray] = {}

    def _open(self) -> StorageRepository:
        return open_sr(self.kind, self.uuid, self.root, self.size, self.sm_config)

    def reopen(self) -> None:
        self.sr.close()
        self.sr = self._open()

    def create(self, size: int, **sm_config: str) -> str:
        uuid = new_uuid()
        node = self.sr.create(uuid, size, sm_config)
        self.disks[uuid] = bytearray(node.virtual_size)
        return uuid

    def write(self, uuid: str, offset: int, data: bytes) -> None:
        with self.sr.open(uuid, writable=True) as disk:
            disk.pwrite(offset, data)
        self.disks[uuid][offset:offset + len(data)] = data

    def fill(self, uuid: str, *blocks: int, seed: int = 7) -> None:
        for block in blocks:
            self.write(uuid, block * BLOCK, noise(random.Random(seed * 1000 + block), BLOCK))

    def snapshot(self, uuid: str, clone: bool = False, attached: bool = False) -> str:
        new = new_uuid()
        self.sr.snapshot(uuid, new, new_uuid(), clone, attached=attached)
        self.disks[new] = bytearray(self.disks[uuid])
        return new

    def destroy(self, uuid: str) -> None:
        self.sr.destroy(uuid)
        del self.disks[uuid]

    def collect(self, **options: object) -> List[str]:
        """Run the collector to its end; return the kinds of its actions."""
        kinds = []
        action = self.sr.gc_step(**options)  # type: ignore[arg-type]
        while action is not None:
            kinds.append(action.kind)
            action = self.sr.gc_step(**options)  # type: ignore[arg-type]
        return kinds

    def read(self, uuid: str) -> bytes:
        with self.sr.open(uuid, writable=False) as disk:
            return disk.pread(0, disk.virtual_size)

    def check(self) -> None:
        for uuid, expected in self.disks.items():
            assert self.read(uuid) == expected, "disk %s differs" % uuid

    def export(self, uuid: str, base: Optional[str] = None) -> bytes:
        pieces: List[bytes] = []
        length = self.sr.export_vhd(uuid, pieces.append, base=base)
        stream = b"".join(pieces)
        assert len(stream) == length
        return stream

    def import_(self, uuid: str, stream: bytes, length: Optional[int] = None) -> None:
        self.sr.import_vhd(
            uuid, io.BytesIO(stream).read, len(stream) if length is None else length)

    def depth(self, uuid: str) -> int:
        return len(self.sr.chain(uuid))

    def file_of(self, uuid: str) -> str:
        return "%s/%s" % (self.root, self.sr.chain(uuid)[0].name)


def checksum(data: bytes) -> int:
    return ~sum(data) & 0xFFFFFFFF


def open_chain(bench: Bench, uuid: str) -> List[Any]:
    """Open a disk's files, leaf first and linked, with libvhdi, which knows nothing of us."""
    pyvhdi = pytest.importorskip("pyvhdi")
    paths = [bench.file_of(node.uuid) for node in bench.sr.chain(uuid)]
    files = []
    for path in paths:
        opened = pyvhdi.file()
        opened.open(path)
        files.append(opened)
    for child, parent in zip(files, files[1:]):
        assert child.get_parent_filename() == os.path.basename(paths[files.index(parent)])
        child.set_parent(parent)
    return files
