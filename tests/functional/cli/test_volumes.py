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

"""``swift-vhd volume`` and what is made of volumes, on real Swift and Glance and both SR types."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pathlib
import signal
import threading
import uuid
from typing import Any, Callable, Dict, Iterator, List, Set

import pytest

from nova_swift_handler.catalog import names
from nova_swift_handler.xapi import disk as disks
from tests.functional.handler.bench import MIB, Bench, Host, eventually
from tests.functional.handler.test_round_trip import sha256
from tests.unit.transfer import images
from tests.unit.vhd import independent

from .conftest import Terminal

BLOCK = 2 * MIB


def _made(terminal: Terminal, host: Host, *source: str) -> str:
    """Make a VDI; return the SHA-256 of its disk."""
    shown = terminal.value("volume", "create", "--from", *source, "--name", "made", "--sr",
                           host.simulated.ready["sr_uuid"])
    record = host.record(shown["id"])
    assert (record["name_label"], record["other_config"]) == ("made", {})
    return host.control.guest_sha256(shown["id"])


def _files(directory: pathlib.Path, vhds: List[bytes]) -> List[str]:
    for number, data in enumerate(vhds):
        (directory / ("%d.vhd" % number)).write_bytes(data)
    return [str(directory / ("%d.vhd" % number)) for number in range(len(vhds))]


# -- snapshots --------------------------------------------------------------------------------

def test_a_disk_is_stored_and_made_anew_on_the_other_sr(
        bench: Bench, hosts: Dict[str, Host], terminals: Dict[str, Terminal],
        host: Host) -> None:
    other = hosts["lvm" if host.kind == "ext" else "ext"]
    vdi = host.disk()
    before = host.control.state()
    terminal = terminals[host.kind]
    first = terminal.value("volume", "snapshot", vdi, "--name", "mine", "--image-property",
                           "os_type=linux", "--owner",
                           bench.env["users"]["alice"]["project_id"])
    contents = [host.control.guest_sha256(vdi)]
    host.control.guest_pattern(vdi, "more", [[30 * MIB, 1024]])
    second = terminal.value("volume", "snapshot", vdi, "--wait")
    assert len(host.control.chain(vdi)) == 1, "the SR has coalesced it"
    contents.append(host.control.guest_sha256(vdi))

    eventually(lambda: host.control.state() == before, lambda: "a snapshot is left")
    image = bench.image(first["id"])
    assert (image["status"], image["visibility"], image["name"], image["os_type"]) == (
        "active", "private", "mine", "linux")
    assert image["owner"] == bench.env["users"]["alice"]["project_id"]
    assert bench.image(second["id"])["name"] == "disk"
    assert (first["sequence"], first["parent"]) == (1, None)
    assert (second["sequence"], second["parent"], second["sent_blocks"]) == (2, first["id"], 1)
    (row,) = [row for row in terminal.value("volume", "list") if row["ID"] == vdi]
    assert (row["Name"], row["Virtual Size"], row["Points"]) == ("disk", 42 * MIB, 2)
    assert row["Newest"] > "2026"
    for point, wanted in zip((first, second), contents):
        assert _made(terminals[other.kind], other, point["id"]) == wanted
        assert bench.glance("GET", "/v2/images/%s/file" % point["id"], "admin").content[
            -512:-504] == b"conectix"
    other.clear()
    for point in (first, second):
        bench.delete_image(point["id"])


def test_a_disk_in_use_is_stored_as_it_was(bench: Bench, host: Host, terminal: Terminal) -> None:
    """The guest writes on while its disk is read."""
    vdi = host.disk()
    wanted = host.control.guest_sha256(vdi)
    host.control.set_fault("rate", bytes_per_second=2 * MIB)
    with _once_it_is_read(host, lambda: host.control.guest_pattern(
            vdi, "later", [[0, 40 * MIB]])):
        shown = terminal.value("volume", "snapshot", vdi)
    host.control.clear_faults()
    assert host.control.guest_sha256(vdi) != wanted
    assert _made(terminal, host, shown["id"]) == wanted
    bench.delete_image(shown["id"])


@contextlib.contextmanager
def _once_it_is_read(host: Host, act: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as the host gives a disk out, which must be before the context ends."""
    ended, acted = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            if host.control.state()["dom0_VBD"] > 0:
                acted.set()
                act()
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
    assert acted.is_set(), "no disk was read"


