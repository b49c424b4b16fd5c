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

"""Bad input and bad weather for ``template`` and ``iso``: what is said, and that nothing is left.
"""

from __future__ import annotations

import gzip
import pathlib
import subprocess
import uuid
from typing import Any, Dict, List

import pytest

from tests.functional.proxy import Proxy
from tests.unit.transfer.test_chain import small_file_system  # noqa: F401  (fixture)
from tests.unit.vhd import disks, independent
from tests.unit.vhd.conftest import QemuImg

from .conftest import Desk
from .test_isos import iso_file
from .test_templates import DISK, B, new_name, qcow2, raw

# -- files --------------------------------------------------------------------------------------


@pytest.fixture
def bad(tmp_path: pathlib.Path, qemu_img: QemuImg) -> Dict[str, List[Any]]:
    """Files that are no disks: by what they are, the path, and exit code and words expected."""
    def file(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    vhd = independent.build(4 * B, {number: independent.Block(independent.full(B), disks.noise(
        B, number)) for number in (0, 2)})
    whole = pathlib.Path(qcow2(tmp_path, qemu_img)).read_bytes()
    backed = tmp_path / "backed.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw",
                    str(backed), "1M"], check=True)
    return {
        "missing": [str(tmp_path / "nothing"), 11, "cannot be read: No such file"],
        "directory": [str(tmp_path), 8, "cannot be read: Is a directory"],
        "text": [file("notes.txt", b"a text\n" * 100), 7, "of no format that can be stored"],
        "vmdk": [file("disk.vmdk", b"KDMV" + bytes(4092)), 7, "a VMDK image"],
        "odd raw": [file("odd.raw", DISK + b"x"), 7, "no multiple of 512"],
        "cut vhd": [file("cut.vhd", vhd[:-B]), 7, "ends inside|footer"],
        "damaged vhd": [file("damaged.vhd", vhd[:600] + b"\xff" * 4 + vhd[604:]), 7, "checksum"],
        "cut qcow2": [file("cut.qcow2", whole[:-B]), 7, "damaged qcow2|cut off"],
        "backed qcow2": [str(backed), 7, "has a backing file"],
        "cut gz": [file("cut.gz", b"\x1f\x8b\x08\0" + bytes(20)), 7, "damaged or cut off"],
    }


def test_files_that_are_no_disks_are_refused_before_anything_is_made(
        bad: Dict[str, List[Any]], desk: Desk) -> None:
    terminal = desk.terminal()
    with desk.nothing_left():
        for path, code, words in bad.values():
            message = terminal.refuses(code, words, "template", "create", new_name(), "--from",
                                       path)
            assert path in message


def test_a_file_that_is_damaged_further_on_leaves_no_template(
        desk: Desk, tmp_path: pathlib.Path) -> None:
    """The last footer is read last: by then its blocks were sent."""
    vhd = bytearray(independent.build(4 * B, {number: independent.Block(
        independent.full(B), disks.noise(B, number)) for number in (0, 2)}))
    vhd[-100] ^= 1
    path = tmp_path / "disk.vhd.gz"
    path.write_bytes(gzip.compress(bytes(vhd), 1))
    with desk.nothing_left():
        desk.terminal().refuses(7, "footer", "template", "create", new_name(), "--from",
                                str(path))


def test_without_qemu_img_it_is_said_what_to_install(
        desk: Desk, tmp_path: pathlib.Path, qemu_img: QemuImg,
        monkeypatch: pytest.MonkeyPatch) -> None:
    path = qcow2(tmp_path, qemu_img)
    monkeypatch.setenv("PATH", str(tmp_path))
    with desk.nothing_left():
        desk.terminal().refuses(3, "qemu-img.*install it", "template", "create", new_name(),
                                "--from", path)


def test_no_room_for_the_pieces_of_a_qcow2_image_is_said(
        desk: Desk, tmp_path: pathlib.Path, qemu_img: QemuImg,
        small_file_system: pathlib.Path) -> None:  # noqa: F811
    path = qcow2(tmp_path, qemu_img)
    with desk.nothing_left():
        desk.terminal(staging_dir=str(small_file_system)).refuses(
            8, "%s has no room for a piece" % small_file_system, "template", "create",
            new_name(), "--from", path)
    assert list(small_file_system.iterdir()) == []


