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


"""What tenants have written does nothing to who reads it."""

import json
import logging
import os
import pathlib
import subprocess
import sys

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.cli import app, base, columns

TITLE = "\x1b]0;owned\x07"
CLEAR = "\x1b[2J\x9b2K"
BACKWARDS = "\u202egnp.exe"
EVIL = "web%s%s%s\u2028\x7f" % (TITLE, CLEAR, BACKWARDS)
SHOWN = "web\\x1b]0;owned\\x07\\x1b[2J\\x9b2K\\u202egnp.exe\\u2028\\x7f"
ORDINARY = "Wörld 数据 🐧 a\u00a0b"


class Lists(base.Lister):
    """List images."""

    def take_action(self, parsed_args):
        return ("ID", "Name"), [("1", EVIL), ("2", ORDINARY), ("3", None), ("4", "two\nlines"),
                                ("5", columns.Names([EVIL, "x"]))]


class Shows(base.ShowOne):
    """Show an image."""

    names = ("name", "size", "evil-name\x1b[2J")
    values: tuple = (EVIL, columns.Bytes(7), None)

    def take_action(self, parsed_args):
        return self.names, self.values


class Fails(base.Command):
    """Fail, and say so before."""

    def take_action(self, parsed_args):
        logging.getLogger("nova_swift_handler.some").warning("Image %s\nand more", EVIL)
        raise exceptions.StoreError("image %s\nis bad" % EVIL)


@pytest.fixture
def run(runs):
    """Return a function that runs the application: (exit code, stdout, stderr)."""
    return runs(list=Lists, show=Shows, fail=Fails)


def harmless(text):
    assert not [char for char in text if char not in "\n" and not char.isprintable()
                and char != "\u00a0"], ascii(text)


def test_a_table_gives_a_terminal_no_orders(run):
    _code, out, _err = run("list")
    harmless(out)
    assert out.count(SHOWN) == 2
    assert ORDINARY in out
    assert [line.count("|") for line in out.splitlines() if "lines" in line or "two" in line] == [
        3, 3]
    _code, out, _err = run("show")
    harmless(out)
    assert SHOWN in out
    assert "7 B" in out


def test_a_program_gets_a_name_as_it_is(run):
    assert EVIL in run("list", "-f", "value")[1]
    assert json.loads(run("list", "-f", "json")[1])[0]["Name"] == EVIL


@pytest.mark.parametrize("name", [
    "$(touch owned)", "`touch owned`", '"; touch owned; "', "\\$(touch owned)", "\\\\", "a\nb",
    "\\\"; touch owned #", columns.Names(['"; touch owned; "', "$(touch owned)"]),
    {"k": '"; touch owned; "', "l": "$(touch owned)"}])
def test_a_shell_that_evaluates_it_gets_a_name_and_no_order(run, monkeypatch, tmp_path, name):
    monkeypatch.setattr(Shows, "names", ("name", "size", "x;touch owned;y"))
    monkeypatch.setattr(Shows, "values", (name, columns.Bytes(7), "z"))
    _code, out, _err = run("show", "-f", "shell")
    done = subprocess.run(["sh", "-c", 'eval "$1"; printf %s "$name/$size"', "sh", out],
                          cwd=str(tmp_path), capture_output=True, check=False, text=True)
    if isinstance(name, columns.Names):
        name = name.machine_readable()
    assert (done.stdout, done.stderr) == ("%s/7" % (name,), "")
    assert list(tmp_path.iterdir()) == []


def test_messages_give_a_terminal_no_orders(run, capsys):
    _code, _out, err = run("fail")
    harmless(err)
    assert SHOWN.replace("\\u2028", " ") in err
    warned = capsys.readouterr().err
    harmless(warned)
    assert "WARNING Image %s\nand more\n" % SHOWN in warned


def test_a_name_that_the_terminals_encoding_lacks_does_not_hide_the_others(tmp_path):
    program = ("import sys\nfrom nova_swift_handler.cli import app\n"
               "app.SwiftVhd = lambda: type('A', (), {'run': staticmethod(lambda argv: print("
               "'first', chr(0x6570), chr(0xd800), 'last') or 0)})()\n"
               "sys.exit(app.main([]))")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False,
        cwd=str(pathlib.Path(app.__file__).parents[2]),
        env=dict(os.environ, PYTHONIOENCODING="iso-8859-1"))
    assert (done.returncode, done.stdout) == (0, b"first \\u6570 \\ud800 last\n"), done.stderr
