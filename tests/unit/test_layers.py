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

"""What may use what: dependencies point downward only, read in the sources."""

from __future__ import annotations

import ast
import pathlib
from typing import Dict, Iterator, Set, Tuple

import pytest

import nova_swift_handler

_ROOT = pathlib.Path(nova_swift_handler.__file__).parent

# Each may use what stands in a line above its own.
_LINES = (
    ("exceptions", "settings", "outline", "tally"),
    ("vhd", "files", "store", "xapi", "glance", "credentials"),
    ("catalog", "conf", "identity", "telemetry", "sandbox"),
    ("transfer",),
    ("images", "nova_plugin"),
    ("upkeep", "volumes"),
    ("report", "handler", "doctor"),
    ("cli",),
)
_LEVELS = {name: level for level, names in enumerate(_LINES) for name in names}

# The simulated hosts must not share a defect with what is tried on them.
_SANDBOX_MAY_USE = {"exceptions"}
_SANDBOX_PROGRAMS = ("sandbox/demo/", "sandbox/__main__.py")


def _modules() -> Iterator[Tuple[str, pathlib.Path]]:
    for path in sorted(_ROOT.rglob("*.py")):
        yield path.relative_to(_ROOT).as_posix(), path


def _used(path: pathlib.Path) -> Set[str]:
    """Return the parts of the package that a module imports from, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "%s imports relatively" % path
            names = ["%s.%s" % (node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("nova_swift_handler.")}
    return found


_USED: Dict[str, Set[str]] = {name: _used(path) for name, path in _modules()}


def _part(module: str) -> str:
    return module.split("/")[0].rsplit(".py", 1)[0]


def test_every_part_has_its_level() -> None:
    assert {_part(module) for module in _USED} - {"__init__"} == set(_LEVELS)


@pytest.mark.parametrize("module", sorted(set(_USED) - {"__init__.py", "sandbox/__main__.py"}))
def test_a_module_uses_only_what_is_below_it(module: str) -> None:
    own = _part(module)
    assert {used for used in _USED[module]
            if used != own and _LEVELS[used] >= _LEVELS[own]} == set()


@pytest.mark.parametrize("module", sorted(
    module for module in _USED
    if module.startswith("sandbox/") and not module.startswith(_SANDBOX_PROGRAMS)))
def test_the_simulated_cloud_shares_no_code_with_what_is_tried_on_it(module: str) -> None:
    assert _USED[module] - {"sandbox"} <= _SANDBOX_MAY_USE


def test_the_vhd_format_uses_nothing_but_errors() -> None:
    used = set().union(*(used for module, used in _USED.items() if module.startswith("vhd/")))
    assert used - {"vhd"} == {"exceptions"}
