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

"""Every command, told of something that is not there: one exit code, whichever side lacks it."""

from __future__ import annotations

import configparser
import dataclasses
import pathlib
import uuid
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from nova_swift_handler.cli import exit_codes
from tests.functional.handler.bench import Host

from . import conftest
from .conftest import Desk, Terminal
from .test_isos import iso_file
from .test_templates import new_name

IMAGE, VOLUME, TEMPLATE, ISO, VDI, SR, VM, CONTAINER = (
    "image", "volume", "template", "iso", "vdi", "sr", "vm", "container")


@dataclasses.dataclass(frozen=True)
class Case:
    """A command that names something of a kind, ``{}`` standing for it.

    :ivar also: kinds of ids of other things that it takes as well.
    """

    kind: str
    argv: str
    also: Tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return " ".join(self.argv.split()[:2])

    def of(self, wanted: str, here: Dict[str, str]) -> List[str]:
        return [here.get(word[1:], word) if word.startswith("@") else
                wanted if word == "{}" else word for word in self.argv.split()]


CASES = (
    Case(IMAGE, "snapshot show {}", (TEMPLATE,)),
    Case(IMAGE, "snapshot raw {}", (TEMPLATE,)),
    Case(IMAGE, "snapshot url {}", (TEMPLATE,)),
    Case(IMAGE, "snapshot restore {} @file", (TEMPLATE,)),
    Case(IMAGE, "snapshot verify {}", (TEMPLATE,)),
    Case(IMAGE, "snapshot delete {}", (TEMPLATE,)),
    Case(IMAGE, "store drill --id {}", (TEMPLATE,)),
    Case(IMAGE, "image show {}", (TEMPLATE, ISO)),
    Case(IMAGE, "image convert --to ovf {}", (TEMPLATE, ISO)),
    Case(IMAGE, "image relocate {}", (TEMPLATE, ISO)),
    Case(IMAGE, "template create @new --from-image {}", (TEMPLATE,)),
    Case(IMAGE, "volume create --name n --from {}", (TEMPLATE, ISO)),
    Case(VOLUME, "snapshot list --volume {}"),
    Case(VOLUME, "snapshot chain {}"),
    Case(VOLUME, "snapshot verify --volume {}"),
    Case(VOLUME, "snapshot prune --keep-last 1 --volume {}"),
    Case(VOLUME, "store usage --volume {}"),
    Case(VOLUME, "store rebuild --volume {}"),
    *(Case(kind, kind + words, (kind,)) for kind in (TEMPLATE, ISO) for words in (
        " show {}", " set {} --private", " delete {}", " download {} @file", " verify {}",
        " publish {}", " unpublish {}")),
    Case(ISO, "iso push {} --sr @sr"),
    Case(SR, "iso push @iso_name --sr {}", (SR,)),
    Case(SR, "iso sync --sr {}", (SR,)),
    Case(SR, "sr show {}", (SR,)),
    Case(SR, "sr chain {}", (SR,)),
    Case(SR, "sr coalesce {}", (SR,)),
    Case(SR, "sr coalesce --flatten @vdi --to {}", (SR,)),
    Case(SR, "volume list --sr {}", (SR,)),
    Case(SR, "volume create --name n --from @template --sr {}", (SR,)),
    Case(VDI, "sr chain --vdi {}", (VDI,)),
    Case(VDI, "sr coalesce --wait --vdi {}", (VDI,)),
    Case(VDI, "sr coalesce --flatten {}", (VDI,)),
    Case(VDI, "volume snapshot {}", (VDI,)),
    Case(VDI, "volume export {}", (VDI,)),
    Case(VDI, "template create @new --from-vdi {}", (VDI,)),
    Case(VM, "sr coalesce --leaf {}"),
    Case(CONTAINER, "store sweep {}"),
)

NAMELESS = frozenset((
    "doctor", "housekeep", "report", "setup", "store probe", "store reconcile", "store verify",
    "sr list", "template list", "iso list", "image list", "iso create",
    "template sync"))
"""Commands that name nothing which could be missing, but for what filters a list."""


