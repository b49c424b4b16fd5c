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

"""What the manual says of messages, options and exit codes is what is in the code."""

from __future__ import annotations

import ast
import configparser
import pathlib
import re
from typing import Iterator, List, Set

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGES = ROOT / "doc" / "source"
PACKAGE = ROOT / "nova_swift_handler"

_HOLE = "\0"
# What stands for values in format strings, and in the manual.
_VALUES = re.compile(r"%(?:\(\w+\))?[-#0]*\d*(?:\.\d+)?[srdxgf]|%%")
_IN_MANUAL = re.compile(r"<[^<>]+>")
_TERM = re.compile(r"^ *``(.+)``$")
_LOGS = ("error", "warning", "exception")


def _text(node: ast.AST) -> str:
    """Return the text of a literal, a hole for each value; empty if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _VALUES.sub(lambda found: "%" if found.group() == "%%" else _HOLE, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _HOLE
                       for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (_text(node.left) or _HOLE) + (_text(node.right) or _HOLE)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _text(node.left)
    return ""


def _trees(*parts: str) -> Iterator[ast.Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE).parts[0]
        if inside != "sandbox" and (not parts or inside in parts):
            yield ast.parse(path.read_text(encoding="utf-8"))


def _messages() -> Set[str]:
    return {_text(node) for tree in _trees() for node in ast.walk(tree)}


def _as_in_code(term: str) -> str:
    return _IN_MANUAL.sub(_HOLE, term)


def _terms(page: str) -> List[str]:
    """Return the messages that a page explains: literal text on a line of its own, in front of a
    paragraph that is indented further."""
    lines = (PAGES / page).read_text(encoding="utf-8").splitlines()
    found = []
    for line, below in zip(lines, [*lines[1:], ""]):
        match = _TERM.match(line)
        if match and len(below) - len(below.lstrip()) > len(line) - len(line.lstrip()):
            found.append(match.group(1).strip())
    return found


@pytest.fixture(scope="module")
def messages() -> Set[str]:
    return _messages()


@pytest.mark.parametrize("term", [
    term for term in _terms("troubleshooting.rst") if " " in term])
def test_a_message_that_is_explained_is_one(messages: Set[str], term: str) -> None:
    wanted = _as_in_code(term)
    assert any(wanted in each for each in messages), term


def test_every_line_that_nova_compute_may_log_is_explained() -> None:
    explained = [_as_in_code(term) for term in _terms("troubleshooting.rst")]
    for tree in _trees("handler.py", "nova_plugin"):
        for node in ast.walk(tree):
            if (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                    and node.func.attr in _LOGS
                    and getattr(node.func.value, "id", "") == "LOG"):
                logged = _text(node.args[0])
                assert any(each in logged for each in explained), logged


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.rst")))
def test_a_line_of_a_log_that_a_page_shows_is_one(messages: Set[str], page: str) -> None:
    """Literals that begin as our log lines of snapshots, boots and start-up do."""
    text = (PAGES / page).read_text(encoding="utf-8")
    for shown in re.findall(r"``((?:Made VDI|Stored instance|Snapshots and boots will)[^`]*)``",
                            re.sub(r"\s*\n\s*", " ", text)):
        wanted = _as_in_code(shown.replace("...", ""))
        assert any(wanted.split(", " + _HOLE)[0].rstrip(" ,") in each for each in messages), shown


def test_every_command_that_a_page_names_is_one() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    known = {line.partition(" = ")[0].replace("_", " ")
             for line in setup["entry_points"]["nova_swift_handler.cli"].strip().splitlines()}
    groups = {name.partition(" ")[0] for name in known}
    for path in [ROOT / "README.rst", *PAGES.glob("*.rst")]:
        for said in re.finditer(r"swift-vhd ([a-z]+)(?: ([a-z]+))?", path.read_text("utf-8")):
            group, verb = said.groups()
            assert group in known or "%s %s" % (group, verb) in known or (
                verb is None and group in groups), "%s names %s" % (path.name, said.group())


def test_every_option_that_a_page_names_is_one() -> None:
    from nova_swift_handler.conf import opts

    ours = {opt.dest for _group, options in opts.list_opts() for opt in options}
    for path in PAGES.glob("*.rst"):
        for name in re.findall(r"``(glance_store_[a-z_]+[a-z]|xapi_\w+|chain_\w+|sweep_\w+|"
                               r"max_concurrent_\w+|staging_\w+|transfer_\w+timeout)``",
                               path.read_text(encoding="utf-8")):
            assert name in ours, "%s names %s" % (path.name, name)


def test_every_exit_code_is_explained_once() -> None:
    from nova_swift_handler import exceptions
    from nova_swift_handler.cli import exit_codes

    told = re.findall(r"^(\d+) +\S", str(exit_codes.__doc__), re.MULTILINE)
    assert len(told) == len(set(told))
    kinds = [each for each in vars(exceptions).values()
             if isinstance(each, type) and issubclass(each, exceptions.SwiftVhdError)]
    codes = {code for _kind, code in exit_codes._CODES} | {0} | {
        value for name, value in vars(exit_codes).items() if name.isupper() and name != "_CODES"}
    assert {str(code) for code in codes} == set(told)
    for kind in kinds:
        assert str(exit_codes.of(kind("of a test"))) in told
