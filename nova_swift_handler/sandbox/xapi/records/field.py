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

"""One field of a class: its names, its type, who may change it, and what it starts as."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Callable, Dict

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.values import EPOCH, NULL, DateTime

#: What a field of each kind holds when nothing else is said.
_EMPTY: Dict[str, Any] = {
    "string": "", "int": 0, "float": 0.0, "bool": False, "datetime": EPOCH, "ref": NULL,
    "set": [], "refs": [], "map": {},
}


_DATE = re.compile(r"\d{4}-?\d\d-?\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?")


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _map(value: Any) -> bool:
    return isinstance(value, dict) and _texts([*value, *value.values()])


#: Whether a value off the wire is of a kind (integers are read instead, see accept).
_FITS: Dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "ref": lambda value: isinstance(value, str),
    "float": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "datetime": lambda value: isinstance(value, str) and bool(_DATE.fullmatch(value)),
    "set": _texts, "refs": _texts, "map": _map,
}
#: How the notation of a default is read; text where nothing is said.
_READ_DEFAULT: Dict[str, Callable[[str], Any]] = {
    "int": int, "float": float, "bool": lambda text: text == "true",
    "set": lambda text: text.split(","),
}


@dataclasses.dataclass(frozen=True)
class Field:
    """``db_name`` is what filters know (``name__label``), ``name`` what the API says.

    ``kind``: string, int, float, bool, datetime, ref, set (of strings), refs, map (string to
    string).  ``mode``: ``rw`` the client may set it; ``const`` given at creation only; ``ro`` the
    host's own.  ``target``: class of a ref or of refs.  ``mirror``: for refs, the field of
    ``target`` that points back here; such a field is computed, never stored.
    """

    db_name: str
    kind: str
    mode: str
    default: Any
    target: str = ""
    mirror: str = ""

    @property
    def name(self) -> str:
        return self.db_name.replace("__", "_")

    def initial(self) -> Any:
        """The starting value, never shared between records."""
        if isinstance(self.default, (list, dict)):
            return type(self.default)(self.default)
        return self.default

    def accept(self, value: Any) -> Any:
        """Check a value a client sent and return it as it is stored.

        Integers may come as text or as ``<int>``, dates as text where the wire has no other way
        (JSON).  Raises FIELD_TYPE_ERROR.
        """
        if self.kind == "int":
            try:
                return int(value)
            except (TypeError, ValueError):
                raise ApiError("FIELD_TYPE_ERROR", self.name) from None
        if not _FITS[self.kind](value):
            raise ApiError("FIELD_TYPE_ERROR", self.name)
        if self.kind == "float":
            return float(value)
        return NULL if self.kind == "ref" and not value else self.load(value)

    def load(self, value: Any) -> Any:
        """Give a value read back from disk its type again."""
        return DateTime(value) if self.kind == "datetime" else value

    def filter_text(self, value: Any) -> str:
        """The value as filter expressions see it."""
        if self.kind == "bool":
            return "true" if value else "false"
        return str(value)


def parse(line: str) -> Field:
    """Read ``name kind[:Class[.mirror]] mode [default]``, as the tables here say."""
    parts = line.split(None, 3)
    db_name, kind, mode = parts[:3]
    kind, _, target = kind.partition(":")
    target, _, mirror = target.partition(".")
    default = _EMPTY[kind]
    if len(parts) == 4:
        default = _READ_DEFAULT.get(kind, str)(parts[3])
    return Field(db_name, kind, mode, default, target, mirror)
