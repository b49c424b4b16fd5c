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

"""Every operation on every kind of SR, all bytes of all disks concerned compared after it.

The names of the tests are the rows of the table that is printed at the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from typing import Dict, List

from nova_swift_handler.transfer import process
from nova_swift_handler.xapi import coalescing, copying, leaf, marked
from tests.functional.handler.bench import Bench
from tests.unit.transfer import images
from tests.unit.vhd import independent

from .conftest import MIB, SIZE, Compare, Disk, Place


def coalesce(place: Place) -> coalescing.Outcome:
    """Have the SR coalesce, to the end."""
    place.control.gc_background(0.2)
    with place.session() as session:
        outcome = coalescing.watch(session, place.sr_ref, patience=60, poll=0.1)
    place.control.gc_background(None)
    return outcome


def test_snapshot(place: Place, disk: Disk, compare: Compare) -> None:
    before = bytes(disk.content)
    snapshot = place.branch("snapshot", disk.uuid)
    compare(snapshot, before)
    compare(disk.uuid, before)
    after = disk.write("second", (3 * MIB, 4 * MIB), (30 * MIB + 512, 512))
    compare(snapshot, before)
    compare(disk.uuid, after)


def test_second_snapshot(place: Place, disk: Disk, compare: Compare) -> None:
    kept = []
    for seed in ("second", "third", "fourth"):
        kept.append((place.branch("snapshot", disk.uuid), bytes(disk.content)))
        disk.write(seed, (3 * MIB, 4 * MIB), (len(kept) * 6 * MIB, MIB))
    assert place.forest().depth(disk.uuid) == 4
    for snapshot, content in kept:
        compare(snapshot, content)
    compare(disk.uuid, bytes(disk.content))


def test_clone_of_a_snapshot(place: Place, disk: Disk, compare: Compare) -> None:
    before = bytes(disk.content)
    snapshot = place.branch("snapshot", disk.uuid)
    clone = place.branch("clone", snapshot)
    place.control.guest_write(clone, 0, b"clone's own")
    disk.write("second", (0, MIB))
    compare(clone, b"clone's own" + before[11:])
    compare(snapshot, before)
    compare(disk.uuid, bytes(disk.content))


def test_coalescing_by_the_collector(place: Place, disk: Disk, compare: Compare) -> None:
    snapshots = []
    for number in range(4):
        snapshots.append((place.branch("snapshot", disk.uuid), bytes(disk.content)))
        disk.write("after %d" % number, (number * 9 * MIB, 3 * MIB))
    assert place.forest().depth(disk.uuid) == 5
    place.destroy(snapshots[1][0])
    place.destroy(snapshots[2][0])
    assert not coalesce(place).left
    # The bases of the first and the last snapshot stay: each has two children.
    assert place.forest().depth(disk.uuid) == 3
    for snapshot, content in (snapshots[0], snapshots[3]):
        compare(snapshot, content)
    compare(disk.uuid, bytes(disk.content))
    place.destroy(snapshots[0][0])
    place.destroy(snapshots[3][0])
    coalesce(place)
    assert [vdi.uuid for vdi in place.forest().chain(disk.uuid)] == [disk.uuid]
    compare(disk.uuid, bytes(disk.content))


def test_leaf_coalescing_of_a_running_vm(place: Place, disk: Disk, compare: Compare) -> None:
    if place.kind == "ext":
        # The plugin knows LVM only: the collector does it.
        place.destroy(place.branch("snapshot", disk.uuid))
        coalesce(place)
    else:
        vm = place.vm(disk.uuid)
        place.destroy(place.branch("snapshot", disk.uuid))
        disk.write("second", (20 * MIB, 2 * MIB))
        with place.session() as session:
            assert leaf.coalesce(session, vm) is True
            assert leaf.coalesce(session, vm) is False
    assert place.forest().depth(disk.uuid) == 1
    compare(disk.uuid, bytes(disk.content))


def test_flatten(place: Place, disk: Disk, compare: Compare) -> None:
    for number in range(3):
        place.branch("snapshot", disk.uuid)
        disk.write("after %d" % number, (number * 9 * MIB, 3 * MIB))
    [row] = place.value("sr", "coalesce", "--flatten", disk.uuid)
    made = row["Result"].replace("VDI ", "")
    forest = place.forest()
    assert (forest.depth(disk.uuid), forest.depth(made)) == (4, 1)
    assert marked.MARK not in forest.vdis[made].other_config
    compare(made, bytes(disk.content))
    compare(disk.uuid, bytes(disk.content))


def test_copy_to_each_other_kind_of_sr(place: Place, places: Dict[str, Place], disk: Disk,
                                       compare: Compare) -> None:
    place.branch("snapshot", disk.uuid)
    content = disk.write("second", (3 * MIB, 4 * MIB))
    for other in places.values():
        with place.session() as session:
            compare(copying.copy(session, disk.uuid, "t", other.sr_ref), content)


def test_boot_from_a_point(bench: Bench, place: Place, disk: Disk, compare: Compare) -> None:
    first = bench.snapshot_job(place, place.branch("snapshot", disk.uuid))
    process.run(first)
    before = bytes(disk.content)
    after = disk.write("second", (3 * MIB, 4 * MIB), (30 * MIB + 512, 512))
    second = dataclasses.replace(first, image_id=bench.queued(),
                                 vdi_uuid=place.branch("snapshot", disk.uuid))
    process.run(second)
    for job, content in ((first, before), (second, after)):
        made = process.run(bench.boot_job(place, job.image_id))["vdi_uuid"]
        assert place.forest().depth(made) == 1
        compare(made, content)


def test_foreign_chain_of_5_with_partial_bitmaps(bench: Bench, place: Place,
                                                 compare: Compare) -> None:
    chain = images.chain(5, blocks=12, block_size=2 * MIB, seed=5)
    for order in (range(5), (4, 2, 0, 1, 3)):
        image = bench.uploaded(images.numbered(chain.vhds, list(order)))
        made = process.run(bench.boot_job(place, image))["vdi_uuid"]
        assert place.forest().depth(made) == 1
        compare(made, chain.disk)


def test_export(bench: Bench, place: Place, disk: Disk, compare: Compare) -> None:
    """What Glance gives of a point, read by a parser that is not ours."""
    place.branch("snapshot", disk.uuid)
    disk.write("second", (3 * MIB, 4 * MIB))
    image = bench.store(place, disk.uuid)
    data = bench.glance("GET", "/v2/images/%s/file" % image).content
    found = bytearray(independent.parse(data).size)
    independent.apply(data, found)
    compare.file(bytes(found), bytes(disk.content))


def test_snapshot_while_a_vm_writes_and_the_collector_runs(
        bench: Bench, place: Place, disk: Disk, compare: Compare) -> None:
    """Each is what the disk was at some moment, and stays so while all below it is coalesced."""
    place.vm(disk.uuid)
    place.control.gc_background(0.2)
    states: Dict[str, bytes] = {}
    done = threading.Event()

    def note() -> None:
        states[hashlib.sha256(disk.content).hexdigest()] = bytes(disk.content)

    def work() -> None:
        number = 0
        while not done.is_set():
            number += 1
            disk.write("write %d" % number, ((number * 3 % 31) * 2 * MIB, 64 * 1024))
            note()

    note()
    writer = threading.Thread(target=work)
    writer.start()
    try:
        jobs = []
        for _ in range(4):
            snapshot = place.branch("snapshot", disk.uuid)
            jobs.append(bench.snapshot_job(place, snapshot))
            process.run(jobs[-1])
            place.destroy(snapshot)
    finally:
        done.set()
        writer.join()
    found: List[str] = []
    for job in jobs:
        made = process.run(bench.boot_job(place, job.image_id))["vdi_uuid"]
        digest = place.control.guest_sha256(made)
        assert digest in states, "the snapshot is no state that the disk ever had"
        compare(made, states[digest])
        found.append(digest)
    assert len(set(found)) > 1, "the VM wrote nothing in between"
    assert any("coalesce" in action["kind"] for action in place.control.gc_history())
    compare(disk.uuid, bytes(disk.content))
    assert len(disk.content) == SIZE