# -- names and words ----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["template", "iso"])
def test_names_that_are_taken_or_cannot_be(kind: str, desk: Desk, tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    path = raw(tmp_path) if kind == "template" else iso_file(tmp_path)
    made = terminal.value(kind, "create", new_name(), "--from", path)
    with desk.nothing_left():
        for name, words in ((made["name"], "already has something called"),
                            ("a/b", "cannot be a name"), ("x" * 201, "cannot be a name"),
                            (".hidden", "cannot be a name")):
            terminal.refuses(9, words, kind, "create", name, "--from", path)
            if name != made["name"]:
                terminal.refuses(9, words, kind, "set", made["name"], "--name", name)
        terminal.refuses(9, "already has something", kind, "create", made["name"], "--from", path)
    terminal.value(kind, "delete", made["name"])


@pytest.mark.parametrize("kind", ["template", "iso"])
def test_what_is_not_there_is_said_by_every_command(kind: str, desk: Desk,
                                                    tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal()
    with desk.nothing_left():
        for wanted in ("no such thing", str(uuid.uuid4())):
            for command in (["show"], ["set"], ["delete"], ["verify"],
                            ["download", str(tmp_path / "got")]):
                terminal.refuses(11, "there is no .* called .* list` shows", kind,
                                 command[0], wanted, *command[1:])
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("words", [
    ["--property", "min_disk=5"], ["--property", "status=active"], ["--property", "nothing"],
    ["--min-disk", "-1"], ["--min-disk", "many"], ["--unset", "owner"], ["--hvm", "--pv"],
    ["--public", "--private"]])
def test_words_that_mean_nothing_are_refused(words: List[str], desk: Desk) -> None:
    with pytest.raises(SystemExit) as ended:
        desk.terminal().run("template", "set", "name", *words)
    assert ended.value.code == 2


# -- rights -------------------------------------------------------------------------------------

def test_a_user_without_rights_in_swift_gets_nothing(desk: Desk, tmp_path: pathlib.Path) -> None:
    made = desk.terminal().value("template", "create", new_name(), "--from", raw(tmp_path))
    account = desk.bench.env["images_account_url"]
    theirs = desk.terminal("bob", endpoint_override=account)
    with desk.nothing_left():
        for words in (["create", new_name(), "--from", raw(tmp_path)], ["list"],
                      ["show", made["name"]], ["set", made["id"], "--public"],
                      ["delete", made["name"]], ["verify", made["name"]],
                      ["download", made["name"], str(tmp_path / "got")]):
            theirs.refuses(5, "Swift answered 403.*roles", "template", *words)
    assert not (tmp_path / "got").exists()
    desk.terminal().value("template", "delete", made["name"])


def test_wrong_credentials_are_said(desk: Desk, tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal(password="wrong")
    with desk.nothing_left():
        terminal.refuses(5, "Keystone refused the service account", "template", "create",
                         new_name(), "--from", raw(tmp_path))


def test_a_visibility_that_glance_refuses_leaves_nothing(desk: Desk,
                                                         tmp_path: pathlib.Path) -> None:
    made = desk.terminal().value("template", "create", new_name(), "--from", raw(tmp_path))
    with Proxy(desk.bench.env["glance_url"]) as glance:
        terminal = desk.terminal(glance_api_servers=glance.url)
        glance.refuse("^POST /v2/images", 403)
        with desk.nothing_left():
            terminal.refuses(6, "policies do not allow it", "template", "create", new_name(),
                             "--from", raw(tmp_path), "--public")
        glance.clear()
        glance.refuse("^PATCH /v2/images", 403)
        with desk.nothing_left():
            terminal.refuses(6, "policies do not allow it", "template", "set", made["name"],
                             "--public")
            terminal.refuses(6, "policies do not allow it", "template", "create", new_name(),
                             "--from", raw(tmp_path))
    shown = desk.terminal().value("template", "show", made["name"])
    assert (shown["visibility"], shown["differs_in_glance"]) == ("private", [])
    desk.terminal().value("template", "delete", made["name"])


# -- Glance -------------------------------------------------------------------------------------

def test_a_glance_without_locations_gets_a_copy_or_the_reason_is_said(
        desk: Desk, tmp_path: pathlib.Path) -> None:
    with Proxy(desk.bench.env["glance_url"]) as glance:
        glance.refuse("^POST /v2/images/[^/]+/locations", 403)
        with desk.nothing_left():
            desk.terminal(glance_api_servers=glance.url, glance_registration="location").refuses(
                6, "location", "template", "create", new_name(), "--from", raw(tmp_path))
        for terminal in (desk.terminal(glance_api_servers=glance.url),
                         desk.terminal(glance_registration="upload")):
            made = terminal.value("template", "create", new_name(), "--from", raw(tmp_path),
                                  "--protected")
            image = desk.bench.image(made["id"])
            assert (image["status"], image["container_format"]) == ("active", "ovf")
            assert terminal.value("template", "show", made["name"])["differs_in_glance"] == []
            assert terminal.value("template", "verify", made["name"], "--glance") == []
            terminal.value("template", "set", made["name"], "--unprotected")
            terminal.value("template", "delete", made["name"])


def test_a_glance_that_is_down_is_said_and_nothing_is_left(desk: Desk,
                                                           tmp_path: pathlib.Path) -> None:
    made = desk.terminal().value("template", "create", new_name(), "--from", raw(tmp_path))
    with Proxy(desk.bench.env["glance_url"]) as glance:
        glance.refuse("^(GET|POST|PATCH|DELETE) ", 503)
        terminal = desk.terminal(glance_api_servers=glance.url, glance_retry_time="1")
        with desk.nothing_left():
            for words in (["create", new_name(), "--from", raw(tmp_path)],
                          ["set", made["name"], "--public"], ["delete", made["name"]]):
                terminal.refuses(6, "no Glance endpoint answered", "template", *words)
    desk.terminal().value("template", "delete", made["name"])


# -- Swift --------------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "status"), [
    ("template", 413), ("template", 507), ("template", 503), ("iso", 413), ("iso", 503)])
def test_a_swift_that_is_full_or_out_leaves_nothing(kind: str, status: int, desk: Desk,
                                                    tmp_path: pathlib.Path) -> None:
    path = raw(tmp_path) if kind == "template" else iso_file(tmp_path)
    with Proxy(desk.bench.env["images_account_url"]) as swift:
        swift.refuse("^PUT .*/data/", status)
        with desk.nothing_left():
            desk.terminal(endpoint_override=swift.url).refuses(
                5, "Swift answered %d" % status, kind, "create", new_name(), "--from", path)


@pytest.mark.parametrize("part", ["point.json", "regions/", "disk.vhd", ".properties"])
def test_a_swift_that_is_full_at_the_end_leaves_nothing(part: str, desk: Desk,
                                                        tmp_path: pathlib.Path) -> None:
    with Proxy(desk.bench.env["images_account_url"]) as swift:
        swift.refuse("^PUT .*/%s" % part.replace(".properties", "[^/]*.properties"), 413)
        with desk.nothing_left():
            desk.terminal(endpoint_override=swift.url).refuses(
                5, "Swift answered 413", "template", "create", new_name(), "--from",
                raw(tmp_path))


def test_a_swift_that_is_full_when_something_is_set_says_to_do_it_again(
        desk: Desk, tmp_path: pathlib.Path) -> None:
    made = desk.terminal().value("template", "create", new_name(), "--from", raw(tmp_path))
    with Proxy(desk.bench.env["images_account_url"]) as swift:
        swift.refuse("^PUT .*.properties", 413)
        desk.terminal(endpoint_override=swift.url).refuses(
            5, "Glance has the change.*again", "template", "set", made["name"], "--os-type",
            "linux")
    terminal = desk.terminal()
    terminal.value("template", "set", made["name"], "--os-type", "linux")
    shown = terminal.value("template", "show", made["name"])
    assert (shown["property.os_type"], shown["differs_in_glance"]) == ("linux", [])
    terminal.value("template", "delete", made["name"])


def test_a_container_that_is_not_there_yet_is_said(desk: Desk, tmp_path: pathlib.Path) -> None:
    terminal = desk.terminal(container_prefix="t" + uuid.uuid4().hex[:10])
    with desk.nothing_left():
        for kind, path in (("template", raw(tmp_path)), ("iso", iso_file(tmp_path))):
            terminal.refuses(5, "is not there; run `swift-vhd setup` once", kind, "create",
                             new_name(), "--from", path)
