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

"""The volume commands on every kind of SR, all bytes compared: further rows of the table."""

from __future__ import annotations

import configparser
import urllib.request
from pathlib import Path
from typing import Iterator

import pytest

from tests.functional.handler.bench import Bench
from tests.unit.transfer import images
from tests.unit.vhd import independent

from .conftest import MIB, Compare, Disk, Place, write_conf


@pytest.fixture
def installed(bench: Bench, place: Place, tmp_path: Path) -> Iterator[Place]:
    """The SR, with commands that know the cloud as well; its account can sign addresses."""
    path = tmp_path / "swift-vhd.conf"
    conf = configparser.RawConfigParser()
    conf.read(bench.env["config_file"])
    for section, options in write_conf(path, place.simulated).items():
        if section not in conf and section != "DEFAULT":
            conf.add_section(section)
        for name, value in options.items():
            conf.set(section, name, value)
    conf.set("swift_vhd", "staging_dir", str(bench.staging))
    with open(path, "w") as file:
        conf.write(file)
    key = "X-Account-Meta-Temp-URL-Key"
    before = bench.swift("HEAD", "").headers.get(key, "")
    bench.swift("POST", "", headers={key: "a-key-of-tests"})
    usual, place.conf = place.conf, path
    yield place
    place.conf = usual
    bench.swift("POST", "", headers={key: before})


def made(place: Place, *sources: str) -> str:
    """Make a VDI by ``volume create``; return its uuid."""
    shown = place.value("volume", "create", "--name", "made", "--sr", place.sr_uuid, "--from",
                        *sources)
    assert place.forest().depth(shown["id"]) == 1
    return str(shown["id"])


def test_create_from_a_volume_snapshot(bench: Bench, installed: Place, disk: Disk,
                                       compare: Compare) -> None:
    points = []
    for seed in ("second", "third"):
        points.append((installed.value("volume", "snapshot", disk.uuid)["id"],
                       bytes(disk.content)))
        disk.write(seed, (3 * MIB, 4 * MIB))
    assert installed.forest().depth(disk.uuid) <= 3
    for point, content in points:
        compare(made(installed, point), content)
        bench.delete_image(point)
    compare(disk.uuid, bytes(disk.content))


def test_volume_snapshot_of_a_running_vms_disk(bench: Bench, installed: Place, disk: Disk,
                                               compare: Compare) -> None:
    installed.vm(disk.uuid)
    point = installed.value("volume", "snapshot", disk.uuid)["id"]
    content = bytes(disk.content)
    disk.write("later", (0, MIB))
    compare(made(installed, point), content)
    bench.delete_image(point)


def test_create_from_5_files_with_partial_bitmaps(installed: Place, tmp_path: Path,
                                                  compare: Compare) -> None:
    chain = images.chain(5, blocks=12, block_size=2 * MIB, seed=5)
    paths = [tmp_path / ("%d.vhd" % number) for number in range(5)]
    for path, data in zip(paths, chain.vhds):
        path.write_bytes(data)
    compare(made(installed, *map(str, paths[::-1])), chain.disk)


@pytest.mark.parametrize("disk_format", ["vhd", "raw"])
def test_export_by_url(installed: Place, disk: Disk, compare: Compare, disk_format: str) -> None:
    installed.branch("snapshot", disk.uuid)
    disk.write("second", (3 * MIB, 4 * MIB))
    shown = installed.value("volume", "export", disk.uuid, "--format", disk_format)
    with urllib.request.urlopen(shown["url"], timeout=60) as answer:
        data = answer.read()
    if disk_format == "vhd":
        found = bytearray(independent.parse(data).size)
        independent.apply(data, found)
        data = bytes(found)
    compare.file(data, bytes(disk.content))
