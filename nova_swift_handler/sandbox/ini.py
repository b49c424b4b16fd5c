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

"""Configuration files of services, written from plain mappings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Mapping, Union

Value = Union[str, int, float, bool, Path, List[str]]
Sections = Dict[str, Dict[str, Value]]


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    return str(value)


def sqlite(path: Path, patience: int = 60) -> Dict[str, Value]:
    """Return the options of oslo.db for a database in a file.

    What a crash of the machine would lose may be lost.

    :param patience: seconds that a writer waits for another one.  SQLite's default of 5 is too
        short for a busy machine.
    """
    return {"connection": f"sqlite:///{path}?timeout={patience}", "sqlite_synchronous": False}


def render(sections: Mapping[str, Mapping[str, Value]]) -> str:
    """Return the text of an ini file; sections and options stand in the order given."""
    lines: List[str] = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines.extend(f"{option} = {_text(value)}" for option, value in options.items())
        lines.append("")
    return "\n".join(lines)


def write(path: Path, sections: Mapping[str, Mapping[str, Value]]) -> Path:
    """Write an ini file that only its owner can read: they hold passwords."""
    return write_text(path, render(sections))


def write_text(path: Path, text: str) -> Path:
    """Write a private file in one step, so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(str(unfinished), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        output.write(text)
    os.replace(unfinished, path)
    return path
