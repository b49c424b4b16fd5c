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

"""What the EXT and LVM drivers share: chains of VHD files, snapshots, journals."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from typing import Any, Dict, List, Mapping, Optional, Tuple

from nova_swift_handler.sandbox.xapi.storage import (
    cbt,
    disk,
    errors,
    export,
    files,
    gc,
    layout,
    sizes,
    snapshot,
)
from nova_swift_handler.sandbox.xapi.storage.base import BLOCK, Disk, GcAction, Node, StorageError
from nova_swift_handler.sandbox.xapi.storage.driver import VhdDriver
from nova_swift_handler.sandbox.xapi.storage.repository import TEMPORARY, Entry
from nova_swift_handler.sandbox.xapi.storage.vhdfile import VhdFile

LOG = logging.getLogger(__name__)
_FILES_KEPT_OPEN = 200


class VhdRepository(VhdDriver):
    """An SR of VHD files; drivers say how files are named, sized and paid for."""

    def __init__(self, uuid: str, root: str, size: int) -> None:
        self._images: Dict[str, VhdFile] = {}
        self._images_mutex = threading.Lock()
        #: leaf or node uuid -> sm_config keys the collector sets
        self.marks: Dict[str, Dict[str, str]] = {}
        self.collector = gc.Collector(self)
        os.makedirs(root, exist_ok=True)
        self.cbt: cbt.Logs = cbt.Logs(root)
        super().__init__(uuid, root, size)

    # -- files --------------------------------------------------------------------------------

    def file_name(self, uuid: str, raw: bool = False) -> str:
        """Return the name of a node's file."""
        before, after = self.raw_name if raw else self.vhd_name
        return before + uuid + after

    def parse_name(self, name: str) -> Optional[Tuple[str, bool]]:
        """Return (uuid, raw) of an image file's name, None for other files."""
        for raw in (False, True):
            before, after = self.raw_name if raw else self.vhd_name
            uuid = name[len(before):len(name) - len(after)]
            if name == before + uuid + after and len(uuid) == 36 and uuid.count("-") == 4:
                return uuid, raw
        return None

    def image(self, uuid: str) -> VhdFile:
        """Return the open file of a node; the lock is held, shared at least."""
        with self._images_mutex:
            found = self._images.get(uuid)
            if found is None:
                found = VhdFile(self.path(self.entry(uuid).name), self.fixed, self.reserve)
                self._images[uuid] = found
            return found

    def drop_image(self, uuid: str) -> None:
        """Close a node's file: it is renamed or deleted next; the structure is owned."""
        found = self._images.pop(uuid, None)
        if found is not None:
            found.close()

    def images(self, uuid: str) -> List[VhdFile]:
        """Return the open files from ``uuid`` to its root; the lock is held."""
        return [self.image(entry.uuid) for entry in self.lineage(uuid)]

    def close(self) -> None:
        with self.structure():
            for uuid in list(self._images):
                self.drop_image(uuid)

    # -- nodes --------------------------------------------------------------------------------

    def _driver_config(self, entry: Entry) -> Dict[str, str]:
        config = super()._driver_config(entry)
        config.update(self.marks.get(entry.uuid, {}))
        if entry.raw:
            config["type"] = "raw"
        return config

    def _rescan(self) -> None:
        found: Dict[str, Tuple[str, bool, int]] = {}
        for name in os.listdir(self.root):
            parsed = self.parse_name(name)
            if parsed is not None:
                found[parsed[0]] = (name, parsed[1], os.stat(self.path(name)).st_size)
        for uuid in set(self.entries) - set(found):
            self.drop_image(uuid)
            del self.entries[uuid]
            self.records.pop(uuid, None)
        for uuid, (name, raw, length) in found.items():
            entry = self.entries.get(uuid)
            if entry is None:
                entry = Entry(uuid, name, raw, length, length)
                self.entries[uuid] = entry
            entry.utilisation = length
            if not raw:
                self._probe(entry)
        for entry in self.entries.values():
            if entry.parent is not None and entry.parent not in self.entries:
                LOG.warning("SR %s: disk %s lacks its parent %s", self.uuid, entry.uuid,
                            entry.parent)
        self._used = self.fixed_overhead() + sum(length for _, _, length in found.values())
        if len(self._images) > _FILES_KEPT_OPEN:
            for uuid in list(self._images):
                self.drop_image(uuid)

    def fixed_overhead(self) -> int:
        """Space in use besides disks."""
        return 0

    def _probe(self, entry: Entry) -> None:
        try:
            info = layout.probe(self.path(entry.name))
        except ValueError as exc:
            LOG.warning("SR %s: %s is no VHD: %s", self.uuid, entry.name, exc)
            self.drop_image(entry.uuid)
            del self.entries[entry.uuid]
            return
        entry.virtual_size, entry.hidden = info.size, info.hidden
        parsed = self.parse_name(os.path.basename(info.parent_name.replace("\\", "/")))
        entry.parent = parsed[0] if parsed else None

    def create(self, uuid: str, virtual_size: int, sm_config: Mapping[str, str]) -> Node:
        raw = sm_config.get("type") == "raw"
        with self.structure():
            if uuid in self.entries:
                raise errors.backend_failure(43)
            size = self._valid_size(virtual_size, raw)
            length = self.create_length(size, raw)
            self.check_create(length)
            name = self.file_name(uuid, raw)
            try:
                if raw:
                    self.make_raw(name, length)
                else:
                    self.make_vhd(name, size, length if self.fixed else None)
            except StorageError as exc:
                raise errors.backend_failure(78, "error 28") from exc
            entry = Entry(uuid, name, raw, length if raw and self.fixed else size, length)
            self.entries[uuid] = entry
            kept = {key: value for key, value in sm_config.items() if key != "type"}
            self.records[uuid] = {"sm_config": kept}
            self.save_records()
            return self.node(entry)

    def _valid_size(self, virtual_size: int, raw: bool) -> int:
        return sizes.valid_virtual_size(virtual_size)

    def make_vhd(
        self, name: str, size: int, volume: Optional[int],
        parent: Optional[layout.Parent] = None,
    ) -> None:
        """Make an empty VHD file under its final name and pay for it."""
        length = volume
        if length is None:
            length = layout.empty_length(size, parent is not None)
        self.reserve(length)
        entries = sizes.LVM_METADATA_FOR // BLOCK if self.fixed else 0
        path = self.path(name)
        try:
            layout.create(path + TEMPORARY, size, entries, parent, volume)
            os.replace(path + TEMPORARY, path)
        except (OSError, StorageError) as exc:
            self.reserve(-length)
            raise errors.io_error() from exc

    def make_raw(self, name: str, length: int) -> None:
        """Make a raw image and pay for all of it."""
        self.reserve(length)
        fd = files.open_file(self.path(name), create=True)
        try:
            os.ftruncate(fd, length)
        finally:
            os.close(fd)

    def destroy(self, uuid: str) -> None:
        with self.structure():
            entry = self.entry(uuid)
            self.check_free(entry)
            self.forget(entry)

    def forget(self, entry: Entry) -> None:
        """Delete a node with its file and record; the structure is owned."""
        self.drop_image(entry.uuid)
        self.release(entry)
        self.marks.pop(entry.uuid, None)
        if self.records.pop(entry.uuid, None) is not None:
            self.save_records()

    def snapshot(
        self, uuid: str, new_uuid: str, base_uuid: str, clone: bool, attached: bool = False
    ) -> Dict[str, Node]:
        with self.structure():
            made = snapshot.double(self, uuid, new_uuid, base_uuid, clone, attached)
            if not clone:
                self.cbt.snapshot(uuid, new_uuid)
            return {node: self.node(self.entries[node]) for node in made}

    def resize(self, uuid: str, virtual_size: int) -> Node:
        with self.structure():
            entry = self.entry(uuid)
            if entry.hidden:
                raise errors.backend_failure(46, "hidden VDI")
            if virtual_size < entry.virtual_size:
                raise errors.backend_failure(79, "shrinking not allowed")
            size = sizes.valid_virtual_size(virtual_size)
            if size != entry.virtual_size:
                self._resize(entry, size)
                self.cbt.resize(uuid, size)
            return self.node(entry)

    def _resize(self, entry: Entry, size: int) -> None:
        if entry.raw:
            raise StorageError("NOT_IMPLEMENTED", ["VDI.resize"])
        try:
            self.image(entry.uuid).set_size(size)
        except StorageError as exc:
            raise errors.backend_failure(79, "resize operation failed") from exc
        entry.virtual_size = size
        entry.utilisation = os.stat(self.path(entry.name)).st_size

    # -- data ---------------------------------------------------------------------------------

    def _attach(self, entry: Entry, writable: bool) -> Disk:
        if entry.raw:
            return super()._attach(entry, writable)
        for ancestor in self.lineage(entry.uuid):  # a broken chain shows at attach
            self.image(ancestor.uuid)
        resolve = _Resolver(self, entry.uuid)
        attached = disk.ChainDisk(
            self.lock, writable, lambda: self._detach(entry, writable), resolve)
        attached.note = functools.partial(self.cbt.note, entry.uuid)
        return attached

    def _plan(self, uuid: str, base: Optional[str]) -> export.Plan:
        if base is None:
            return export.plan_chain(self.images(uuid), None)
        path = self.dom0_path(self.entry(base))
        return export.plan_chain(self.images(uuid), self.images(base), path)

    def gc_step(
        self, leaf_coalesce: Optional[Mapping[str, str]] = None, attached: Any = ()
    ) -> Optional[GcAction]:
        return self.collector.step(dict(leaf_coalesce or {}), frozenset(attached))

    # -- journal ------------------------------------------------------------------------------

    def write_journal(self, entry: Optional[Dict[str, str]]) -> None:
        """Note (or, with None, strike out) the operation a killed process must undo."""
        if entry is None:
            self.records.pop("journal", None)
        else:
            self.records["journal"] = entry
        self.save_records()

    def _recover(self) -> None:
        super()._recover()
        journal = self.records.get("journal")
        if not journal:
            return
        if journal["operation"] == "snapshot":
            snapshot.undo(self, journal)
        else:
            gc.undo(self, journal)
        self.write_journal(None)

    def rename(self, old: str, new: str) -> None:
        """Rename a file, replacing what has the new name, which is paid back."""
        with contextlib.suppress(FileNotFoundError):
            self.reserve(-os.stat(self.path(new)).st_size)
        os.replace(self.path(old), self.path(new))


class _Resolver:
    """Looks a disk's open files up, again only after the SR's structure has changed."""

    def __init__(self, repository: VhdRepository, uuid: str) -> None:
        self._repository = repository
        self._uuid = uuid
        self._found: Tuple[int, List[VhdFile]] = (-1, [])

    def __call__(self) -> List[VhdFile]:
        generation, images = self._found
        if generation != self._repository.generation:
            generation = self._repository.generation
            images = self._repository.images(self._uuid)
            self._found = (generation, images)
        return images
