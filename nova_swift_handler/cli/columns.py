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

"""Values that people and programs want to see differently."""

from __future__ import annotations

import email.utils
import time
from typing import Any, Mapping, Optional, Tuple, Union

from cliff import columns

Shown = Tuple[Tuple[str, ...], Tuple[Any, ...]]
"""Names and values, as cliff takes them to show one thing."""

_BYTES = ("virtual_size", "vhd_size", "sent_bytes", "size", "logical", "stored")
_TIMES = ("stored_at", "expires")
_NUMBERS = ("min_disk", "min_ram")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Bytes(columns.FormattableColumn):
    """A number of bytes: with a unit for people, plain for programs; nothing if unknown."""

    _value: Any

    def human_readable(self) -> str:
        """Return it with a unit."""
        return size(self._value)


class Blank(columns.FormattableColumn):
    """What need not be there: nothing for people if it is not, null for programs."""

    _value: Any

    def human_readable(self) -> str:
        """Return it in words."""
        return "" if self._value is None else str(self._value)


class Names(columns.FormattableColumn):
    """Several names: one after the other for people, a list for programs."""

    _value: Any

    def human_readable(self) -> str:
        """Return them in a row."""
        return ", ".join(self._value)

    def machine_readable(self) -> Any:
        """Return them as a list."""
        return list(self._value)


def size(value: Any) -> str:
    """Return a number of bytes with a unit."""
    if value is None:
        return ""
    number, unit = float(value), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return ("%d %s" if not unit else "%.1f %s") % (number, _UNITS[unit])


def shown(values: Mapping[str, Any]) -> Shown:
    """Return *values* as cliff takes them."""
    return tuple(values), tuple(typed(name, value) for name, value in values.items())


def typed(name: str, value: Any) -> Any:
    """Return a value as it is shown under *name*; texts that stand for others become those."""
    if name in _BYTES and (value is None or str(value).isdigit()):
        return Bytes(None if value is None else int(value))
    if name in _TIMES:
        return moment(value)
    if name in _NUMBERS and str(value).isdigit():
        return int(value)
    if name == "protected" and value in ("true", "false"):
        return value == "true"
    return value


def moment(value: Union[int, str, None]) -> Optional[str]:
    """Return a time as it is shown, by ISO 8601, in UTC; None if unknown.

    :param value: seconds since 1970, or the time as HTTP writes it.
    """
    if value is None:
        return None
    seconds = (value if isinstance(value, int)
               else email.utils.parsedate_to_datetime(value).timestamp())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
