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

"""Python sources of a wheel, looked at without importing them."""

from __future__ import annotations

import ast
import pathlib
import zipfile
from typing import Any, Dict, Iterator, List, Optional


class Wheel:
    """One wheel.

    :param path: the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self.names = frozenset(self._zip.namelist())
        self._trees: Dict[str, ast.Module] = {}

    def metadata(self) -> str:
        """Return its METADATA."""
        (name,) = [each for each in self.names if each.endswith(".dist-info/METADATA")]
        return self._zip.read(name).decode("utf-8")

    def tree(self, module: str) -> ast.Module:
        """Return the source of a module, parsed.

        :param module: dotted; ``KeyError`` if there is none.
        """
        if module not in self._trees:
            base = module.replace(".", "/")
            path = base + ".py" if base + ".py" in self.names else base + "/__init__.py"
            self._trees[module] = ast.parse(self._zip.read(path))
        return self._trees[module]

    def find(self, dotted: str) -> Optional[ast.AST]:
        """Return what a dotted name stands for: a definition, or None.

        Modules and packages are looked through from the longest name to the shortest; names that
        a module imports from others are followed within the wheel.
        """
        parts = dotted.split(".")
        for length in range(len(parts), 0, -1):
            module = ".".join(parts[:length])
            try:
                found: Any = self.tree(module)
            except KeyError:
                continue
            for depth, name in enumerate(parts[length:], length):
                below = _defined(found, name)
                if below is None:
                    source = _imported(found, name) if depth == length else None
                    return self.find(".".join([source, *parts[depth + 1:]])) if source else None
                found = below
            return found
        return None


def _defined(scope: Any, name: str) -> Optional[ast.AST]:
    for node in getattr(scope, "body", []):
        if getattr(node, "name", None) == name:
            return node  # type: ignore[no-any-return]
        if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return node
    return None


def _imported(module: Any, name: str) -> Optional[str]:
    for node in getattr(module, "body", []):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    origin = getattr(node, "module", None)
                    return "%s.%s" % (origin, alias.name) if origin else alias.name
    return None


def code(node: ast.AST) -> str:
    """Return a definition as text in which only what is executed counts: no comments, docstrings,
    line breaks or texts for people."""
    return ast.dump(_WithoutTexts().visit(ast.parse(ast.unparse(node))))


class _WithoutTexts(ast.NodeTransformer):
    """Takes out docstrings and the arguments of log calls, whose words change."""

    def visit_Expr(self, node: ast.Expr) -> Any:
        if isinstance(node.value, ast.Constant) or ast.unparse(node).startswith("LOG."):
            return ast.Pass()
        return self.generic_visit(node)


def parameters(node: ast.AST) -> List[str]:
    """Return the names of a function's parameters, in order."""
    assert isinstance(node, ast.FunctionDef)
    return [each.arg for each in node.args.args]


def calls(node: ast.AST, function: str) -> Iterator[ast.Call]:
    """Yield the calls of *function*, as it is written there, in the order of the source."""
    found = [each for each in ast.walk(node)
             if isinstance(each, ast.Call) and ast.unparse(each.func) == function]
    yield from sorted(found, key=lambda call: (call.lineno, call.col_offset))