def test_every_command_is_among_the_cases() -> None:
    setup = configparser.ConfigParser()
    setup.read(pathlib.Path(conftest._SOURCES) / "setup.cfg")
    known = {line.partition(" = ")[0].replace("_", " ") for line in
             setup["entry_points"]["nova_swift_handler.cli"].strip().splitlines()}
    assert {each.command for each in CASES} | NAMELESS == {
        name for name in known if not name.startswith("sandbox ")}


@pytest.fixture
def here(desk: Desk, terminals: Dict[str, Terminal], ext: Host,
         tmp_path: pathlib.Path) -> Iterator[Dict[str, str]]:
    """What is there: the ids of one of each kind, and other words of the cases."""
    terminal = terminals["ext"]
    vdi = ext.disk()
    iso = terminal.value("iso", "create", new_name(), "--from", iso_file(tmp_path))
    template = terminal.value("template", "create", new_name(), "--from-vdi", vdi)
    yield {IMAGE: str(uuid.uuid4()), VDI: vdi, ISO: iso["id"], "iso_name": iso["name"],
           TEMPLATE: template["id"], SR: ext.simulated.ready["sr_uuid"],
           "file": str(tmp_path / "written"), "new": new_name()}
    for kind, made in ((ISO, iso), (TEMPLATE, template)):
        terminal.run(kind, "delete", made["id"])


def test_what_is_not_there_is_told_by_one_exit_code(
        desk: Desk, terminals: Dict[str, Terminal], here: Dict[str, str]) -> None:
    """An id of nothing, one of something else, a name of nothing, and what is no name at all."""
    terminal, wrong = terminals["ext"], []
    relocating = desk.terminal(glance_internal_api_servers=desk.bench.env["glance_url"])
    prefix = desk.bench.env["container_prefix"]
    for case in CASES:
        others = [value for kind, value in here.items()
                  if kind in (VDI, ISO, TEMPLATE, SR) and kind not in case.also]
        named = [str(uuid.uuid4()), "nothing", *others, "a/b", "x?y=z", ".."]
        if case.command == "volume create":
            named.pop()  # a directory
        if case.kind == CONTAINER:
            named = [prefix + "-volume-" + str(uuid.uuid4())]
        with desk.nothing_left():
            for wanted in named:
                at = relocating if case.command == "image relocate" else terminal
                code, out, err = at.run(*case.of(wanted, here))
                said = [line for line in err.splitlines() if line.startswith("swift-vhd: ")]
                if (code, out) != (exit_codes.NOT_THERE, "") or not said:
                    wrong.append((case.argv, wanted, code, out, err))
    assert not wrong, "\n".join(map(repr, wrong))


def test_an_empty_text_is_a_mistake_on_the_command_line(
        desk: Desk, terminals: Dict[str, Terminal], here: Dict[str, str],
        capfd: pytest.CaptureFixture[str]) -> None:
    """A variable that nobody has set must not make `snapshot prune --volume` prune all."""
    terminal, wrong = terminals["ext"], []
    for case in CASES:
        for wanted in ("", " "):
            try:
                code: Any = terminal.run(*case.of(wanted, here))
            except SystemExit as ended:
                code = ended.code
            if code != exit_codes.USAGE or "names nothing" not in capfd.readouterr().err:
                wrong.append((case.argv, wanted, code))
    assert not wrong, "\n".join(map(repr, wrong))


def test_a_file_that_is_not_there(desk: Desk, tmp_path: pathlib.Path) -> None:
    terminal, path = desk.terminal(), str(tmp_path / "none")
    for kind in ("template", "iso"):
        terminal.refuses(exit_codes.NOT_THERE, path, kind, "create", new_name(), "--from", path)


def test_a_service_that_does_not_answer_has_its_own_code(desk: Desk) -> None:
    nobody = str(uuid.uuid4())
    away = "http://127.0.0.1:9"
    desk.terminal(endpoint_override=away).refuses(5, "", "snapshot", "show", nobody)
    desk.terminal(glance_api_servers=away).refuses(6, "", "image", "show", nobody)
