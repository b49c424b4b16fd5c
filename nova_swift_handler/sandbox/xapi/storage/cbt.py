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

"""Changed block tracking: for each tracked disk a log of the 64 KiB blocks written since.

After sm's VDI.py and blktap's block-log.c.  A snapshot takes the disk's log along and the disk
begins a new one; the logs of a disk and its snapshots are a chain, oldest first.  On disk, and
bit by bit as in blktap, block 0 is the lowest bit of the first byte; XAPI gets every byte
reversed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from typing import Dict, Iterator, Optional

from nova_swift_handler.sandbox.xapi.storage import errors

#: Bytes that one bit stands for.
CBT_BLOCK = 64 * 1024
_HEAD = 4096
_SUFFIX = ".cbtlog"
_REVERSED = bytes(int(format(byte, "08b")[::-1], 2) for byte in range(256))


@dataclasses.dataclass
class Log:
    """``size``: bytes of the disk; ``parent``, ``child``: uuids of the neighbours in the chain."""

    size: int
    parent: Optional[str] = None
    child: Optional[str] = None
    bits: bytearray = dataclasses.field(default_factory=bytearray)

    def extend(self) -> None:
        """Make the bitmap as long as the disk wants it."""
        length = (self.size + 8 * CBT_BLOCK - 1) // (8 * CBT_BLOCK)
        self.bits.extend(bytes(length - len(self.bits)))


class Logs:
    """The logs kept in one SR's directory.  Every change is on disk when a method returns."""

    def __init__(self, root: str):
        self._root = root
        self._lock = threading.Lock()
        self._logs: Dict[str, Log] = {}
        for name in os.listdir(root):
            if name.endswith(_SUFFIX):
                self._logs[name[:-len(_SUFFIX)]] = self._load(name)

    def _path(self, uuid: str) -> str:
        return os.path.join(self._root, uuid + _SUFFIX)

    def _load(self, name: str) -> Log:
        with open(os.path.join(self._root, name), "rb") as source:
            head = json.loads(source.read(_HEAD).rstrip(b"\0"))
            return Log(**head, bits=bytearray(source.read()))

    def _save(self, uuid: str) -> None:
        log = self._logs[uuid]
        head = json.dumps({"size": log.size, "parent": log.parent, "child": log.child})
        with open(self._path(uuid) + ".new", "wb") as target:
            target.write(head.encode("utf-8").ljust(_HEAD, b"\0") + log.bits)
        os.replace(self._path(uuid) + ".new", self._path(uuid))

    def has(self, uuid: str) -> bool:
        return uuid in self._logs

    def create(self, uuid: str, size: int) -> None:
        with self._lock:
            self._logs[uuid] = Log(size)
            self._logs[uuid].extend()
            self._save(uuid)

    def note(self, uuid: str, offset: int, length: int) -> None:
        """These bytes of a disk are being written."""
        if uuid not in self._logs or not length:
            return
        with self._lock:
            bits = self._logs[uuid].bits
            first, last = offset // CBT_BLOCK, (offset + length - 1) // CBT_BLOCK
            before = bytes(bits[first // 8:last // 8 + 1])
            for block in range(first, last + 1):
                bits[block // 8] |= 1 << (block % 8)
            after = bytes(bits[first // 8:last // 8 + 1])
            if after != before:
                with open(self._path(uuid), "r+b") as target:
                    target.seek(_HEAD + first // 8)
                    target.write(after)

    def resize(self, uuid: str, size: int) -> None:
        if self.has(uuid):
            with self._lock:
                self._logs[uuid].size = size
                self._logs[uuid].extend()
                self._save(uuid)

    def snapshot(self, uuid: str, new_uuid: str) -> None:
        """The snapshot ``new_uuid`` takes the log of ``uuid``, which begins a new one."""
        if not self.has(uuid):
            return
        with self._lock:
            log = self._logs[new_uuid] = self._logs.pop(uuid)
            self._logs[uuid] = Log(log.size, parent=new_uuid, child=log.child)
            self._logs[uuid].extend()
            log.child = uuid
            if log.parent in self._logs:
                self._logs[log.parent].child = new_uuid
                self._save(log.parent)
            self._save(new_uuid)
            self._save(uuid)

    def delete(self, uuid: str, merge: bool) -> None:
        """Drop a log; ``merge``: the next one in the chain gets what it says."""
        if not self.has(uuid):
            return
        with self._lock:
            log = self._logs.pop(uuid)
            child = self._logs.get(log.child or "")
            if log.parent in self._logs:
                self._logs[log.parent].child = log.child if merge else None
                self._save(log.parent)
            if merge and child is not None and log.child is not None:
                child.parent = log.parent
                for index, byte in enumerate(log.bits[:len(child.bits)]):
                    child.bits[index] |= byte
                self._save(log.child)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(uuid))

    def changed(self, start: str, end: str) -> bytes:
        """The blocks written after ``start`` up to ``end``: block 0 is the first byte's top bit.

        Raises 460 where ``end`` does not come after ``start`` in a chain, 459 where sizes shrink.
        """
        if start == end:
            raise errors.backend_failure(460, "Source and target VDI are same")
        merged, size = bytearray(), 0
        with self._lock:
            for uuid in self._after(start) if end in self._logs else ():
                log = self._logs[uuid]
                if log.size < size or len(log.bits) < len(merged):
                    raise errors.backend_failure(459, "Inconsistent bitmaps")
                merged.extend(bytes(len(log.bits) - len(merged)))
                size = log.size
                merged = bytearray(one | two for one, two in zip(merged, log.bits))
                if uuid == end:
                    return bytes(merged).translate(_REVERSED)
        raise errors.backend_failure(460, "Source and target VDI are unrelated")

    def _after(self, start: str) -> Iterator[str]:
        log = self._logs.get(start)
        while log is not None and log.child in self._logs:
            yield log.child
            log = self._logs[log.child]
