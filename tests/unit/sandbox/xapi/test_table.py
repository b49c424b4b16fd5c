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

"""doc/source/simulator.rst names tests that exist, for every behaviour at least one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import List, Set

_ROOT = Path(__file__).resolve().parents[4]
_TABLE = _ROOT / "doc" / "source" / "simulator.rst"
_PLACES = {"storage": "tests/unit/sandbox/storage", "xapi": "tests/unit/sandbox/xapi"}
_NAME = re.compile(r"``([a-z_.]+)/(test_\w+)``")


def functions_of(name: str) -> Set[str]:
    """Names of the test functions of a file, as the table calls it."""
    package, dot, module = name.rpartition(".")
    directory = _PLACES[package] if dot else "tests/functional/simulator"
    source = (_ROOT / directory / ("test_%s.py" % module)).read_text()
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def rows() -> List[str]:
    """The rows of all tables, their titles left out."""
    text = _TABLE.read_text().partition("Not simulated\n")[0]
    found = re.split(r"^   \* - ", text, flags=re.MULTILINE)[1:]
    return [row for row in found if not row.startswith("XAPI\n")]


def test_every_test_the_table_names_exists() -> None:
    missing = [found.group() for found in _NAME.finditer(_TABLE.read_text())
               if found.group(2) not in functions_of(found.group(1))]
    assert missing == []


def test_every_row_of_the_table_names_a_test() -> None:
    assert len(rows()) > 40
    assert [row for row in rows() if not _NAME.search(row)] == []
