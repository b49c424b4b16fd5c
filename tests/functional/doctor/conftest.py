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

"""A place to type ``swift-vhd doctor`` in, whose configuration a test can change."""

from __future__ import annotations

import configparser
import json
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

import pytest

from tests.functional.cli.conftest import (  # noqa: F401  (fixtures)
    Terminal,
    from_sources,
    quiet_loggers,
)


class Line(NamedTuple):
    """One line of the doctor's."""

    state: str
    area: str
    what: str
    found: str
    mend: str


class Clinic(Terminal):
    """An installation on the cloud's services.

    :param prefix: what its containers' names begin with.
    :ivar env: what ``swift-vhd sandbox env`` prints.
    """

    def __init__(self, cloud: Any, directory: Path, prefix: str) -> None:
        super().__init__(directory / "nova.conf")
        self.cloud = cloud
        self.env: Dict[str, Any] = cloud.env
        self.prefix = prefix
        self._session = cloud.session("swift-vhd")
        self._path = directory / "nova.conf"
        self._config = configparser.RawConfigParser(strict=False)
        self._config.optionxform = str  # type: ignore[assignment,method-assign]
        self._config.read(cloud.region("ext")["nova_conf"])
        self.set("swift_vhd", container_prefix=self.prefix, staging_dir=str(directory),
                 staging_limit="1")

    def set(self, section: str, **options: Any) -> None:
        """Give options values; None removes one."""
        if not self._config.has_section(section) and section != "DEFAULT":
            self._config.add_section(section)
        for name, value in options.items():
            if value is None:
                self._config.remove_option(section, name)
            else:
                self._config.set(section, name, str(value))
        with self._path.open("w") as file:
            self._config.write(file)

    def set_up(self) -> None:
        code, _out, err = self.run("setup")
        assert code == 0, err

    def examine(self, *options: str) -> List[Line]:
        """Return what the doctor says; see that its exit code agrees."""
        code, out, err = self.run("doctor", *options, "-f", "json")
        assert code in (0, 10), err
        lines = [Line(*row.values()) for row in json.loads(out)]
        assert (code == 10) is any(line.state == "wrong" for line in lines)
        return lines

    def one(self, what: str, *options: str) -> Line:
        """Return the one line about something."""
        found = [line for line in self.examine(*options) if line.what.startswith(what)]
        assert len(found) == 1, found
        return found[0]

    def swift(self, method: str, path: str, **kwargs: Any) -> Any:
        return self._session.request("%s/%s" % (self.env["images_account_url"], path), method,
                                     raise_exc=False, **kwargs)

    def containers(self) -> List[str]:
        rows = self.swift("GET", "?format=json").json()
        return [row["name"] for row in rows if row["name"].startswith(self.prefix + "-")]

    def left(self) -> Any:
        """Return all that a doctor could leave behind."""
        objects = {name: [row["name"] for row in self.swift("GET", name + "?format=json").json()
                          if not row["name"].startswith(".abilities")]
                   for name in self.containers()}
        images = self._session.get(
            "%s/v2/images?name=swift-vhd%%20doctor" % self.env["glance_url"]).json()["images"]
        known = self.env["users"]["swift-vhd"]
        credentials = self._session.get("%s/users/%s/application_credentials" % (
            self.env["keystone_url"], known["id"])).json()["application_credentials"]
        return objects, images, credentials

    def traces(self) -> Any:
        """Return what only a doctor leaves, for an installation that others use meanwhile."""
        objects, images, credentials = self.left()
        found = [name for name in objects if "-doctor-" in name]
        found += [name for names in objects.values() for name in names
                  if name.startswith((".doctor/", ".probe/"))]
        return found, images, credentials

    def tear_down(self) -> None:
        for container in self.containers():
            for row in self.swift("GET", container + "?format=json").json():
                self.swift("DELETE", "%s/%s" % (container, row["name"]))
            self.swift("DELETE", container)


@pytest.fixture
def empty(cloud: Any, tmp_path: Path) -> Iterator[Clinic]:
    """An installation that nobody has set up, of a prefix nobody else has."""
    made = Clinic(cloud, tmp_path, "d%s" % uuid.uuid4().hex[:10])
    yield made
    made.tear_down()


@pytest.fixture
def clinic(empty: Clinic) -> Clinic:
    """One that is all right, but that the cloud's Glance has another one's store."""
    empty.set_up()
    return empty


@pytest.fixture
def whole(cloud: Any, tmp_path: Path) -> Clinic:
    """The cloud's own, which Glance's store belongs to."""
    return Clinic(cloud, tmp_path, cloud.env["container_prefix"])