_SLOWLY = 256 * 1024
"""Bytes a second at which reading a disk takes long on any machine."""


def test_a_snapshot_is_read_as_it_is(bench: Bench, ext: Host,
                                     terminals: Dict[str, Terminal]) -> None:
    vdi = ext.disk()
    snapshot = ext.snapshot(vdi)
    ext.control.guest_pattern(vdi, "later", [[0, MIB]])
    before = ext.control.state()
    shown = terminals["ext"].value("volume", "snapshot", snapshot)
    eventually(lambda: ext.control.state() == before, lambda: "a snapshot is left")
    assert shown["volume"] == snapshot
    assert _made(terminals["ext"], ext, shown["id"]) == ext.control.guest_sha256(snapshot)
    bench.delete_image(shown["id"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_snapshot_leaves_nothing(bench: Bench, host: Host, terminal: Terminal,
                                                number: int) -> None:
    vdi = host.disk()
    known = bench.glance("GET", "/v2/images", "admin").json()["images"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with bench.nothing_left(host):
            host.control.set_fault("rate", bytes_per_second=_SLOWLY)
            with _once_it_is_read(host, lambda: os.kill(os.getpid(), number)):
                assert _ended(terminal, "volume", "snapshot", vdi) == 128 + number
    finally:
        signal.signal(signal.SIGINT, before)
    assert bench.glance("GET", "/v2/images", "admin").json()["images"] == known


@pytest.mark.parametrize("command", [["volume", "snapshot"], ["volume", "export"]])
def test_what_a_killed_command_left_on_the_sr_goes_with_the_next(
        bench: Bench, host: Host, terminal: Terminal, command: List[str]) -> None:
    vdi = host.disk()

    def look() -> Dict[str, int]:
        # XAPI ends the dead one's session and task in its own time.
        return {name: count for name, count in host.control.state().items()
                if name not in ("session", "task", "pending_task")}

    before = look()
    images = _queued(bench)
    host.control.set_fault("rate", bytes_per_second=_SLOWLY)
    killed = multiprocessing.get_context("fork").Process(
        target=terminal.run, args=(*command, vdi))
    killed.start()
    with _once_it_is_read(host, killed.kill):
        killed.join()
    host.control.clear_faults()
    eventually(lambda: host.control.state()["dom0_VBD"] == 0, lambda: "still attached")
    assert look() != before
    stored = terminal.value("volume", "snapshot", vdi)
    eventually(lambda: look() == before, lambda: "left: %r, before: %r" % (look(), before))
    for image in _queued(bench) - images:
        bench.delete_image(image)
    assert _made(terminal, host, stored["id"]) == host.control.guest_sha256(vdi)
    bench.delete_image(stored["id"])


def _queued(bench: Bench) -> Set[str]:
    found = bench.glance("GET", "/v2/images?status=queued", "admin").json()["images"]
    return {image["id"] for image in found}


def _ended(terminal: Terminal, *argv: str) -> Any:
    """Run a command that is interrupted; return its exit code, by whichever way it comes."""
    try:
        return terminal.run(*argv)[0]
    except SystemExit as ended:
        return ended.code


def test_a_snapshot_that_fails_leaves_nothing(bench: Bench, host: Host,
                                              terminal: Terminal) -> None:
    vdi = host.disk()
    with bench.nothing_left(host):
        host.control.set_fault("export_cut", after=5 * MIB)
        terminal.refuses(4, "exporting VDI", "volume", "snapshot", vdi)


@pytest.mark.parametrize("command", [
    ["volume", "snapshot"], ["volume", "export"], ["template", "create", "t", "--from-vdi"]])
def test_what_is_no_disk_is_refused(bench: Bench, ext: Host, terminals: Dict[str, Terminal],
                                    command: List[str]) -> None:
    terminal = terminals["ext"]
    vdi = ext.disk()
    ext.snapshot(vdi)
    with ext.session() as session:
        records = session.call("VDI.get_all_records").values()
        (base,) = [each["uuid"] for each in records if not each["managed"]]
        (sr,) = [ref for ref, each in session.call("SR.get_all_records").items()
                 if each["type"] == "iso"]
        iso = disks.create_vdi(session, sr, 4 * MIB, "cd", "", {})
    with bench.nothing_left(ext):
        terminal.refuses(11, "does not exist", *command, "00000000-0000-4000-8000-000000000000")
        terminal.refuses(7, "hidden base copy", *command, base)
        terminal.refuses(7, "CD images.*iso create", *command, iso)


def test_disks_are_listed_by_sr(ext: Host, terminals: Dict[str, Terminal]) -> None:
    vdi = ext.disk()
    ext.snapshot(vdi)
    with ext.session() as session:
        other = disks.create_vdi(session, ext.sr_ref, MIB, "other", "", {
            "nova_instance_uuid": "an-instance"})
    sr = ext.simulated.ready["sr_uuid"]
    rows = terminals["ext"].value("volume", "list", "--sr", sr)
    assert [(row["ID"], row["Name"], row["Instance"], row["Points"]) for row in rows] == [
        (vdi, "disk", None, 0), (other, "other", "an-instance", 0)]
    terminals["ext"].refuses(11, "SR nowhere", "volume", "list", "--sr", "nowhere")


# -- VDIs of files ----------------------------------------------------------------------------

@pytest.mark.parametrize(("count", "order"), [(1, [0]), (3, [1, 2, 0]), (10, range(10)),
                                              (30, range(29, -1, -1))])
def test_a_chain_of_files_becomes_a_vdi(host: Host, terminal: Terminal, tmp_path: pathlib.Path,
                                        libvhdi: Any, count: int, order: Any) -> None:
    chain = images.chain(count, blocks=4, block_size=BLOCK, seed=count)
    files = _files(tmp_path, chain.vhds)
    made = _made(terminal, host, *[files[number] for number in order])
    size = -(-len(chain.disk) // BLOCK) * BLOCK
    assert made == sha256(chain.disk, host, host.vdis()[0])
    assert len(chain.disk) <= size


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> Dict[str, List[str]]:
    """Files that are no chain, by what is wrong."""
    size = 3 * BLOCK

    def vhd(number: int, parent: Any = None, size: int = size) -> bytes:
        return independent.build(
            size, {}, independent.DYNAMIC if parent is None else independent.DIFFERENCING,
            unique_id=images.unique_id(number),
            parent_id=bytes(16) if parent is None else images.unique_id(parent))

    long = images.chain(31, blocks=2).vhds
    vhds = {
        "not there": [vhd(0, 1)], "want": [vhd(0, 1), vhd(7)], "none of the others": [
            vhd(0), vhd(1)], "circle": [vhd(0, 1), vhd(1, 0)], "same VHD": [vhd(0, 1), vhd(0, 1)],
        "larger": [vhd(0, 1), vhd(1, size=size + BLOCK)], "more than 30": long,
        "does not end with a footer": [vhd(0)[:600] + bytes(5000)],
    }
    made = {}
    for number, (wrong, each) in enumerate(sorted(vhds.items())):
        directory = tmp_path / str(number)
        directory.mkdir()
        made[wrong] = _files(directory, each)
    return made


def test_files_that_are_no_chain_are_refused_before_anything_is_made(
        bench: Bench, ext: Host, terminals: Dict[str, Terminal],
        broken: Dict[str, List[str]], tmp_path: pathlib.Path) -> None:
    terminal = terminals["ext"]
    ext.control.calls(clear=True)
    with bench.nothing_left(ext):
        for wrong, files in broken.items():
            pattern = wrong if wrong != "want" else "wants the parent|none of the others"
            terminal.refuses(7, pattern, "volume", "create", "--name", "n", "--from", *files)
            terminal.refuses(7, pattern, "template", "create", "n", "--from", *files)
        terminal.refuses(11, "neither a file nor the id", "volume", "create", "--name", "n",
                         "--from", str(tmp_path / "nothing"))
    assert "VDI.create" not in ext.control.calls()


def test_an_image_of_others_becomes_a_vdi(bench: Bench, host: Host, terminal: Terminal) -> None:
    chain = images.chain(3, blocks=3, block_size=BLOCK, seed=2)
    image_id = bench.uploaded(images.numbered(chain.vhds))
    assert _made(terminal, host, image_id) == sha256(chain.disk, host, host.vdis()[0])


def test_what_cannot_become_a_vdi_leaves_none(bench: Bench, ext: Host,
                                              terminals: Dict[str, Terminal]) -> None:
    terminal = terminals["ext"]
    two = images.chain(2, blocks=3, block_size=BLOCK)
    alone = bench.uploaded(images.tgz([("0.vhd", two.vhds[0])]))
    create = ["volume", "create", "--name", "n", "--from"]
    with bench.nothing_left(ext):
        terminal.refuses(7, "the last of the chain, wants the parent", *create, alone)
        terminal.refuses(11, "", *create, "00000000-0000-4000-8000-000000000000")
        terminal.refuses(11, "SR nowhere", *create, alone, "--sr", "nowhere")
        with ext.session() as session:
            (iso,) = [each["uuid"] for each in session.call("SR.get_all_records").values()
                      if each["type"] == "iso"]
        terminal.refuses(7, "CD images", *create, alone, "--sr", iso)


# -- templates --------------------------------------------------------------------------------

def _name() -> str:
    """Return a name that no template has, not even one that a failed test left."""
    return "of a test %s" % uuid.uuid4()


def _in_templates(bench: Bench, prefix: str) -> List[str]:
    container = bench.env["container_prefix"] + "-templates"
    rows = bench.swift("GET", container + "?format=json&prefix=" + prefix).json()
    return [row["name"] for row in rows]


def test_a_template_of_a_chain_of_files(bench: Bench, host: Host, terminal: Terminal,
                                        tmp_path: pathlib.Path) -> None:
    chain = images.chain(5, blocks=4, block_size=BLOCK, seed=9)
    files = _files(tmp_path, chain.vhds)
    name = _name()
    shown = terminal.value("template", "create", name, "--from", *files[::-1])
    assert _made(terminal, host, shown["id"]) == sha256(chain.disk, host, host.vdis()[0])
    terminal.refuses(9, "already has something called '%s'" % name, "template", "create",
                     name, "--from", *files)
    terminal.value("snapshot", "delete", "--with-image", shown["id"])


def test_a_template_of_a_snapshot_moves_no_data_and_outlives_it(
        bench: Bench, host: Host, terminal: Terminal) -> None:
    vdi = host.disk()
    stored = terminal.value("volume", "snapshot", vdi)
    segments = _in_templates(bench, names.DATA)
    shown = terminal.value("template", "create", _name(), "--from-image", stored["id"],
                           "--property", "os_type=linux")
    new = sorted(set(_in_templates(bench, names.DATA)) - set(segments))
    assert [name.rpartition("/")[2] for name in new] == ["closing"]
    assert terminal.value("snapshot", "verify", shown["id"], "--level", "all") == []
    terminal.value("snapshot", "delete", "--with-image", stored["id"])
    volume = "%s-volume-%s" % (bench.env["container_prefix"], vdi)
    (swept,) = terminal.value("store", "sweep", volume)
    assert (swept["Condemned"], swept["Live"]) > (0, 1), "the template's segments and reference"
    assert terminal.value("snapshot", "verify", shown["id"], "--level", "all") == []
    assert _made(terminal, host, shown["id"]) == host.control.guest_sha256(vdi)
    terminal.value("snapshot", "delete", "--with-image", shown["id"])


def test_a_template_of_a_vdi(bench: Bench, host: Host, terminal: Terminal) -> None:
    vdi = host.disk()
    before = host.control.state()
    name = _name()
    shown = terminal.value("template", "create", name, "--from-vdi", vdi)
    eventually(lambda: host.control.state() == before, lambda: "a snapshot is left")
    assert _made(terminal, host, shown["id"]) == host.control.guest_sha256(vdi)
    with bench.nothing_left(host):
        terminal.refuses(9, "choose another name", "template", "create", name,
                         "--from-vdi", vdi)
    terminal.value("snapshot", "delete", "--with-image", shown["id"])


def test_a_template_of_an_image_that_is_not_ours_is_refused(
        bench: Bench, terminals: Dict[str, Terminal], ext: Host) -> None:
    image_id = bench.uploaded(images.numbered(images.chain(1).vhds))
    with bench.nothing_left(ext):
        terminals["ext"].refuses(11, "no disk of image .* is stored here", "template", "create",
                                 "n", "--from-image", image_id)
