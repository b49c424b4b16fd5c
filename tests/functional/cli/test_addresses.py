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

"""Addresses: what curl downloads is the disk, for as long as it should be and no longer."""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
import time
import urllib.parse
import urllib.request
from typing import Any, Dict, Iterator, List

import pytest

from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.audit import rebuild
from nova_swift_handler.cli.columns import moment
from nova_swift_handler.store import probe
from tests.functional.handler.bench import MIB, Bench, Host, eventually
from tests.unit.vhd import independent
from tests.unit.vhd.conftest import libvhdi, qemu_img  # noqa: F401  (fixtures)

from .conftest import Terminal


@pytest.fixture
def key(bench: Bench) -> Iterator[str]:
    """The account's key for TempURLs, which commands need."""
    header = "X-Account-Meta-Temp-URL-Key"
    before = bench.swift("HEAD", "").headers.get(header, "")
    bench.swift("POST", "", headers={header: "a-key-of-tests"})
    yield header
    bench.swift("POST", "", headers={header: before})


def _curl(url: str, path: pathlib.Path, *options: str) -> int:
    """Download *url* to *path*; return the HTTP status."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "60", "--output", str(path),
         "--write-out", "%{http_code}", *options, url], capture_output=True, check=False)
    return int(done.stdout)


def _disk(path: pathlib.Path) -> str:
    """Return the SHA-256 of the disk of a VHD, read by another reader than ours."""
    data = path.read_bytes()
    disk = bytearray(independent.parse(data).size)
    independent.apply(data, disk)
    return hashlib.sha256(disk).hexdigest()


def _exported(terminal: Terminal, vdi: str, *options: str) -> Dict[str, Any]:
    shown: Dict[str, Any] = terminal.value("volume", "export", vdi, *options)
    return shown


def test_a_vhd_is_downloaded(bench: Bench, key: str, host: Host, terminal: Terminal,
                             tmp_path: pathlib.Path, libvhdi: Any,  # noqa: F811
                             qemu_img: Any) -> None:  # noqa: F811
    vdi = host.disk()
    before = host.control.state()
    shown = _exported(terminal, vdi, "--format", "vhd", "--expires", "1h", "--file-name",
                      "my disk.vhd")
    eventually(lambda: host.control.state() == before, lambda: "a snapshot is left")
    path = tmp_path / "disk.vhd"
    assert _curl(shown["url"], path, "--dump-header", str(tmp_path / "headers")) == 200
    assert 'filename="my disk.vhd"' in (tmp_path / "headers").read_text()
    assert path.stat().st_size == shown["size"]
    assert _disk(path) == host.control.guest_sha256(vdi)
    file = libvhdi.file()
    file.open(str(path))
    content = file.read_buffer_at_offset(42 * MIB, 0)
    file.close()
    assert hashlib.sha256(content).hexdigest() == host.control.guest_sha256(vdi)
    qemu_img.run("convert", "-f", "vpc", "-O", "raw", str(path), str(tmp_path / "qemu.raw"))
    assert (tmp_path / "qemu.raw").read_bytes() == content


def test_a_raw_disk_is_downloaded_and_resumed(bench: Bench, key: str, host: Host,
                                              terminal: Terminal,
                                              tmp_path: pathlib.Path) -> None:
    vdi = host.disk()
    shown = _exported(terminal, vdi, "--format", "raw", "--expires", "30m")
    path = tmp_path / "disk.raw"
    assert _curl(shown["url"], path, "--range", "0-%d" % (10 * MIB)) == 206
    assert _curl(shown["url"], path, "--continue-at", "-") == 206
    assert path.stat().st_size == shown["size"] == 42 * MIB
    assert hashlib.sha256(path.read_bytes()).hexdigest() == host.control.guest_sha256(vdi)


def test_a_cut_download_of_a_vhd_goes_on_where_it_ended(
        bench: Bench, key: str, ext: Host, terminals: Dict[str, Terminal],
        tmp_path: pathlib.Path) -> None:
    vdi = ext.disk()
    shown = _exported(terminals["ext"], vdi)
    path = tmp_path / "disk.vhd"
    with urllib.request.urlopen(shown["url"]) as answer:
        path.write_bytes(answer.read(5 * MIB + 17))  # and the connection breaks
    assert path.stat().st_size < shown["size"]
    assert _curl(shown["url"], path, "--continue-at", "-") == 206
    assert _disk(path) == ext.control.guest_sha256(vdi)


def test_an_export_shares_with_the_volume_and_goes_when_its_time_is_over(
        bench: Bench, key: str, ext: Host, terminals: Dict[str, Terminal],
        tmp_path: pathlib.Path) -> None:
    """And nothing else with it, nor it with anything else."""
    terminal = terminals["ext"]
    vdi = ext.disk()
    stored = terminal.value("volume", "snapshot", vdi)
    wanted = ext.control.guest_sha256(vdi)
    shown = _exported(terminal, vdi, "--expires", "20s")
    assert shown["sent_bytes"] == 0, "the snapshot has it all"
    path = tmp_path / "disk.vhd"
    assert _curl(shown["url"], path) == 200
    ext.control.guest_pattern(vdi, "more", [[30 * MIB, 1024]])
    later = terminal.value("volume", "snapshot", vdi)
    longer = _exported(terminal, vdi, "--expires", "1h")
    rows = terminal.value("snapshot", "list", "--volume", vdi)
    assert [row["Kind"] for row in rows] == ["snapshot", "export", "snapshot", "export"]
    assert terminal.value("snapshot", "verify", "--volume", vdi) == []

    eventually(lambda: _curl(shown["url"], path) == 401)
    found = _housekept(terminal, vdi)
    assert [each["What"] for each in found if each["Image"] == shown["id"]] == [
        "export expired: deleted"]
    assert longer["id"] not in [each["Image"] for each in found]
    rows = terminal.value("snapshot", "list", "--volume", vdi)
    assert [row["ID"] for row in rows] == [stored["id"], later["id"], longer["id"]]
    assert terminal.value("snapshot", "verify", "--volume", vdi, "--level", "all") == []
    assert _housekept(terminal, vdi) == []
    assert _curl(longer["url"], path) == 200
    assert _disk(path) == ext.control.guest_sha256(vdi) != wanted
    (row,) = [row for row in terminal.value("volume", "list") if row["ID"] == vdi]
    assert row["Points"] == 2
    for image_id in (stored["id"], later["id"], longer["id"]):
        terminal.value("snapshot", "delete", "--with-image", image_id)


def _housekept(terminal: Terminal, vdi: str) -> List[Dict[str, Any]]:
    """Run housekeeping, forced since other tests' images may be gone; return its findings."""
    rows: List[Dict[str, Any]] = terminal.value("store", "reconcile", "--force")
    return [row for row in rows if row["Container"].endswith(vdi)]


