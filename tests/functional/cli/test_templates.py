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

"""``swift-vhd template`` on real Swift, Keystone and Glance."""

from __future__ import annotations

import hashlib
import pathlib
import signal
import subprocess
import sys
import uuid
from typing import Any, Callable, Dict, List

import pytest

from nova_swift_handler.catalog import deletion, names, properties
from nova_swift_handler.images import begun
from nova_swift_handler.transfer import process
from nova_swift_handler.vhd import constants
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.handler.test_round_trip import sha256
from tests.functional.proxy import Proxy
from tests.unit.transfer import images
from tests.unit.transfer.test_chain import small_file_system  # noqa: F401  (fixture)
from tests.unit.vhd import disks, independent
from tests.unit.vhd.conftest import QemuImg

from .conftest import Desk

B = constants.BLOCK_SIZE
DISK = bytes(510) + b"\x55\xaa" + disks.disk(9 * B, [0, 3, 8])[512:]


def new_name() -> str:
    """Return a name that no template has, not even one that a failed test left."""
    return "of a test %s" % uuid.uuid4()


def raw(directory: pathlib.Path, disk: bytes = DISK) -> str:
    """Return the path of a raw file."""
    path = directory / "disk.raw"
    path.write_bytes(disk)
    return str(path)


def qcow2(directory: pathlib.Path, qemu_img: QemuImg, disk: bytes = DISK) -> str:
    """Return the path of a qcow2 image."""
    path = directory / "disk.qcow2"
    qemu_img.run("convert", "-f", "raw", "-O", "qcow2", "-c", raw(directory, disk), str(path))
    return str(path)


def _fixed(directory: pathlib.Path, qemu_img: QemuImg) -> str:
    path = directory / "fixed.vhd"
    path.write_bytes(DISK + independent.footer(len(DISK), independent.FIXED))
    return str(path)


def _ovf(directory: pathlib.Path, qemu_img: QemuImg) -> str:
    path = directory / "image"
    vhd = directory / "made.vhd"
    qemu_img.run("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on",
                 raw(directory), str(vhd))
    path.write_bytes(images.tgz([("0.vhd", vhd.read_bytes())]))
    return str(path)


@pytest.fixture
def template(desk: Desk, tmp_path: pathlib.Path) -> Any:
    """A template, as `template create` shows it."""
    terminal = desk.terminal()
    made = terminal.value("template", "create", new_name(), "--from", raw(tmp_path), "--public",
                          "--os-type", "linux", "--hvm", "--min-disk", "2", "--property",
                          "hw:a=b c")
    yield made
    desk.bench.glance("PATCH", "/v2/images/" + made["id"], "admin", raise_exc=False, headers={
        "Content-Type": "application/openstack-images-v2.1-json-patch"}, json=[
            {"op": "replace", "path": "/protected", "value": False}])
    terminal.run("template", "delete", made["id"])


def _said(desk: Desk, name: str) -> Dict[str, str]:
    """Return what the properties in Swift say."""
    return properties.parse(desk.bench.swift(
        "GET", "%s/%s.properties" % (desk.container, name)).content)


# -- create -------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [
    lambda directory, qemu_img: raw(directory), qcow2, _fixed, _ovf],
    ids=["raw", "qcow2", "fixed", "ovf"])
def test_a_template_of_any_kind_of_file_boots(
        make: Callable[[pathlib.Path, QemuImg], str], bench: Bench, ext: Host, desk: Desk,
        tmp_path: pathlib.Path, qemu_img: QemuImg, libvhdi: Any) -> None:
    terminal = desk.terminal()
    name = new_name()
    made = terminal.value("template", "create", name, "--from", make(tmp_path, qemu_img),
                          "--public")
    booted = process.run(bench.boot_job(ext, made["id"]))
    assert booted["source"] == "swift"
    assert ext.control.guest_sha256(booted["vdi_uuid"]) == sha256(DISK, ext, booted["vdi_uuid"])
    assert terminal.run("template", "download", name, str(tmp_path / "got.raw"), "--format",
                        "raw")[0] == 0
    assert (tmp_path / "got.raw").read_bytes() == DISK
    assert terminal.run("template", "download", made["id"], str(tmp_path / "got.vhd"))[0] == 0
    assert qemu_img.raw(tmp_path / "got.vhd") == DISK
    file = libvhdi.file()
    file.open(str(tmp_path / "got.vhd"))
    assert file.read_buffer_at_offset(len(DISK), 0) == DISK
    file.close()
    assert terminal.value("template", "verify", name, "--level", "all") == []
    terminal.value("template", "delete", name)


