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

"""The records of all classes, with the links between them kept in both directions."""

from __future__ import annotations

import collections
import copy
import threading
import uuid as uuids
from typing import Any, DefaultDict, Dict, List, Optional, Tuple

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.records.changes import Changes
from nova_swift_handler.sandbox.xapi.records.classes import all_classes
from nova_swift_handler.sandbox.xapi.records.schema import Schema
from nova_swift_handler.sandbox.xapi.records.store import Store
from nova_swift_handler.sandbox.xapi.rpc.values import NULL

Values = Dict[str, Any]


def new_ref() -> str:
    return "OpaqueRef:%s" % uuids.uuid4()


class Database:
    """Thread-safe.  ``lock`` is reentrant: hold it to make several steps one.

    Reading gives copies.  An unknown ref raises HANDLE_INVALID, an unknown uuid UUID_INVALID.
    ``changes`` tells what was done when.
    """

    def __init__(self, store: Store):
        self.lock = threading.RLock()
        self.changes = Changes(self.lock)
        self.schemas = all_classes()
        self._store = store
        self._tables: Dict[str, Dict[str, Values]] = {name: {} for name in self.schemas}
        self._uuids: Dict[Tuple[str, str], str] = {}
        #: (class, field of it that refers, referred ref) -> refs of the records that do
        self._links: DefaultDict[Tuple[str, str, str], Dict[str, None]] = (
            collections.defaultdict(dict))
        self._linking = self._linking_fields()
        with self.lock:
            for cls, ref, values in store.load():
                if cls in self.schemas:
                    self._place(cls, ref, self._complete(self.schemas[cls], values))

    def _linking_fields(self) -> Dict[str, List[str]]:
        linking: Dict[str, List[str]] = {name: [] for name in self.schemas}
        for schema in self.schemas.values():
            for field in schema.fields.values():
                if field.mirror and field.mirror not in linking[field.target]:
                    linking[field.target].append(field.mirror)
        return linking

    @staticmethod
    def _complete(schema: Schema, values: Values) -> Values:
        """Give values read from disk the fields a newer version may have added."""
        full = schema.initial()
        for field in schema.stored:
            if field.name in values:
                full[field.name] = field.load(values[field.name])
        return full

    # -- writing

    def insert(self, cls: str, values: Values, ref: Optional[str] = None) -> str:
        """Add a record; fields not given start as the schema says.  Returns its ref."""
        with self.lock:
            schema = self.schemas[cls]
            full = schema.initial()
            full["uuid"] = str(uuids.uuid4())
            full.update(values)
            unknown = set(full) - set(schema.fields)
            if unknown:
                raise KeyError("%s has no fields %s" % (cls, sorted(unknown)))
            ref = ref or new_ref()
            self._place(cls, ref, full)
            self._write(cls, ref)
            return ref

    def update(self, cls: str, ref: str, **changes: Any) -> None:
        with self.lock:
            row = self._row(cls, ref)
            if all(row[name] == value for name, value in changes.items()):
                return
            # Links that stay are left alone, so that lists keep their order.
            relinked = [name for name in self._linking[cls]
                        if changes.get(name, row[name]) != row[name]]
            self._unlink(cls, ref, row, relinked)
            row.update(copy.deepcopy(changes))
            self._link(cls, ref, row, relinked)
            self.changes.modified(cls, ref)
            self._write(cls, ref)

    def delete(self, cls: str, ref: str) -> None:
        with self.lock:
            row = self._row(cls, ref)
            self._unlink(cls, ref, row, self._linking[cls])
            self.changes.deleted(cls, ref)
            del self._tables[cls][ref]
            self._uuids.pop((cls, row["uuid"]), None)
            if self.schemas[cls].persistent:
                self._store.drop(cls, ref)

    def _place(self, cls: str, ref: str, row: Values) -> None:
        self._tables[cls][ref] = row
        self._uuids[(cls, row["uuid"])] = ref
        self.changes.created(cls, ref)
        self._link(cls, ref, row, self._linking[cls])

    def _write(self, cls: str, ref: str) -> None:
        if self.schemas[cls].persistent:
            self._store.put(cls, ref, self._tables[cls][ref])

    def _link(self, cls: str, ref: str, row: Values, names: List[str]) -> None:
        for name in names:
            if row[name] != NULL:
                self._links[(cls, name, row[name])][ref] = None
                self._touch(self.schemas[cls].fields[name].target, row[name])

    def _unlink(self, cls: str, ref: str, row: Values, names: List[str]) -> None:
        for name in names:
            referrers = self._links.get((cls, name, row[name]))
            if referrers is not None:
                referrers.pop(ref, None)
                self._touch(self.schemas[cls].fields[name].target, row[name])
                if not referrers:
                    del self._links[(cls, name, row[name])]

    def _touch(self, cls: str, ref: str) -> None:
        """A list of references changed with what it lists."""
        if ref in self._tables[cls]:
            self.changes.modified(cls, ref)

    # -- reading

    def _row(self, cls: str, ref: str) -> Values:
        try:
            return self._tables[cls][ref]
        except (KeyError, TypeError):
            raise errors.handle_invalid(cls, ref) from None

    def exists(self, cls: str, ref: str) -> bool:
        with self.lock:
            return ref in self._tables[cls]

    def refs(self, cls: str) -> List[str]:
        with self.lock:
            return list(self._tables[cls])

    def record(self, cls: str, ref: str) -> Values:
        """All fields by API name, computed ones included."""
        with self.lock:
            row = self._row(cls, ref)
            return {
                name: self.referrers(field.target, field.mirror, ref)
                if field.mirror else copy.deepcopy(row[name])
                for name, field in self.schemas[cls].fields.items()
            }

    def get(self, cls: str, ref: str, name: str) -> Any:
        """One field by its API name."""
        with self.lock:
            row = self._row(cls, ref)
            field = self.schemas[cls].fields[name]
            if field.mirror:
                return self.referrers(field.target, field.mirror, ref)
            return copy.deepcopy(row[name])

    def referrers(self, cls: str, name: str, ref: str) -> List[str]:
        """Refs of the records of ``cls`` whose field ``name`` is ``ref``."""
        with self.lock:
            return list(self._links.get((cls, name, ref), ()))

    def by_uuid(self, cls: str, uuid: str) -> str:
        with self.lock:
            try:
                return self._uuids[(cls, uuid)]
            except (KeyError, TypeError):
                raise errors.uuid_invalid(cls, uuid) from None

    def find(self, cls: str, **equals: Any) -> List[str]:
        """Refs of the records whose stored fields equal all that is given."""
        with self.lock:
            return [
                ref for ref, row in self._tables[cls].items()
                if all(row[name] == value for name, value in equals.items())
            ]

    def close(self) -> None:
        with self.lock:
            self._store.close()
