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

"""Two clouds: one whose templates and ISOs are brought in step and published, one that takes them.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import os
import pathlib
import sqlite3
import uuid
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib import error, request

import pytest

from nova_swift_handler.catalog import names, properties
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.images import named
from nova_swift_handler.sandbox import glance, plan
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.sandbox import Sandbox
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.transfer import jobs
from tests.functional.cli.conftest import (  # noqa: F401  (fixtures)
    Terminal,
    from_sources,
    quiet_loggers,
)
from tests.functional.conftest import Cloud
from tests.functional.store.conftest import Site
from tests.functional.transfer.shop import write_disk
from tests.unit.vhd import independent

MIB = 1024 * 1024
_NAMES = ("debian", "rocky", "secret", "kept", "broken", "tools", "installer", "t0", "t1", "t2")
"""What tests call templates and ISOs."""

_SECOND = "SWIFT_VHD_TEST_SECOND_SANDBOX"


class Town(Terminal):
    """A cloud, and where commands are typed for it.

    :ivar where: the names of its containers.
    """

    def __init__(self, cloud: Cloud, directory: pathlib.Path) -> None:
        self.cloud = cloud
        self.env = cloud.env
        self.site = Site(cloud.env)
        self.account = self.site.account()
        self.where = names.Containers(self.env["container_prefix"])
        self.directory = directory
        conf = configparser.RawConfigParser()
        conf.read(self.env["config_file"])
        conf.set("swift_vhd", "staging_dir", str(directory))
        conf.set("swift_vhd", "segment_size", "6")
        self._conf_parser = conf
        self._write()
        super().__init__(directory / "swift-vhd.conf")
        code, _out, err = self.run("setup")
        assert code == 0, err

    def connect(self, url: str, password: str) -> None:
        """Have commands reach a host."""
        if not self._conf_parser.has_section("xenserver"):
            self._conf_parser.add_section("xenserver")
        for key, value in (("url", url), ("username", "root"), ("password", password)):
            self._conf_parser.set("xenserver", "connection_" + key, value)
        self._write()

    def _write(self) -> None:
        with open(self.directory / "swift-vhd.conf", "w", encoding="utf-8") as file:
            self._conf_parser.write(file)

    def services(self) -> jobs.Services:
        """How the commands reach everything."""
        env = self.env
        return jobs.Services(
            credentials=self.site.credentials(),
            store=StoreSettings(self.where.prefix, segment_size=6 * MIB,
                                reader_acl=env["glance_store_acl"]),
            transfer=TransferSettings(staging_dir=str(self.directory)),
            glance=GlanceSettings(
                endpoints=(env["glance_url"],),
                store_auth_address=env["glance_store_auth_address"],
                store_user=env["glance_store_user"], store_key=env["glance_store_key"],
                images_container=env["images_container"]))

    # -- Glance, with nothing of ours in between -----------------------------------------------

    def glance(self, method: str, path: str, user: str = "admin", **kwargs: Any) -> Any:
        return self.site.session(user).request(
            self.env["glance_url"] + path, method, raise_exc=False, **kwargs)

    def image(self, image_id: str) -> Dict[str, Any]:
        return dict(self.glance("GET", "/v2/images/" + image_id).json())

    def images(self, name: str) -> List[Dict[str, Any]]:
        """Return the images of a name, hidden ones too."""
        found: List[Dict[str, Any]] = []
        for hidden in ("false", "true"):
            found += self.glance("GET", "/v2/images?visibility=all&os_hidden=%s&name=%s" % (
                hidden, name)).json()["images"]
        return found

    def patch(self, image_id: str, *changes: Dict[str, Any]) -> None:
        answer = self.glance(
            "PATCH", "/v2/images/" + image_id, json=list(changes),
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"})
        assert answer.status_code == 200, answer.text

    def delete_image(self, image_id: str) -> None:
        assert self.glance("DELETE", "/v2/images/" + image_id).status_code == 204

    def purge(self, image_id: str) -> None:
        """Take a deleted image out of Glance's database, as its purge does."""
        for table in ("image_properties", "image_tags", "image_locations", "image_members"):
            self._sql("DELETE FROM %s WHERE image_id = ?" % table, image_id)
        self._sql("DELETE FROM images WHERE id = ?", image_id)

    def _sql(self, statement: str, *values: str) -> None:
        [path] = self.cloud.root.rglob(glance.DATABASE)
        with sqlite3.connect(str(path), timeout=60) as base:
            base.execute(statement, values)

    def status(self, image_id: str, status: str) -> None:
        """Make Glance believe that an image has a status, as a process that died leaves it."""
        self._sql("UPDATE images SET status = ?, size = NULL WHERE id = ?", status, image_id)

    def forget_location(self, image_id: str) -> None:
        """Make Glance forget where an image's bytes are."""
        self._sql("DELETE FROM image_locations WHERE image_id = ?", image_id)

    def disk(self, image_id: str) -> str:
        """Return the SHA-256 of the disk that Glance gives for an image, read by other code."""
        data = self.glance("GET", "/v2/images/%s/file" % image_id).content
        size = independent.parse(data).size
        disk = bytearray(size)
        independent.apply(data, disk)
        return hashlib.sha256(disk).hexdigest()

    # -- templates and ISOs ---------------------------------------------------------------------

    def template(self, name: str, seed: int = 1, *options: str) -> Tuple[Dict[str, Any], str]:
        """Store a template; return what the command shows, and the SHA-256 of the disk."""
        path = self.directory / ("%s.vhd" % uuid.uuid4())
        disk = write_disk(path, seed, blocks=5)
        shown = self.value("template", "create", name, "--from", str(path), *options)
        path.unlink()
        return shown, hashlib.sha256(disk).hexdigest()

    def iso(self, name: str, size: int = 3 * MIB, *options: str) -> Tuple[Dict[str, Any], bytes]:
        """Store an ISO; return what the command shows, and its bytes."""
        data = bytes(0x8000) + b"\x01CD001\x01" + os.urandom(size - 0x8000 - 7)
        path = self.directory / ("%s.iso" % uuid.uuid4())
        path.write_bytes(data)
        shown = self.value("iso", "create", name, "--from", str(path), *options)
        path.unlink()
        return shown, data

    def rows(self, *argv: str, code: int = 0) -> List[Dict[str, Any]]:
        """Return what a command lists."""
        return list(self.value(*argv, code=code))

    def actions(self, *argv: str, code: int = 0) -> Dict[str, str]:
        """Return what a command does, by name."""
        return {row["Name"]: row["Action"] for row in self.rows(*argv, code=code)}

    def properties(self, kind: str, name: str) -> Optional[Dict[str, str]]:
        return properties.read(
            self.account, self.where.templates if kind == "template" else self.where.isos, name)

    def clear(self) -> None:
        """Delete everything, and what tests have left in Glance."""
        for kind in ("template", "iso"):
            for values in properties.each(
                    self.account, named.container_of(self.where, kind)):
                self.run(kind, "delete", values["id"])
        for hidden in ("false", "true"):
            for image in self.glance(
                    "GET", "/v2/images?visibility=all&limit=1000&os_hidden=" + hidden
                    ).json()["images"]:
                if image["name"].partition("@")[0] in _NAMES:
                    self.delete_image(image["id"])
        for container in (self.where.templates, self.where.isos, self.where.catalogue,
                          self.where.index, self.where.images):
            if container in self.account.containers(container):
                for row in list(self.account.listing(container)):
                    if not row["name"].startswith("."):
                        self.account.delete(container, row["name"])


