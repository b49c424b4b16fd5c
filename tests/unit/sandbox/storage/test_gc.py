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

"""The collector: what it merges, in which order, under which uuid, and when it must not."""

from __future__ import annotations

import pytest

from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench


def test_nothing_to_do(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    assert bench.collect() == []


def test_a_base_of_a_kept_snapshot_is_never_merged(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.snapshot(uuid)
    bench.fill(uuid, 1)
    assert bench.collect() == []
    assert bench.depth(uuid) == 2


def test_a_destroyed_family_is_pruned(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    for block in range(3):
        bench.fill(uuid, block)
        bench.destroy(bench.snapshot(uuid))
    bench.destroy(uuid)
    assert bench.collect() == ["prune"] * 3
    assert bench.sr.scan() == {}


def test_a_hidden_only_child_is_merged_and_the_parent_keeps_its_uuid(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 0, 1)
    first = bench.snapshot(uuid)
    bench.fill(uuid, 1, 2, seed=3)
    bench.snapshot(uuid)
    bench.fill(uuid, 3)
    leaf, middle, root = bench.sr.chain(uuid)
    bench.destroy(first)
    action = bench.sr.gc_step()
    assert action is not None
    assert (action.kind, action.uuid, action.parent) == ("coalesce", middle.uuid, root.uuid)
    assert action.removed == [middle.uuid]
    assert leaf.uuid in action.relinked and len(action.relinked) == 2
    assert [node.uuid for node in bench.sr.chain(uuid)] == [uuid, root.uuid]
    assert bench.sr.chain(uuid)[0].sm_config["vhd-parent"] == root.uuid
    bench.check()
    bench.reopen()
    bench.check()
    assert bench.collect() == []


def test_a_leaf_takes_its_parents_place_and_keeps_its_uuid(bench: Bench) -> None:
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 0, 1)
    new = bench.snapshot(uuid)
    root = bench.sr.chain(uuid)[1].uuid
    with open(bench.file_of(root), "rb") as source:
        identity = source.read(512)[68:84]
    bench.write(uuid, BLOCK + 3, b"leaf")
    bench.destroy(new)
    action = bench.sr.gc_step()
    assert action is not None
    assert (action.kind, action.uuid, action.parent) == ("leaf-coalesce", uuid, root)
    assert action.removed == [root]
    assert list(bench.sr.scan()) == [uuid]
    node = bench.sr.chain(uuid)[0]
    assert node.parent is None and not node.hidden and "vhd-parent" not in node.sm_config
    with open(bench.file_of(uuid), "rb") as source:
        assert source.read(512)[68:84] == identity
    bench.check()
    bench.reopen()
    bench.check()


def test_a_leaf_with_20_mib_is_merged_by_an_internal_snapshot(bench: Bench) -> None:
    uuid = bench.create(40 * MIB)
    bench.fill(uuid, 0)
    bench.destroy(bench.snapshot(uuid))
    bench.fill(uuid, *range(3, 12))
    assert bench.collect() == ["leaf-coalesce"]
    bench.destroy(bench.snapshot(uuid))
    bench.fill(uuid, *range(3, 13))
    assert bench.collect() == ["snapshot", "coalesce", "leaf-coalesce"]
    assert bench.depth(uuid) == 1
    bench.check()


def test_switches_of_a_disk_are_obeyed(bench: Bench) -> None:
    uuid = bench.create(40 * MIB)
    bench.destroy(bench.snapshot(uuid))
    bench.fill(uuid, *range(12))
    assert bench.collect(leaf_coalesce={uuid: "false"}) == []
    assert bench.collect(leaf_coalesce={uuid: "force"}) == ["leaf-coalesce"]
    bench.check()


def test_a_merge_widens_a_smaller_parent(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 3)
    first = bench.snapshot(uuid)
    bench.sr.resize(uuid, 2048 * MIB)
    with bench.sr.open(uuid, writable=True) as disk:
        disk.pwrite(2047 * MIB, b"far")
    bench.sr.destroy(first)
    expected = bytes(bench.disks[uuid])
    bench.disks.clear()
    assert bench.collect() == ["leaf-coalesce"]
    bench.reopen()
    assert bench.sr.chain(uuid)[0].virtual_size == 2048 * MIB
    with bench.sr.open(uuid, writable=False) as disk:
        assert disk.pread(0, len(expected)) == expected
        assert disk.pread(2047 * MIB, 4) == b"far\0"


def test_the_tallest_tree_comes_first(bench: Bench) -> None:
    low, tall = bench.create(4 * MIB), bench.create(4 * MIB)
    kept = {}
    for uuid, levels in ((low, 2), (tall, 4)):
        for level in range(levels):
            bench.write(uuid, 512 * level, b"%d" % level)
            kept[uuid, level] = bench.snapshot(uuid)
    for uuid in (low, tall):
        bench.destroy(kept[uuid, 0])
    nodes = {node.uuid for node in bench.sr.chain(tall)}
    action = bench.sr.gc_step()
    assert action is not None and action.kind == "coalesce" and action.uuid in nodes


def test_without_space_nothing_happens_and_the_disk_says_so(tmp_path: object) -> None:
    bench = Bench("ext", "%s/sr" % tmp_path, size=14 * MIB)
    uuid = bench.create(20 * MIB)
    bench.fill(uuid, 0, 1, 2)
    new = bench.snapshot(uuid)
    bench.fill(uuid, 4, 5, 6)
    bench.destroy(new)
    assert bench.collect() == []
    assert bench.sr.chain(uuid)[0].sm_config["gc_no_space"]
    assert bench.depth(uuid) == 2
    bench.check()


def test_lvm_deflates_what_it_has_merged_into(lvm: Bench) -> None:
    uuid = lvm.create(64 * MIB)
    lvm.fill(uuid, 0)
    first = lvm.snapshot(uuid)
    lvm.fill(uuid, 1, 2)
    lvm.snapshot(uuid)
    lvm.destroy(first)
    root = lvm.sr.chain(uuid)[-1].uuid
    assert lvm.collect() == ["coalesce"]
    three_blocks = 12 * MIB  # 4329472 + 3 * (2 MiB + 4 KiB) bytes of VHD
    assert lvm.sr.chain(root)[0].physical_utilisation == three_blocks
    lvm.check()


def test_lvm_gives_a_merged_leaf_its_whole_volume(lvm: Bench) -> None:
    uuid = lvm.create(64 * MIB)
    lvm.fill(uuid, 0)
    lvm.destroy(lvm.snapshot(uuid))
    lvm.fill(uuid, 1)
    with lvm.sr.open(uuid, writable=True) as disk:
        assert lvm.collect(attached=[uuid]) == ["leaf-coalesce"]
        disk.pwrite(5 * BLOCK, b"x" * 20 * MIB)
        lvm.disks[uuid][5 * BLOCK:5 * BLOCK + 20 * MIB] = b"x" * 20 * MIB
    assert lvm.sr.chain(uuid)[0].physical_utilisation == 72 * MIB
    lvm.check()


@pytest.mark.parametrize("writable", [False, True])
def test_an_open_disk_reads_on_through_a_collection(bench: Bench, writable: bool) -> None:
    uuid = bench.create(20 * MIB)
    for block in range(4):
        bench.fill(uuid, block, block + 1, seed=block + 2)
        bench.destroy(bench.snapshot(uuid))
    with bench.sr.open(uuid, writable=writable) as disk:
        while bench.sr.gc_step() is not None:
            assert disk.pread(0, 20 * MIB) == bench.disks[uuid]
    assert bench.depth(uuid) == 1
