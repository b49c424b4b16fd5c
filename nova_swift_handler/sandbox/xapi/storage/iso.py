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

"""An ISO SR: plain image files in a directory (SM's ISOSR, legacy_mode)."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid as uuidlib
from typing import Dict, Mapping, Optional, Tuple

from nova_swift_handler.sandbox.xapi.storage import errors, export, files
from nova_swift_handler.sandbox.xapi.storage.base import Node, StorageError
from nova_swift_handler.sandbox.xapi.storage.repository import DirectoryRepository, Entry

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PATH = re.compile(r"[A-Za-z0-9.-]+\.(iso|img)\Z", re.IGNORECASE)


class IsoSR(DirectoryRepository):
    """Files *.iso and *.img, each a disk.

    Those found by a scan are read-only and get a uuid that lasts; those made by ``create`` can be
    written by an import.  ``Node.name`` is the file's name and XAPI's VDI.location.
    """

    type = "iso"
    records_name = ".sr.json"

    def _rescan(self) -> None:
        known = {record["name"]: uuid for uuid, record in self.records.items()}
        found: Dict[str, Tuple[str, int]] = {}
        for name in sorted(os.listdir(self.root)):
            if not name.lower().endswith((".iso", ".img")):
                continue
            uuid = known.get(name) or self._introduce(name)
            found[uuid] = (name, os.stat(self.path(name)).st_size)
        gone = [uuid for uuid in self.records if uuid not in found]
        for uuid in gone:
            del self.records[uuid]
            self.entries.pop(uuid, None)
        for uuid, (name, size) in found.items():
            entry = self.entries.setdefault(uuid, Entry(uuid, name, True, size, size))
            entry.virtual_size = entry.utilisation = size
        self._used = sum(size for _, size in found.values())
        self.save_records()

    def _introduce(self, name: str) -> str:
        stem = name[:-4].lower()
        uuid = stem if _UUID.fullmatch(stem) else str(uuidlib.uuid4())
        self.records[uuid] = {"name": name, "sm_config": {}}
        return uuid

    def node(self, entry: Entry) -> Node:
        node = super().node(entry)
        node.read_only = "created" not in node.sm_config
        return node

    def create(self, uuid: str, virtual_size: int, sm_config: Mapping[str, str]) -> Node:
        name = sm_config.get("path", uuid + ".img")
        if not _PATH.match(name):
            raise errors.backend_failure(
                78, 'Invalid path "%s"' % name)
        with self.structure():
            path = self.path(name)
            if os.path.exists(path) or uuid in self.entries:
                raise errors.backend_failure(43)
            try:
                self._make(path, virtual_size)
            except (OSError, StorageError) as exc:
                raise errors.backend_failure(
                    78, 'could not create file: "%s"' % name) from exc
            entry = Entry(uuid, name, True, virtual_size, 0)
            self.entries[uuid] = entry
            created = time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime())
            self.records[uuid] = {
                "name": name, "sm_config": dict(sm_config, created=created)}
            self.save_records()
            return self.node(entry)

    def _make(self, path: str, size: int) -> None:
        self.reserve(size)
        try:
            fd = files.open_file(path, create=True)
            try:
                os.ftruncate(fd, size)
            finally:
                os.close(fd)
        except OSError:
            self.reserve(-size)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            raise

    def snapshot(
        self, uuid: str, new_uuid: str, base_uuid: str, clone: bool, attached: bool = False
    ) -> Dict[str, Node]:
        raise self._unsupported()

    def resize(self, uuid: str, virtual_size: int) -> Node:
        raise self._unsupported()

    def _plan(self, uuid: str, base: Optional[str]) -> export.Plan:
        raise self._unsupported()  # its disks are raw, which are not planned

    def _unsupported(self) -> StorageError:
        return StorageError("SR_OPERATION_NOT_SUPPORTED", [self.uuid])

    def _before_writing(self, entry: Entry) -> None:
        if self.node(entry).read_only:
            raise StorageError("VDI_READONLY", [entry.uuid])

    def destroy(self, uuid: str) -> None:
        with self.structure():
            entry = self.entry(uuid)
            self.check_free(entry)
            self.release(entry)
            del self.records[uuid]
            self.save_records()
