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

"""``swift-vhd sr``: what scripts and people get."""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Dict, List

import pytest

from nova_swift_handler.xapi import sizes

from .conftest import MIB, SIZE, Disk, Place


def test_srs_are_listed(places: Dict[str, Place]) -> None:
    rows = places["ext"].value("sr", "list")
    assert {row["UUID"]: row["Layout"] for row in rows} == {
        place.sr_uuid: {"ext": "file"}.get(kind, kind) for kind, place in places.items()}
    assert all(row["Size"] >= row["Free"] > 0 for row in rows)
    code, out, _err = places["ext"].run("sr", "list")
    assert code == 0 and "200.0 GiB" in out


def test_an_sr_is_shown_by_uuid_or_name(place: Place, disk: Disk) -> None:
    place.branch("snapshot", disk.uuid)
    disk.write("second", (0, MIB))
    shown = place.value("sr", "show", place.sr_uuid)
    assert (shown["disks"], shown["snapshots"], shown["base_copies"], shown["deepest_chain"],
            shown["to_coalesce"], shown["collector"]) == (1, 1, 1, 2, 0, "on")
    assert shown["size"] == shown["taken"] + shown["free"]
    assert shown["allocated"] >= SIZE
    assert place.value("sr", "show", shown["name"])["uuid"] == place.sr_uuid


def test_without_a_name_it_is_the_default_sr(places: Dict[str, Place]) -> None:
    assert places["lvm thin"].value("sr", "show")["uuid"] == places["ext"].sr_uuid


def test_trees_are_drawn_for_people_and_are_data_for_programs(place: Place, disk: Disk) -> None:
    vm = place.vm(disk.uuid, start=False)
    snapshot = place.branch("snapshot", disk.uuid)
    disk.write("second", (0, MIB))
    place.call("SR.scan", place.sr_ref)
    base = place.forest().chain(disk.uuid)[1].uuid
    rows = {row["UUID"]: row for row in place.value("sr", "chain", place.sr_uuid)}
    assert set(rows) == {base, snapshot, disk.uuid}
    assert {uuid: (row["Parent"], row["Depth"], row["Kind"]) for uuid, row in rows.items()} == {
        base: (None, 1, "base copy"), snapshot: (base, 2, "snapshot"),
        disk.uuid: (base, 2, "disk")}
    assert [holder["uuid"] for holder in rows[disk.uuid]["VM"]] == [vm]
    assert rows[base]["VM"] == [] and rows[base]["Snapshot Takes At Most"] is None
    most = rows[disk.uuid]["Snapshot Takes At Most"]
    assert most > (sizes.full_volume(SIZE) if place.kind == "lvm thick" else 0)
    code, out, _err = place.run("sr", "chain", place.sr_uuid)
    assert code == 0
    assert "| %s " % base in out
    assert re.search(r"\| (\|-|`-) %s .*web \(not attached\)" % disk.uuid, out)
    assert place.value("sr", "chain", "--vdi", snapshot) == list(rows.values())


def test_what_the_collector_can_do_is_shown(place: Place, disk: Disk) -> None:
    place.destroy(place.branch("snapshot", disk.uuid))
    place.call("VDI.add_to_other_config", place.ref(disk.uuid), "leaf-coalesce", "false")
    [_base, row] = place.value("sr", "chain", place.sr_uuid)
    assert row["Collector"] == "leaf-coalesce" and "param-key=leaf-coalesce" in row["Hindrance"]
    rows = place.value("sr", "coalesce", place.sr_uuid, "--wait")
    assert [(each["Action"], each["Of"]) for each in rows] == [
        ("collect", place.sr_uuid), ("leaf-coalesce", disk.uuid)]
    assert "switched off for it" in rows[1]["Result"]


def test_coalescing_is_started_and_waited_for(place: Place, disk: Disk) -> None:
    # A collector that comes late, as SM's does after a boot.
    place.control.gc_background(3600, pause=6)
    time.sleep(0.5)  # its first round
    place.destroy(place.branch("snapshot", disk.uuid))
    assert place.value("sr", "coalesce", place.sr_uuid) == [
        {"Action": "collect", "Of": place.sr_uuid, "Result": "started"}]
    [row] = place.value("sr", "coalesce", place.sr_uuid, "--wait", "--patience", "60")
    assert row["Result"] == "1 VHDs removed"
    assert place.forest().depth(disk.uuid) == 1


def test_a_collector_that_is_off_is_an_error_that_says_how_to_switch_it_on(
        place: Place, disk: Disk) -> None:
    place.destroy(place.branch("snapshot", disk.uuid))
    place.call("SR.add_to_other_config", place.sr_ref, "gc", "false")
    try:
        code, _out, err = place.run("sr", "coalesce", place.sr_uuid, "--wait")
        assert code == 4
        assert f"xe sr-param-remove uuid={place.sr_uuid} param-name=other-config" in err
        assert "gc=false" in place.value("sr", "show", place.sr_uuid)["collector"]
    finally:
        place.call("SR.remove_from_other_config", place.sr_ref, "gc")


def test_a_collector_that_never_comes_is_given_up(place: Place, disk: Disk) -> None:
    place.destroy(place.branch("snapshot", disk.uuid))
    code, _out, err = place.run("sr", "coalesce", place.sr_uuid, "--wait", "--patience", "0.1")
    assert code == 4
    assert "nothing has changed for 0.1 s" in err


@pytest.mark.parametrize("place", ["lvm thick", "lvm thin"], indirect=True)
def test_leaves_are_coalesced_by_vm_name(place: Place, disk: Disk) -> None:
    place.vm(disk.uuid)
    place.destroy(place.branch("snapshot", disk.uuid))
    assert place.value("sr", "coalesce", "--leaf", "web") == [
        {"Action": "leaf", "Of": "web", "Result": "done"}]
    assert place.forest().depth(disk.uuid) == 1


def test_a_tree_that_changes_while_it_is_read(place: Place, disk: Disk) -> None:
    """No look at an SR fails because the collector works."""
    stop = threading.Event()
    failures: List[Any] = []

    def look() -> None:
        while not stop.is_set():
            try:
                place.forest()
            except Exception as error:
                failures.append(error)

    looker = threading.Thread(target=look)
    place.control.gc_background(0.05)
    looker.start()
    try:
        for number in range(12):
            place.destroy(place.branch("snapshot", disk.uuid))
            disk.write(str(number), (number * MIB, 4096))
            time.sleep(0.05)
    finally:
        stop.set()
        looker.join()
    assert not failures
