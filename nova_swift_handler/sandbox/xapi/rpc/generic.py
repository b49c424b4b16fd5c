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

"""The verbs every class has by virtue of its fields: get_record, get_X, set_X, add_to_X..."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records import query
from nova_swift_handler.sandbox.xapi.records.database import Database, Values
from nova_swift_handler.sandbox.xapi.records.field import Field
from nova_swift_handler.sandbox.xapi.records.schema import Schema
from nova_swift_handler.sandbox.xapi.rpc.call import Call

Verb = Callable[..., Any]

#: Listing sessions would hand out credentials; XAPI has no such verbs either.
_UNLISTED = ("session",)


class GenericVerbs:
    """Finds verbs of one class by name; each takes the Call and then XAPI's parameters."""

    def __init__(self, db: Database, schema: Schema):
        self._db = db
        self._cls = schema.name
        self._schema = schema

    def find(self, name: str) -> Optional[Verb]:
        fixed: Dict[str, Verb] = {"get_record": self._record, "get_by_uuid": self._by_uuid}
        if self._cls not in _UNLISTED:
            fixed.update({
                "get_all": self._all, "get_all_records": self._all_records,
                "get_all_records_where": self._all_records_where})
        if "name_label" in self._schema.fields:
            fixed["get_by_name_label"] = self._by_name_label
        if name in fixed:
            return fixed[name]
        for prefix, make in (
                ("get_", self._getter), ("set_", self._setter), ("add_to_", self._map_adder),
                ("remove_from_", self._map_remover), ("add_", self._set_adder),
                ("remove_", self._set_remover)):
            if name.startswith(prefix):
                field = self._schema.fields.get(name[len(prefix):])
                if field is not None:
                    return make(field)
        return None

    def _all(self, _call: Call) -> List[str]:
        return self._db.refs(self._cls)

    def _all_records(self, _call: Call) -> Dict[str, Values]:
        with self._db.lock:
            return {ref: self._db.record(self._cls, ref) for ref in self._db.refs(self._cls)}

    def _all_records_where(self, _call: Call, expr: str) -> Dict[str, Values]:
        return query.select(self._db, self._cls, expr)

    def _record(self, _call: Call, ref: str) -> Values:
        return self._db.record(self._cls, ref)

    def _by_uuid(self, _call: Call, uuid: str) -> str:
        return self._db.by_uuid(self._cls, uuid)

    def _by_name_label(self, _call: Call, label: str) -> List[str]:
        return self._db.find(self._cls, name_label=label)

    def _getter(self, field: Field) -> Verb:
        def get(_call: Call, ref: str) -> Any:
            return self._db.get(self._cls, ref, field.name)
        return get

    def _setter(self, field: Field) -> Optional[Verb]:
        if field.mode != "rw":
            return None

        def set_(_call: Call, ref: str, value: Any) -> None:
            self._db.update(self._cls, ref, **{field.name: field.accept(value)})
        return set_

    def _map_adder(self, field: Field) -> Optional[Verb]:
        if field.mode != "rw" or field.kind != "map":
            return None

        def add_to(_call: Call, ref: str, key: str, value: str) -> None:
            pair = field.accept({key: value})
            with self._db.lock:
                current = self._db.get(self._cls, ref, field.name)
                if key in current:
                    raise ApiError(
                        "MAP_DUPLICATE_KEY", self._cls, field.name, ref, key)
                self._db.update(self._cls, ref, **{field.name: {**current, **pair}})
        return add_to

    def _map_remover(self, field: Field) -> Optional[Verb]:
        if field.mode != "rw" or field.kind != "map":
            return None

        def remove_from(_call: Call, ref: str, key: str) -> None:
            with self._db.lock:
                current = self._db.get(self._cls, ref, field.name)
                current.pop(key, None)
                self._db.update(self._cls, ref, **{field.name: current})
        return remove_from

    def _set_adder(self, field: Field) -> Optional[Verb]:
        if field.mode != "rw" or field.kind != "set":
            return None

        def add(_call: Call, ref: str, value: str) -> None:
            with self._db.lock:
                current = self._db.get(self._cls, ref, field.name)
                if value not in current:
                    self._db.update(
                        self._cls, ref, **{field.name: current + field.accept([value])})
        return add

    def _set_remover(self, field: Field) -> Optional[Verb]:
        if field.mode != "rw" or field.kind != "set":
            return None

        def remove(_call: Call, ref: str, value: str) -> None:
            with self._db.lock:
                current = self._db.get(self._cls, ref, field.name)
                self._db.update(
                    self._cls, ref, **{field.name: [item for item in current if item != value]})
        return remove