def test_what_is_said_of_the_image_is_beside_the_data_and_in_glance(
        desk: Desk, template: Dict[str, Any]) -> None:
    image = desk.bench.image(template["id"])
    wanted = {"status": "active", "visibility": "public", "os_type": "linux", "vm_mode": "hvm",
              "min_disk": 2, "hw:a": "b c", "name": template["name"], "protected": False,
              "disk_format": "vhd"}
    assert {key: image[key] for key in wanted} == wanted
    assert begun.MARK not in image
    said = _said(desk, template["name"])
    assert said == {
        "name": template["name"], "id": template["id"], "kind": "template",
        "size": str(image["size"]), "virtual_size": str(len(DISK)),
        "checksum": said["checksum"], "created_at": image["created_at"], "visibility": "public",
        "min_disk": "2", "property.os_type": "linux", "property.vm_mode": "hvm",
        "property.hw:a": "b c"}
    assert said["checksum"].startswith("blocks-sha256:")
    shown = desk.terminal().value("template", "show", template["name"])
    assert (shown["image_status"], shown["differs_in_glance"]) == ("active", [])
    assert {key: str(shown[key]) for key in said} == said
    assert desk.terminal().value("template", "show", template["id"]) == shown


def test_a_protected_template_is_protected_once_it_is_active(desk: Desk,
                                                             tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    made = terminal.value("template", "create", new_name(), "--from", raw(tmp_path),
                          "--protected")
    assert desk.bench.image(made["id"])["protected"] is True
    terminal.refuses(6, "protected.*--unprotected", "template", "delete", made["name"])
    assert desk.bench.image(made["id"])["status"] == "active"
    assert terminal.value("template", "verify", made["id"]) == []
    terminal.value("template", "set", made["name"], "--unprotected")
    terminal.value("template", "delete", made["name"])


_TYPED = """
import sys
from tests.functional.cli.conftest import commands_of_sources
from nova_swift_handler.cli import app
app.commandmanager.CommandManager = commands_of_sources()
sys.exit(app.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("make", [
    lambda directory, qemu_img, disk: raw(directory, disk), qcow2], ids=["raw", "qcow2"])
def test_a_command_that_was_killed_is_said_again_and_sends_what_is_missing(
        make: Callable[[pathlib.Path, QemuImg, bytes], str], desk: Desk, tmp_path: pathlib.Path,
        qemu_img: QemuImg) -> None:
    count = 80
    disk = DISK[:512] + disks.disk(count * B, range(count), seed=uuid.uuid4().int % 10 ** 6)[512:]
    path = make(tmp_path, qemu_img, disk)
    name = new_name()
    terminal = desk.terminal()
    command = ["template", "create", name, "--from", path]
    before = {row["name"] for row in _segments(desk)}
    killed: List[subprocess.Popen[bytes]] = []
    with Proxy(desk.bench.env["images_account_url"]) as swift:
        sent: List[int] = []

        def kill() -> None:
            sent.append(1)
            if len(sent) == 7:  # four are under way at a time
                killed[0].kill()

        swift.when("^PUT .*/data/", kill, times=-1)
        killed.append(subprocess.Popen([
            sys.executable, "-W", "ignore", "-c", _TYPED, "--config-file",
            str(desk.terminal(endpoint_override=swift.url).conf), *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        assert killed[0].wait(60) == -signal.SIGKILL
    left = [each for each in desk.images().values() if each["name"] == name]
    assert [each["status"] for each in left] == ["queued"]
    stored = sum(row["bytes"] for row in _segments(desk) if row["name"] not in before)
    assert stored > 0
    made = terminal.value(*command)
    assert [each["id"] for each in desk.images().values() if each["name"] == name] == [made["id"]]
    point = terminal.value("snapshot", "show", made["id"])
    assert 0 < point["sent_bytes"] <= count * (B + 512) - stored + MIB
    assert terminal.run("template", "download", name, str(tmp_path / "got"), "--format",
                        "raw")[0] == 0
    assert hashlib.sha256((tmp_path / "got").read_bytes()).digest() == hashlib.sha256(
        disk).digest()
    terminal.value("template", "delete", name)


def _segments(desk: Desk) -> List[Dict[str, Any]]:
    rows: List[Dict[str, Any]] = desk.bench.swift(
        "GET", desk.container + "?format=json&prefix=data/").json()
    return [row for row in rows if not row["name"].endswith("/closing")]


# -- set ----------------------------------------------------------------------------------------

def test_what_is_set_is_so_beside_the_data_and_in_glance(desk: Desk,
                                                         template: Dict[str, Any]) -> None:
    terminal = desk.terminal()
    new = new_name()
    shown = terminal.value(
        "template", "set", template["name"], "--name", new, "--private", "--os-type", "windows",
        "--unset", "vm_mode", "--unset", "hw:a", "--min-ram", "512", "--property", "k=a=b")
    said = _said(desk, new)
    assert {key: str(value) for key, value in shown.items()} == said
    chosen = {key: value for key, value in said.items()
              if key.startswith("property.") or key in ("visibility", "min_ram", "min_disk")}
    assert chosen == {"visibility": "private", "min_ram": "512", "min_disk": "2",
                      "property.os_type": "windows", "property.k": "a=b"}
    image = desk.bench.image(template["id"])
    assert (image["name"], image["visibility"], image["os_type"], image["min_ram"], image["k"],
            image["min_disk"]) == (new, "private", "windows", 512, "a=b", 2)
    assert not {"vm_mode", "hw:a"} & set(image)
    terminal.refuses(11, "no template called", "template", "show", template["name"])
    # The old name is free again.
    again = terminal.value("template", "create", template["name"], "--from-image",
                           template["id"])
    terminal.refuses(9, "already has something", "template", "set", new, "--name",
                     template["name"])
    terminal.value("template", "delete", again["id"])


def test_what_was_changed_in_glance_is_shown_and_brought_into_line(
        desk: Desk, template: Dict[str, Any]) -> None:
    desk.bench.glance("PATCH", "/v2/images/" + template["id"], "admin", headers={
        "Content-Type": "application/openstack-images-v2.1-json-patch"}, json=[
            {"op": "replace", "path": "/os_type", "value": "windows"},
            {"op": "replace", "path": "/name", "value": "another"}])
    terminal = desk.terminal()
    assert terminal.value("template", "show", template["id"])["differs_in_glance"] == [
        "name", "os_type"]
    terminal.value("template", "set", template["id"])
    assert terminal.value("template", "show", template["id"])["differs_in_glance"] == []
    assert desk.bench.image(template["id"])["os_type"] == "linux"


@pytest.mark.parametrize("killed_at", ["write", "remove"])
def test_a_change_that_was_killed_is_mended_by_saying_it_again(
        killed_at: str, desk: Desk, template: Dict[str, Any],
        monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = desk.terminal()
    new = new_name()
    command = ["template", "set", template["name"], "--name", new, "--unset", "vm_mode"]

    def killed(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(properties, killed_at, killed)
        assert terminal.run(*command)[0] != 0
    terminal.value(*command)
    assert desk.bench.image(template["id"])["name"] == new
    assert "vm_mode" not in desk.bench.image(template["id"])
    (row,) = [row for row in terminal.value("template", "list") if row["ID"] == template["id"]]
    assert row["Name"] == new
    assert terminal.value("template", "show", new)["differs_in_glance"] == []


# -- delete -------------------------------------------------------------------------------------

def test_what_shares_blocks_with_a_deleted_template_stays_whole(
        bench: Bench, ext: Host, desk: Desk, template: Dict[str, Any],
        tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    shared = terminal.value("template", "create", new_name(), "--from-image", template["id"])
    booted = process.run(bench.boot_job(ext, template["id"]))["vdi_uuid"]
    wanted = ext.control.guest_sha256(booted)
    planned = terminal.value("template", "delete", "--dry-run", template["name"])
    assert [row["Verdict"] for row in planned] == ["to delete"]
    assert bench.image(template["id"])["status"] == "active"
    assert terminal.value("template", "verify", template["name"]) == []
    (row,) = terminal.value("template", "delete", template["name"])
    assert (row["Verdict"], row["Had Image"]) == ("deleted", True)
    assert bench.glance("GET", "/v2/images/" + template["id"], "admin",
                        raise_exc=False).status_code == 404
    terminal.refuses(11, "no template called", "template", "delete", template["name"])
    terminal.value("store", "sweep", desk.container)
    assert terminal.value("template", "verify", shared["name"], "--level", "all") == []
    assert ext.control.guest_sha256(booted) == wanted
    assert terminal.run("template", "download", shared["id"], str(tmp_path / "got"), "--format",
                        "raw")[0] == 0
    assert (tmp_path / "got").read_bytes() == DISK
    terminal.value("template", "delete", shared["id"])


@pytest.mark.parametrize("at", ["_hide", "_remove_below"])
def test_a_deletion_that_was_killed_is_finished_by_its_id(
        at: str, desk: Desk, template: Dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = desk.terminal()

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(deletion, at, killed)
        assert terminal.run("template", "delete", template["name"])[0] != 0
    code, _out, err = terminal.run("template", "delete", template["id"])
    # Of what has no point any more only objects are left that nothing names: the sweep's.
    assert code == 0 or at == "_remove_below", err
    rows = desk.bench.swift("GET", "%s?format=json&prefix=points/%s/%s" % (
        desk.container, template["id"], names.POINT)).json()
    assert rows == []
    assert template["name"] not in [row["Name"] for row in terminal.value("template", "list")]


def test_one_whose_image_is_gone_is_deleted_all_the_same(desk: Desk,
                                                         template: Dict[str, Any]) -> None:
    desk.bench.delete_image(template["id"])
    terminal = desk.terminal()
    assert terminal.value("template", "show", template["name"])["image_status"] == "missing"
    terminal.refuses(11, "has no image .* any more", "template", "set", template["name"],
                     "--public")
    (row,) = terminal.value("template", "delete", template["name"])
    assert row["Had Image"] is False


# -- download and verify ------------------------------------------------------------------------

def test_a_download_replaces_a_file_only_if_it_is_told_to(
        desk: Desk, template: Dict[str, Any], tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    path = tmp_path / "there"
    path.write_bytes(b"mine")
    terminal.refuses(9, "--force", "template", "download", template["name"], str(path))
    assert path.read_bytes() == b"mine"
    assert terminal.run("template", "download", template["name"], str(path), "--force",
                        "--format", "raw")[0] == 0
    assert path.read_bytes() == DISK


def test_damage_is_found_and_never_downloaded(desk: Desk, template: Dict[str, Any],
                                              tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    point = desk.bench.swift("GET", "%s/points/%s/point.json" % (
        desk.container, template["id"])).json()
    segment = point["segments"][0]
    path = "%s/%s" % (segment["container"], segment["name"])
    data = bytearray(desk.bench.swift("GET", path).content)
    data[5000] ^= 1
    desk.bench.swift("PUT", path, data=bytes(data))
    target = tmp_path / "got"
    got, _out, err = terminal.run("template", "download", template["name"], str(target))
    assert (got, target.exists()) == (7, False), err
    found = terminal.value("template", "verify", template["name"], "--level", "all", code=7)
    assert {row["Kind"] for row in found} >= {"segment", "block"}
    desk.bench.swift("DELETE", path)


def test_properties_that_say_otherwise_than_the_disk_are_found(
        desk: Desk, template: Dict[str, Any]) -> None:
    terminal = desk.terminal()
    said = _said(desk, template["name"])
    said["checksum"] = "blocks-sha256:" + "0" * 64
    path = "%s/%s.properties" % (desk.container, template["name"])
    desk.bench.swift("PUT", path, data=properties.pack(said))
    (row,) = terminal.value("template", "verify", template["name"], code=7)
    assert row["Kind"] == "properties"
    assert "says checksum=blocks-sha256:000" in row["Problem"]
    # The advice that is given mends it.
    desk.bench.swift("DELETE", path)
    terminal.value("store", "rebuild", "--no-glance")
    assert terminal.value("template", "verify", template["name"]) == []
    assert _said(desk, template["name"])["property.os_type"] == "linux"


def test_no_partial_file_is_left_where_there_is_no_room(
        desk: Desk, template: Dict[str, Any],
        small_file_system: pathlib.Path) -> None:  # noqa: F811
    terminal = desk.terminal()
    for fmt in ("vhd", "raw"):
        terminal.refuses(8, "it takes .* bytes, and there are .* free", "template", "download",
                         template["name"], str(small_file_system / "got"), "--format", fmt)
    assert list(small_file_system.iterdir()) == []
