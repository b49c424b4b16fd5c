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

"""Classes of the object model, written down as tables of fields."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from nova_swift_handler.sandbox.xapi.records import field as fields
from nova_swift_handler.sandbox.xapi.records.field import Field


class Schema:
    """The fields of one class, by API name and in the order XAPI lists them."""

    def __init__(self, name: str, table: str, persistent: bool = True):
        """``table``: one field a line (see field.parse); ``persistent``: survives a restart."""
        self.name = name
        self.persistent = persistent
        self.fields: Dict[str, Field] = {}
        self._by_db_name: Dict[str, Field] = {}
        for line in table.strip().splitlines():
            item = fields.parse(line.strip())
            self.fields[item.name] = item
            self._by_db_name[item.db_name] = item

    def by_db_name(self, db_name: str) -> Field:
        """The field a filter means; KeyError for API names with one underscore too few."""
        return self._by_db_name[db_name]

    @property
    def stored(self) -> List[Field]:
        return [item for item in self.fields.values() if not item.mirror]

    def initial(self) -> Dict[str, Any]:
        return {item.name: item.initial() for item in self.stored}

    def from_client(self, given: Mapping[str, Any]) -> Dict[str, Any]:
        """The fields a client may set when it creates a record; others are ignored, as XAPI does.

        Raises FIELD_TYPE_ERROR.
        """
        return {
            item.name: item.accept(given[item.name])
            for item in self.stored
            if item.mode != "ro" and item.name in given
        }