def anonymous(url: str) -> Tuple[int, bytes]:
    """GET an address without a token; return status and body."""
    try:
        with request.urlopen(url, timeout=30) as answer:
            return int(answer.status), bytes(answer.read())
    except error.HTTPError as refused:
        return int(refused.code), b""


@pytest.fixture(scope="session")
def second_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Keystone, Swift and Glance of their own."""
    running = os.environ.get(_SECOND)
    sandbox = Sandbox(Layout(pathlib.Path(running) if running
                             else tmp_path_factory.mktemp("second")), bound=True)
    if running:
        yield Cloud(sandbox, sandbox.environment())
        return
    env = sandbox.up(lambda: plan.make([], container_prefix="vhd"))
    try:
        yield Cloud(sandbox, env)
    finally:
        sandbox.down()


@contextlib.contextmanager
def _cleared(cloud: Cloud, directory: pathlib.Path) -> Iterator[Town]:
    directory.mkdir()
    town = Town(cloud, directory)
    town.clear()
    yield town
    town.clear()


@pytest.fixture
def home(second_cloud: Cloud, tmp_path: pathlib.Path) -> Iterator[Town]:
    """A cloud without templates and ISOs."""
    with _cleared(second_cloud, tmp_path / "home") as town:
        yield town


@pytest.fixture
def abroad(cloud: Cloud, tmp_path: pathlib.Path) -> Iterator[Town]:
    """Another cloud; it may have templates of other tests."""
    with _cleared(cloud, tmp_path / "abroad") as town:
        yield town
