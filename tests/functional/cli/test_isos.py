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

"""``swift-vhd iso`` on real Swift, Keystone and Glance."""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import sys
from typing import Any, Dict

import pytest

from nova_swift_handler.catalog import properties
from tests.functional.handler.bench import MIB
from tests.unit.transfer.test_chain import small_file_system  # noqa: F401  (fixture)
from tests.unit.vhd import disks

from .conftest import Desk
from .test_templates import new_name

ISO = bytes(0x8000) + b"\x01CD001\x01" + disks.noise(13 * MIB, 77)


def iso_file(directory: pathlib.Path) -> str:
    """Return the path of an ISO."""
    path = directory / "tools.iso"
    path.write_bytes(ISO)
    return str(path)


@pytest.fixture
def iso(desk: Desk, tmp_path: pathlib.Path) -> Any:
    """An ISO, as `iso create` shows it."""
    made = desk.terminal().value("iso", "create", new_name(), "--from", iso_file(tmp_path),
                                 "--public", "--property", "vm_mode=hvm")
    yield made
    desk.terminal().run("iso", "delete", made["id"])


def _container(desk: Desk) -> str:
    return str(desk.bench.env["container_prefix"]) + "-isos"


def test_an_iso_comes_back_as_it_was(desk: Desk, iso: Dict[str, Any],
                                     tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    for wanted in (iso["name"], iso["id"]):
        path = tmp_path / wanted
        assert terminal.run("iso", "download", wanted, str(path))[0] == 0
        assert path.read_bytes() == ISO
        assert path.stat().st_mode & 0o077 == 0
    image = desk.bench.image(iso["id"])
    assert (image["disk_format"], image["size"], image["vm_mode"]) == ("iso", len(ISO), "hvm")
    assert terminal.value("iso", "verify", iso["name"]) == []
    terminal.refuses(9, "--force", "iso", "download", iso["name"], str(tmp_path / iso["id"]))


def test_an_iso_is_shown_and_changed(desk: Desk, iso: Dict[str, Any]) -> None:
    terminal = desk.terminal()
    new = new_name()
    terminal.value("iso", "set", iso["id"], "--name", new, "--private", "--unset", "vm_mode")
    shown = terminal.value("iso", "show", new)
    assert (shown["id"], shown["visibility"], shown["differs_in_glance"]) == (
        iso["id"], "private", [])
    assert shown["checksum"] == "sha256:" + hashlib.sha256(ISO).hexdigest()
    image = desk.bench.image(iso["id"])
    assert (image["name"], image["visibility"], "vm_mode" in image) == (new, "private", False)
    assert new in [row["Name"] for row in terminal.value("iso", "list")]


def test_an_iso_is_deleted_in_whole(desk: Desk, iso: Dict[str, Any]) -> None:
    terminal = desk.terminal()
    (row,) = terminal.value("iso", "delete", "--dry-run", iso["name"])
    assert (row["Verdict"], desk.bench.image(iso["id"])["status"]) == ("to delete", "active")
    terminal.value("iso", "delete", iso["name"])
    assert desk.bench.glance("GET", "/v2/images/" + iso["id"], "admin",
                             raise_exc=False).status_code == 404
    rows = desk.bench.swift("GET", _container(desk) + "?format=json&prefix=points/"
                            + iso["id"]).json()
    assert rows == []
    terminal.refuses(11, "there is no iso called", "iso", "show", iso["name"])


def test_an_iso_that_is_not_what_it_was_is_found_and_not_downloaded(
        desk: Desk, iso: Dict[str, Any], tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    path = "%s/%s.properties" % (_container(desk), iso["name"])
    said = properties.parse(desk.bench.swift("GET", path).content)
    said["checksum"] = "sha256:" + "0" * 64
    desk.bench.swift("PUT", path, data=properties.pack(said))
    target = tmp_path / "got"
    terminal.refuses(7, "its properties say .*000: one of the two was damaged", "iso",
                     "download", iso["name"], str(target))
    assert not target.exists()
    (row,) = terminal.value("iso", "verify", iso["name"], code=7)
    assert row["Kind"] == "disk.iso"
    assert terminal.value("iso", "verify", iso["name"], "--level", "headers") == []


def test_a_part_of_an_iso_that_is_gone_is_found(desk: Desk, iso: Dict[str, Any]) -> None:
    container = _container(desk)
    view = desk.bench.swift("GET", "%s/points/%s/disk.iso?multipart-manifest=get&format=raw" % (
        container, iso["id"])).json()
    desk.bench.swift("DELETE", view[1]["path"].lstrip("/"))
    (row,) = desk.terminal().value("iso", "verify", iso["name"], "--level", "headers", code=7)
    assert (row["Kind"], "/" + row["Object"]) == ("segment", view[1]["path"])


def test_no_partial_iso_is_left_where_there_is_no_room(
        desk: Desk, iso: Dict[str, Any],
        small_file_system: pathlib.Path) -> None:  # noqa: F811
    desk.terminal().refuses(8, "it takes %d bytes" % len(ISO), "iso", "download", iso["name"],
                            str(small_file_system / "got"))
    assert list(small_file_system.iterdir()) == []


@pytest.mark.parametrize("attempt", range(3))
def test_of_several_who_store_under_one_name_at_once_one_does(
        desk: Desk, tmp_path: pathlib.Path, attempt: int) -> None:
    terminal, name, path = desk.terminal(), new_name(), iso_file(tmp_path)
    before = set(desk.images())
    started = [subprocess.Popen(
        [sys.executable, "-m", "nova_swift_handler.cli.app", "--config-file", str(terminal.conf),
         "iso", "create", name, "--from", path, "-f", "json"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True) for _each in range(4)]
    done = [(*each.communicate(), each.returncode) for each in started]
    assert sorted(code for _out, _err, code in done) == [0, 9, 9, 9], done
    (out,) = [out for out, _err, code in done if code == 0]
    assert all("choose another name" in err for _out, err, code in done if code)
    image_id = json.loads(out)["id"]
    assert terminal.value("iso", "show", name)["id"] == image_id
    assert set(desk.images()) - before == {image_id}
    (row,) = terminal.value("iso", "delete", name)
    assert row["Had Image"] is True