def test_a_lost_point_of_an_export_is_made_anew_as_one(
        bench: Bench, key: str, ext: Host, terminals: Dict[str, Terminal]) -> None:
    terminal = terminals["ext"]
    shown = _exported(terminal, ext.disk())
    container = "%s-volume-%s" % (bench.env["container_prefix"], shown["volume"])
    path = "%s/%s" % (container, names.of_point(shown["id"], names.POINT))
    before = bench.swift("GET", path).json()
    assert (before["kind"], moment(before["expires"])) == ("export", shown["expires"])
    bench.swift("DELETE", path)
    (made,) = terminal.value("store", "rebuild", "--volume", shown["volume"])
    assert (made["ID"], made["State"]) == (shown["id"], rebuild.MADE)
    assert bench.swift("GET", path).json() == before


@pytest.mark.parametrize("disk_format", ["vhd", "raw"])
def test_what_is_stored_already_has_an_address_without_a_copy(
        bench: Bench, key: str, ext: Host, terminals: Dict[str, Terminal],
        tmp_path: pathlib.Path, disk_format: str) -> None:
    terminal = terminals["ext"]
    vdi = ext.disk()
    stored = terminal.value("volume", "snapshot", vdi)
    container = "%s-volume-%s" % (bench.env["container_prefix"], vdi)
    before = bench.listing()[container]
    shown = terminal.value("snapshot", "url", stored["id"], "--format", disk_format)
    if disk_format == "vhd":
        assert bench.listing()[container] == before
    path = tmp_path / "disk"
    assert _curl(shown["url"], path) == 200
    found = (_disk(path) if disk_format == "vhd"
             else hashlib.sha256(path.read_bytes()).hexdigest())
    assert found == ext.control.guest_sha256(vdi)
    expires = int(urllib.parse.parse_qs(urllib.parse.urlsplit(shown["url"]).query)[
        "temp_url_expires"][0])
    assert abs(expires - time.time() - 7 * 86400) < 600
    bench.delete_image(stored["id"])
    terminal.refuses(11, "no disk of image", "snapshot", "url", "0" * 8 + "-0000-4000-8000-"
                     + "0" * 12)


def test_without_a_key_nothing_is_begun(bench: Bench, key: str, ext: Host,
                                        terminals: Dict[str, Terminal]) -> None:
    terminal = terminals["ext"]
    vdi = ext.disk()
    stored = terminal.value("volume", "snapshot", vdi)
    bench.swift("POST", "", headers={key: ""})
    with bench.nothing_left(ext):
        terminal.refuses(5, "no key for TempURLs; run `swift-vhd setup`", "volume", "export", vdi)
        terminal.refuses(5, "no key for TempURLs", "snapshot", "url", stored["id"])
    bench.delete_image(stored["id"])
    assert probe.KEPT


@pytest.mark.parametrize("options", [
    ["--expires", "7"], ["--expires", "0d"], ["--expires", "soon"], ["--format", "qcow2"],
    ["--file-name", "a/b"]])
def test_a_wrong_option_is_told(bench: Bench, ext: Host, terminals: Dict[str, Terminal],
                                options: List[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        terminals["ext"].run("volume", "export", "x", *options)
    assert ended.value.code == 2


def test_an_export_that_fails_leaves_nothing(bench: Bench, key: str, host: Host,
                                             terminal: Terminal) -> None:
    vdi = host.disk()
    with bench.nothing_left(host):
        host.control.set_fault("export_cut", after=5 * MIB)
        terminal.refuses(4, "exporting VDI", "volume", "export", vdi)
