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

"""``swift-vhd snapshot`` and ``swift-vhd store``: what scripts and people get."""

from __future__ import annotations

import os
import pathlib
import uuid
from typing import Any

import pytest

from nova_swift_handler.catalog import names
from tests.functional.transfer.shop import MIB2

from .conftest import Place


def test_points_are_listed(place: Place) -> None:
    rows = place.value("snapshot", "list", "--volume", "a")
    assert [(row["ID"], row["Volume"], row["Sequence"], row["Virtual Size"], row["Sent Bytes"],
             row["Parent"]) for row in rows] == [
        (point.image_id, "a", point.sequence, 12 * MIB2 - 1536, point.sent_bytes, parent)
        for point, parent in zip(place.points, [None, place.ids[0]])]
    rows = place.value("snapshot", "list", "--glance")
    assert [(row["ID"], row["Image Status"]) for row in rows] == [
        (image_id, "missing") for image_id in place.ids]


def test_a_point_is_shown(place: Place) -> None:
    shown = place.value("snapshot", "show", place.ids[1])
    assert (shown["digest"], shown["delta_parent"]) == (place.points[1].digest, place.ids[0])
    code, _out, err = place.run("snapshot", "show", str(uuid.uuid4()))
    assert code == 11
    assert "store rebuild" in err


def test_a_chain_is_drawn_for_people_and_is_data_for_programs(place: Place) -> None:
    rows = place.value("snapshot", "chain", "a")
    assert [(row["ID"], row["Parent"], row["Depth"]) for row in rows] == [
        (place.ids[0], None, 0), (place.ids[1], place.ids[0], 1)]
    assert rows[1]["Delta Size"] < rows[0]["Delta Size"]
    _code, out, _err = place.run("snapshot", "chain", "a")
    assert "| %s " % place.ids[0] in out
    assert "| `- %s " % place.ids[1] in out
    assert "MiB" in out


@pytest.mark.parametrize("disk_format", ["vhd", "raw"])
def test_a_point_is_restored_to_a_file(place: Place, tmp_path: pathlib.Path, libvhdi: Any,
                                       disk_format: str) -> None:
    path = tmp_path / "out"
    code, out, err = place.run("snapshot", "restore", place.ids[1], str(path), "--format",
                               disk_format)
    assert code == 0, err
    assert place.points[1].digest in out
    if disk_format == "raw":
        assert path.read_bytes() == place.disks[1]
    else:
        file = libvhdi.file()
        file.open(str(path))
        assert file.read_buffer_at_offset(len(place.disks[1]), 0) == place.disks[1]
        file.close()
    code, _out, err = place.run("snapshot", "restore", place.ids[1], str(path))
    assert code == 9
    assert "--force" in err


def test_a_raw_disk_is_published(place: Place) -> None:
    shown = place.value("snapshot", "raw", place.ids[0])
    assert shown["size"] == len(place.disks[0])
    assert place.shop.download("%s/%s" % (shown["container"], shown["object"])) == place.disks[0]


def test_the_cluster_is_probed(place: Place) -> None:
    shown = place.value("store", "probe")
    assert (shown["ranges"], shown["inline_data"], shown["nested"]) == (True, True, True)
    assert any("ranges of objects: yes" in line for line in shown["found"])
    assert "shared" in shown["views"]


def test_usage(place: Place) -> None:
    *rows, total = place.value("store", "usage")
    (row,) = [row for row in rows if row["Volume"] == "a"]
    assert row["Points"] == total["Points"] == 2
    assert row["Logical"] == 10 * MIB2
    assert 6 * MIB2 < row["Data"] < 7 * MIB2
    assert row["Data"] < row["Stored"]
    points = place.value("store", "usage", "--volume", "a")
    assert [each["ID"] for each in points] == place.ids
    assert points[1]["Freed"] > MIB2


def test_verification_tells_by_its_exit_code_and_is_remembered(place: Place) -> None:
    assert place.value("store", "verify", "--level", "all") == []
    assert "(all): whole" in place.value("snapshot", "show", place.ids[0])["last_verified"]
    container, table = place.points[0].container, place.points[0].regions[0].table
    before = place.shop.download("%s/%s" % (container, table))
    place.shop.account.put(container, table, before[:-10])
    rows = place.value("snapshot", "verify", place.ids[0], code=7)
    assert [(row["Kind"], row["Object"], row["Points"]) for row in rows] == [
        ("table", "%s/%s" % (container, table), [place.ids[0]])]
    assert "store rebuild" in rows[0]["What To Do"]
    assert place.value("snapshot", "verify", place.ids[1]) == []
    assert "problems" in place.value("snapshot", "show", place.ids[0])["last_verified"]
    rows = place.value("store", "rebuild", "--volume", "a", "--dry-run")
    assert [(row["ID"], row["State"]) for row in rows] == [(place.ids[0], "to make")]
    rows = place.value("store", "rebuild", "--volume", "a")
    assert [(row["ID"], row["State"]) for row in rows] == [(place.ids[0], "made")]
    assert place.value("snapshot", "verify", "--volume", "a") == []


def test_a_drill_restores_and_compares(place: Place, tmp_path: pathlib.Path) -> None:
    shown = place.value("store", "drill", "--directory", str(tmp_path), "--seed", "5")
    assert (shown["seed"], shown["bytes_read"]) == (5, 5 * MIB2)
    again = place.value("store", "drill", "--directory", str(tmp_path), "--seed", "5")
    assert again["id"] == shown["id"]
    assert os.listdir(tmp_path) == []


def test_a_drill_of_what_is_damaged_fails(place: Place, tmp_path: pathlib.Path) -> None:
    account, container = place.shop.account, place.points[0].container
    view = names.of_point(place.ids[0], names.DISK_VIEW)
    entries = account.manifest(container, view)
    other = account.manifest(container, names.of_point(place.ids[1], names.DISK_VIEW))
    account.put_manifest(container, view, other)
    code, out, err = place.run("store", "drill", "--directory", str(tmp_path), "--id",
                               place.ids[0])
    account.put_manifest(container, view, entries)
    assert (code, out) == (7, "")
    assert "is not the disk that was restored" in err
    assert os.listdir(tmp_path) == []
