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

"""What every SR does alike: nodes, attached disks, transfers, records that survive a restart."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import json
import logging
import os
import threading
from typing import Any, Dict, Iterator, List, Mapping, Optional

from nova_swift_handler.sandbox.xapi.storage import disk, errors, export, import_
from nova_swift_handler.sandbox.xapi.storage.base import (
    Disk,
    GcAction,
    Node,
    Progress,
    Read,
    StorageError,
    StorageRepository,
    Write,
)
from nova_swift_handler.sandbox.xapi.storage.locks import SharedLock

LOG = logging.getLogger(__name__)
TEMPORARY = ".new"


@dataclasses.dataclass
class Entry:
    """A node as the SR keeps it; ``name`` is its file's name, ``parent`` a uuid."""

    uuid: str
    name: str
    raw: bool
    virtual_size: int
    utilisation: int
    parent: Optional[str] = None
    hidden: bool = False
    readers: int = 0
    writers: int = 0

    @property
    def attached(self) -> bool:
        """Whether a Disk is open on it."""
        return bool(self.readers or self.writers)


class DirectoryRepository(StorageRepository):
    """An SR in a directory; its structure is guarded by one SharedLock.

    ``records`` (a JSON file) keeps what the image files cannot say: each disk's sm_config and
    whether it is a snapshot.
    """

    records_name = "sr.json"

    def __init__(self, uuid: str, root: str, size: int) -> None:
        self.uuid = uuid
        self.root = root
        self.size = size
        self.sm_config: Dict[str, str] = {}
        self.lock = SharedLock()
        self.generation = 0
        self.entries: Dict[str, Entry] = {}
        self.records: Dict[str, Dict[str, Any]] = {}
        self._space = threading.Lock()
        self._used = 0
        os.makedirs(root, exist_ok=True)
        self._load_records()
        with self.structure():
            self._recover()
            self._rescan()

    # -- space --------------------------------------------------------------------------------

    @property
    def physical_size(self) -> int:
        return self.size

    @property
    def physical_utilisation(self) -> int:
        return self._used

    @property
    def virtual_allocation(self) -> int:
        with self.lock.shared():
            return sum(e.virtual_size for e in self.entries.values() if not e.hidden)

    @property
    def free(self) -> int:
        """Bytes left."""
        return self.physical_size - self._used

    def reserve(self, amount: int) -> None:
        """Take (or give back) space; VDI_IO_ERROR when it is not there."""
        with self._space:
            if amount > 0 and self._used + amount > self.physical_size:
                raise errors.io_error()
            self._used += amount

    # -- nodes --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def structure(self) -> Iterator[None]:
        """Own the structure; attached disks look their chains up again afterwards."""
        with self.lock.exclusive():
            try:
                yield
            finally:
                self.generation += 1

    def entry(self, uuid: str) -> Entry:
        """Return a node; the lock is held."""
        try:
            return self.entries[uuid]
        except KeyError:
            raise errors.unknown_disk(uuid) from None

    def children(self, uuid: str) -> List[Entry]:
        """Return the nodes on ``uuid``; the lock is held."""
        return [entry for entry in self.entries.values() if entry.parent == uuid]

    def lineage(self, uuid: str) -> List[Entry]:
        """Return the nodes from ``uuid`` to its root; the lock is held."""
        found = [self.entry(uuid)]
        while found[-1].parent is not None:
            found.append(self.entry(found[-1].parent))
        return found

    def path(self, name: str) -> str:
        """Return where the file ``name`` is."""
        return os.path.join(self.root, name)

    def node(self, entry: Entry) -> Node:
        """Return the public copy of a node."""
        record = self.records.get(entry.uuid, {})
        config = dict(record.get("sm_config", {}))
        config.update(self._driver_config(entry))
        return Node(
            uuid=entry.uuid, parent=entry.parent, hidden=entry.hidden,
            virtual_size=entry.virtual_size, physical_utilisation=entry.utilisation,
            sm_config=config, raw=entry.raw, snapshot=bool(record.get("snapshot")),
            name=entry.name, read_only=entry.hidden)

    def _driver_config(self, entry: Entry) -> Dict[str, str]:
        return {"vhd-parent": entry.parent} if entry.parent else {}

    def chain(self, uuid: str) -> List[Node]:
        with self.lock.shared():
            return [self.node(entry) for entry in self.lineage(uuid)]

    def scan(self) -> Dict[str, Node]:
        with self.structure():
            self._rescan()
            return {uuid: self.node(entry) for uuid, entry in self.entries.items()}

    @abc.abstractmethod
    def _rescan(self) -> None:
        """Make ``entries`` and the space in use agree with the directory."""

    def _recover(self) -> None:
        """Undo what a killed process left half done."""
        for name in os.listdir(self.root):
            if name.endswith(TEMPORARY):
                os.unlink(self.path(name))

    def close(self) -> None:
        """Nothing to release."""

    # -- records ------------------------------------------------------------------------------

    def _load_records(self) -> None:
        with contextlib.suppress(FileNotFoundError), open(
                self.path(self.records_name), encoding="utf-8") as source:
            self.records = json.load(source)

    def save_records(self) -> None:
        """Write the records; atomic."""
        path = self.path(self.records_name)
        with open(path + TEMPORARY, "w", encoding="utf-8") as target:
            json.dump(self.records, target, indent=1, sort_keys=True)
        os.replace(path + TEMPORARY, path)

    # -- attached disks -----------------------------------------------------------------------

    def open(self, uuid: str, writable: bool) -> Disk:
        with self.structure():
            entry = self.entry(uuid)
            if writable and entry.hidden:
                raise StorageError("VDI_READONLY", [uuid])
            if writable:
                self._before_writing(entry)
            attached = self._attach(entry, writable)
            if writable:
                entry.writers += 1
            else:
                entry.readers += 1
            return attached

    def _attach(self, entry: Entry, writable: bool) -> Disk:
        return disk.RawDisk(
            self.lock, writable, lambda: self._detach(entry, writable), self.path(entry.name),
            entry.virtual_size)

    def _detach(self, entry: Entry, writable: bool) -> None:
        with self.structure():
            if writable:
                entry.writers -= 1
                if not entry.writers and self.entries.get(entry.uuid) is entry:
                    self._after_writing(entry)
            else:
                entry.readers -= 1

    def _before_writing(self, entry: Entry) -> None:
        """Prepare a node for being written (LVM inflates)."""

    def _after_writing(self, entry: Entry) -> None:
        """The last writer has left (LVM deflates snapshots)."""

    # -- transfers ----------------------------------------------------------------------------

    def export_vhd(
        self, uuid: str, write: Write, base: Optional[str] = None,
        progress: Optional[Progress] = None,
    ) -> int:
        with self.open(uuid, writable=False) as source:
            plan = self._plan_of(source, uuid, base)
            return export.stream(plan, source, write, progress)

    def blocks(self, uuid: str, base: Optional[str] = None) -> List[int]:
        with self.open(uuid, writable=False) as source:
            return list(self._plan_of(source, uuid, base).blocks)

    def _plan_of(self, source: Disk, uuid: str, base: Optional[str]) -> export.Plan:
        with self.lock.shared():
            entry = self.entry(uuid)
            if base is not None and (entry.raw or self.entry(base).raw):
                raise StorageError("INTERNAL_ERROR", [
                    "Cannot compute differences on non-VHD images" if entry.raw else
                    "base VDI is not a vhd; cannot compute differences"])
            export.check_size(uuid, entry.virtual_size)
            if not entry.raw:
                return self._plan(uuid, base)
        return export.plan_raw(source)

    @abc.abstractmethod
    def _plan(self, uuid: str, base: Optional[str]) -> export.Plan:
        """Choose the blocks of an export; the lock is held shared."""

    def export_raw(self, uuid: str, write: Write, progress: Optional[Progress] = None) -> int:
        with self.open(uuid, writable=False) as source:
            return export.stream_raw(source, write, progress)

    def import_vhd(
        self, uuid: str, read: Read, content_length: Optional[int],
        progress: Optional[Progress] = None,
    ) -> None:
        with self.open(uuid, writable=True) as target:
            with self.lock.shared():
                self._check_import(self.entry(uuid))
            import_.import_vhd(target, read, content_length, progress)

    def _check_import(self, entry: Entry) -> None:
        """Refuse what vhd-tool cannot write a VHD to."""

    def import_raw(
        self, uuid: str, read: Read, content_length: Optional[int],
        progress: Optional[Progress] = None,
    ) -> None:
        with self.open(uuid, writable=True) as target:
            import_.import_raw(target, read, content_length, progress)

    def gc_step(
        self, leaf_coalesce: Optional[Mapping[str, str]] = None, attached: Any = ()
    ) -> Optional[GcAction]:
        return None

    def release(self, entry: Entry) -> None:
        """Delete a node's file and give its space back; the structure is owned."""
        path = self.path(entry.name)
        length = os.stat(path).st_size
        os.unlink(path)
        self.reserve(-length)
        del self.entries[entry.uuid]

    def check_free(self, entry: Entry) -> None:
        """Refuse to delete what is in use or has children; the structure is owned."""
        if entry.hidden or self.children(entry.uuid):
            raise errors.backend_failure(80, "Deleting non-leaf node not permitted")
        if entry.attached:
            raise StorageError("VDI_IN_USE", [entry.uuid, "destroy"])
