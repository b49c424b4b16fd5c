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

"""Console blocks of the documentation: what they say is typed, what comes of it, and running it.

A command's output in a page is compared with what it really gives.  What differs from one run to
the next is not: the first time a uuid or a URL turns up in an output, what stands for it in the
page is remembered, and put in its place where a later command of the page names it; times,
digests and the widths of tables are passed over; ``...`` stands for anything.  A command without
output in the page need only succeed.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Container, Dict, List, NamedTuple, Sequence

_BLOCK = ".. code-block:: console"
_NAME = re.compile(
    r"https?://[^\s|'\"]+"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What is passed over, and what stands for it while two outputs are compared.
_PASSING = [
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "<time>"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "<time>"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "<digest>"),
    (re.compile(r"(\bseed\b\D{1,3})\d+|(\bseconds\w*|mb_per_second)(\W+)[\d.]+"), "<figure>"),
    (re.compile(r"\b[\d.]+(s| MB/s)(?=[,\]])"), "<figure>"),
    (re.compile(r"disk size: .*"), "disk size: <figure>"),
    (re.compile(r"\b[\d.]+ (KiB|B)\b"), "<little>"),  # of what is compressed, ids among it
    (re.compile(r"nova_swift_handler \d\S+"), "<version>"),
    (re.compile(r"[-─]{3,}"), "---"),
    (re.compile(r" +"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
]


class Step(NamedTuple):
    """A command of a page.

    :ivar output: what the page shows of it; empty if nothing.
    :ivar first: number of the line that it begins in, from 1.
    :ivar last: number of the last line of its output.
    :ivar indent: blanks in front of each line.
    """

    command: str
    output: str
    first: int
    last: int
    indent: int


def steps(page: Path) -> List[Step]:
    """Return the commands of a page's console blocks, in order."""
    found: List[Step] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    inside = False
    for number, line in enumerate(lines, 1):
        if line.startswith(_BLOCK):
            inside = True
        elif inside and line.strip() and not line.startswith(" "):
            inside = False
        elif inside and line.strip().startswith("$ "):
            indent = len(line) - len(line.lstrip())
            found.append(Step(line.strip()[2:], "", number, number, indent))
        elif inside and found and line.strip():
            step = found[-1]
            if step.command.endswith("\\") and not step.output:
                step = step._replace(command=step.command[:-1].rstrip() + " " + line.strip())
            else:
                # An empty line between two lines of output is output too.
                gap = "\n" * (number - step.last - 1) if step.output else ""
                step = step._replace(output=step.output + gap + line[step.indent:] + "\n")
            found[-1] = step._replace(last=number)
    return found


class Shell:
    """Where the commands of pages are typed.

    :param directory: the current directory.
    :param path: directories with programs, searched before the machine's own.
    :param environment: variables besides the machine's own.
    """

    def __init__(self, directory: Path, path: List[Path], environment: Dict[str, str]) -> None:
        self.directory = directory
        self._environment = {
            **os.environ, **environment, "COLUMNS": "1000",
            "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]])}
        self._real: Dict[str, str] = {}

    def type(self, command: str) -> str:
        """Run a command of a page; return its output and messages.

        :raises AssertionError: it failed.
        """
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.real(command)], cwd=self.directory,
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, check=False, timeout=900)
        assert done.returncode == 0, "%s\nended with %d:\n%s" % (
            self.real(command), done.returncode, done.stdout)
        return done.stdout

    def real(self, text: str) -> str:
        """Return *text* with what the page's names stand for in this run."""
        return _NAME.sub(lambda match: self._real.get(match.group(), match.group()), text)

    def compare(self, step: Step, got: str) -> None:
        """See that a command gave what the page says, and learn what its names stand for.

        Lines may come in another order, since many listings are in the order of ids.

        :raises AssertionError: it did not.
        """
        for arranged in (str, _sorted):
            shown = arranged(_plain(self.real(step.output)))
            known = self._real.values()
            match = re.fullmatch(_pattern(shown, known), arranged(_plain(got)))
            if match:
                self._learn([name for name in _NAME.findall(shown) if name not in known],
                            match.groups())
                return
        raise AssertionError("%s\ngave:\n%s\nwhere the page has:\n%s" % (
            step.command, got, step.output))

    def renewed(self, step: Step, got: str) -> str:
        """Return what a page is to show of an output, by the names that it has for things."""
        names = [name for name in _NAME.findall(step.output) if name not in self._real]
        real = [name for name in _NAME.findall(got) if name not in self._real.values()]
        if len(names) == len(real):
            self._learn(names, real)
        known = {value: name for name, value in self._real.items()}
        return _NAME.sub(lambda match: known.get(match.group(), match.group()), got)

    def _learn(self, names: Sequence[str], real: Sequence[str]) -> None:
        for name, value in zip(names, real):
            assert self._real.setdefault(name, value) == value, (
                "the page calls %s what was %s before and is %s now" % (
                    name, self._real[name], value))


def _plain(text: str) -> str:
    """Return *text* without what is passed over; names stay as they are."""
    parts = re.split("(%s)" % _NAME.pattern, text)
    for at in range(0, len(parts), 2):
        for pattern, instead in _PASSING:
            parts[at] = pattern.sub(instead, parts[at])
    return "".join(parts).strip()


def _sorted(text: str) -> str:
    return "\n".join(sorted(text.splitlines()))


def _pattern(shown: str, known: Container[str]) -> str:
    """Return a regular expression for outputs like *shown*, with a group for each name that is
    not known."""
    parts: List[str] = []
    at = 0
    for match in re.finditer(_NAME.pattern + r"|\.\.\.", shown):
        found = match.group()
        parts += [re.escape(shown[at:match.start()]),
                  r"[\s\S]*?" if found == "..." else
                  re.escape(found) if found in known else "(%s)" % _NAME.pattern]
        at = match.end()
    return "".join([*parts, re.escape(shown[at:])])


def record(page: Path, outputs: Dict[int, str]) -> None:
    """Write outputs into a page in the place of those it has.

    :param outputs: of commands, by the line that they begin in.
    """
    lines = page.read_text(encoding="utf-8").splitlines()
    for step in reversed(steps(page)):
        if step.first in outputs:
            after = step.last - step.output.count("\n")
            lines[after:step.last] = [
                (" " * step.indent + line).rstrip()
                for line in outputs[step.first].rstrip("\n").splitlines()]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
