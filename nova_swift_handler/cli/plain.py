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

"""What others have written, shown so that it does nothing but be read.

Names and properties of images are their owners' to choose, those of a catalogue's templates are
another cloud's.  A terminal obeys escape sequences in them, and a shell that evaluates what
``-f shell`` prints obeys ``$(...)``.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from typing import Any

from cliff import columns

_ACTIVE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what is no character to be seen: controls, of the direction of writing
too, halves of pairs, and ends of lines."""


def text(value: str, but: str = "") -> str:
    """Return *value* with a backslash and a number for what a terminal would obey.

    :param but: what is left as it is.
    """
    return "".join(
        char if char in but or unicodedata.category(char) not in _ACTIVE
        else char.encode("unicode_escape").decode("ascii") for char in value)


def line(value: object) -> str:
    """Return what a message says in one line."""
    return text(" ".join(str(value).split()))


def cell(value: Any) -> Any:
    """Return a value of a table; lines stay lines."""
    shown = value.human_readable() if isinstance(value, columns.FormattableColumn) else value
    if not isinstance(shown, str):
        return value
    harmless = text(shown, but="\n")
    return value if harmless == shown else harmless  # columns are sorted by what they have


def assigned(value: Any) -> Any:
    """Return a value that ``-f shell`` prints between double quotes.

    cliff takes the quotes in it for what they are, and nothing else.
    """
    if isinstance(value, columns.FormattableColumn):
        value = value.machine_readable()
    return None if value is None else re.sub(r"[\\$`]", r"\\\g<0>", str(value))


def variable(name: str) -> str:
    """Return the name of a column as one that a shell's variable can have."""
    return re.sub("[^A-Za-z0-9_]", "_", name)


class Formatter(logging.Formatter):
    """Formats messages for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line, and those of a traceback."""
        return text(super().format(record), but="\n\t")
