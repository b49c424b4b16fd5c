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

"""The command line, on a volume in a real Swift."""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import logging
import pathlib
import re
import uuid
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from cliff import commandmanager

from nova_swift_handler.cli import app
from tests.functional.handler.bench import Bench, Host
from tests.functional.handler.conftest import (  # noqa: F401  (fixtures)
    bench,
    ext,
    host,
    hosts,
    lvm,
    quiet,
    sessions,
)
from tests.functional.simulator.process import PASSWORD
from tests.functional.store.conftest import Site, site  # noqa: F401  (fixtures)
from tests.functional.transfer.shop import Shop
from tests.functional.transfer.test_deltas import Disk, snapshot
from tests.unit.vhd.conftest import libvhdi, qemu_img  # noqa: F401  (fixtures)

_SOURCES = pathlib.Path(__file__).parents[3]


class Terminal:
    """Where commands are typed."""

    def __init__(self, conf: pathlib.Path) -> None:
        self.conf = conf

    def run(self, *argv: str) -> Tuple[int, str, str]:
        """Run ``swift-vhd``; return its exit code, output and messages."""
        out, err = io.StringIO(), io.StringIO()
        code = app.SwiftVhd(stdout=out, stderr=err).run(
            ["--config-file", str(self.conf), *argv])
        return code, out.getvalue(), err.getvalue()

    def value(self, *argv: str, code: int = 0) -> Any:
        """Run a command with ``-f json``; return what it shows."""
        got, out, err = self.run(*argv, "-f", "json")
        assert got == code, err
        return json.loads(out)

    def refuses(self, code: int, phrase: str, *argv: str) -> str:
        """See that a command fails with this exit code and a message; return that."""
        got, out, err = self.run(*argv)
        assert (got, out) == (code, ""), (got, out, err)
        assert re.search(phrase, err, re.DOTALL), err
        return err


class Place(Terminal):
    """A volume ``a`` of two points, and the command line's way to it.

    :ivar points: oldest first.
    :ivar disks: what is on them.
    """

    def __init__(self, shop: Shop, conf: pathlib.Path, directory: pathlib.Path) -> None:
        super().__init__(conf)
        self.shop = shop
        disk = Disk(12)
        for number in (0, 1, 2, 7, 11):
            disk.write(number, number)
        self.points = [snapshot(shop, disk, directory)]
        self.disks = [disk.raw()]
        disk.write(5, 105)
        del disk.held[1]
        self.points.append(snapshot(shop, disk, directory))
        self.disks.append(disk.raw())

    @property
    def ids(self) -> List[str]:
        return [point.image_id for point in self.points]


@pytest.fixture(scope="module")
def place(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:  # noqa: F811
    shop = Shop(site, "t%s" % uuid.uuid4().hex[:10])
    shop.set_up()
    directory = tmp_path_factory.mktemp("place")
    conf = configparser.RawConfigParser()
    conf.read(site.env["config_file"])
    conf.set("swift_vhd", "container_prefix", shop.names.prefix)
    with open(directory / "swift-vhd.conf", "w", encoding="utf-8") as file:
        conf.write(file)
    yield Place(shop, directory / "swift-vhd.conf", directory)
    shop.tear_down()


@pytest.fixture
def terminals(site: Site, bench: Bench, hosts: Dict[str, Host],  # noqa: F811
              tmp_path: pathlib.Path) -> Dict[str, Terminal]:
    """Where commands are typed for a host of each SR type, in the sandbox's own installation."""
    made = {}
    for kind, each in hosts.items():
        conf = configparser.RawConfigParser()
        conf.read(site.env["config_file"])
        if not conf.has_section("xenserver"):
            conf.add_section("xenserver")
        conf.set("xenserver", "connection_url", each.simulated.url)
        conf.set("xenserver", "connection_username", "root")
        conf.set("xenserver", "connection_password", PASSWORD)
        conf.set("swift_vhd", "staging_dir", str(bench.staging))
        conf.set("swift_vhd", "segment_size", "6")
        path = tmp_path / (kind + ".conf")
        with open(path, "w", encoding="utf-8") as file:
            conf.write(file)
        made[kind] = Terminal(path)
    return made


@pytest.fixture
def terminal(terminals: Dict[str, Terminal], host: Host) -> Terminal:  # noqa: F811
    """Where commands are typed for each host in turn."""
    return terminals[host.kind]


class Desk:
    """Where an operator sits: the sandbox's own installation, each option as it may be set."""

    def __init__(self, bench: Bench, directory: pathlib.Path) -> None:  # noqa: F811
        self.bench = bench
        self.directory = directory
        self.container = bench.env["container_prefix"] + "-templates"

    def terminal(self, user: str = "swift-vhd", **options: str) -> Terminal:
        """Return where commands are typed.

        :param user: that is the service account.
        :param options: of the section [swift_vhd], instead of the sandbox's.
        """
        conf = configparser.RawConfigParser()
        conf.read(self.bench.env["config_file"])
        known = self.bench.env["users"][user]
        for name, value in {
                "username": known["name"], "password": known["password"],
                "project_name": known["project"], "staging_dir": str(self.bench.staging),
                "segment_size": "6", **options}.items():
            conf.set("swift_vhd", name, value)
        path = self.directory / ("%s.conf" % uuid.uuid4())
        with open(path, "w", encoding="utf-8") as file:
            conf.write(file)
        return Terminal(path)

    def images(self) -> Dict[str, Dict[str, Any]]:
        """Return all images, by id."""
        found: Dict[str, Dict[str, Any]] = {}
        path = "/v2/images?limit=100"
        while path:
            body = self.bench.glance("GET", path, "admin").json()
            found.update({each["id"]: each for each in body["images"]})
            path = body.get("next")
        return found

    @contextlib.contextmanager
    def nothing_left(self, announced: bool = False) -> Iterator[None]:
        """See that Swift, Glance and the staging directory are in the end as they were before."""
        before = set(self.images())
        with self.bench.nothing_left(announced=announced):
            yield
        assert set(self.images()) == before


@pytest.fixture
def desk(bench: Bench, tmp_path: pathlib.Path) -> Desk:  # noqa: F811
    return Desk(bench, tmp_path)


def commands_of_sources() -> Any:
    """Return a class that takes the commands from setup.cfg: what is installed may be older."""
    setup = configparser.ConfigParser()
    setup.read(_SOURCES / "setup.cfg")
    entries = [line.split(" = ") for line in
               setup["entry_points"][app.NAMESPACE].strip().splitlines()]

    class Commands(commandmanager.CommandManager):  # type: ignore[misc]
        def load_commands(self, namespace: str) -> None:
            for name, target in entries:
                module, _, attribute = target.partition(":")
                command = getattr(__import__(module, fromlist=[attribute]), attribute)
                self.add_command(name.replace("_", " "), command)

    return Commands


@pytest.fixture(autouse=True)
def from_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the commands from setup.cfg."""
    monkeypatch.setattr(app.commandmanager, "CommandManager", commands_of_sources())


@pytest.fixture(autouse=True)
def quiet_loggers() -> Iterator[None]:
    """Undo what the application does to the process's loggers."""
    root, ours = logging.getLogger(), logging.getLogger("nova_swift_handler")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before
