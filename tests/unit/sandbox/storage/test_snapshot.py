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

"""Snapshots and clones: what nodes there are afterwards, and when they are refused."""

from __future__ import annotations

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, new_uuid


def test_the_leafs_file_becomes_a_hidden_base_copy_of_two_empty_leaves(bench: Bench) -> None:
    uuid, new, base = bench.create(8 * MIB), new_uuid(), new_uuid()
    bench.fill(uuid, 0, 2)
    with open(bench.file_of(uuid), "rb") as source:
        identity = source.read(512)[68:84]
    nodes = bench.sr.snapshot(uuid, new, base, clone=False)
    assert set(nodes) == {uuid, new, base}
    assert nodes[base].hidden and nodes[base].parent is None and nodes[base].read_only
    assert nodes[uuid].parent == nodes[new].parent == base
    assert nodes[uuid].sm_config["vhd-parent"] == base
    assert "vhd-parent" not in nodes[base].sm_config
    assert nodes[new].snapshot and not nodes[uuid].snapshot
    with open(bench.file_of(base), "rb") as source:
        assert source.read(512)[68:84] == identity


def test_a_clone_is_no_snapshot(bench: Bench) -> None:
    uuid, new = bench.create(8 * MIB), new_uuid()
    assert not bench.sr.snapshot(uuid, new, new_uuid(), clone=True)[new].snapshot


def test_writes_after_a_snapshot_stay_apart(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1)
    new = bench.snapshot(uuid)
    bench.write(uuid, 100, b"leaf")
    bench.write(new, BLOCK - 2, b"snapshot")
    bench.check()


def test_an_untouched_root_still_becomes_a_base_copy(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.snapshot(uuid)
    assert bench.depth(uuid) == 2


def test_snapshots_of_an_untouched_leaf_do_not_deepen_the_chain(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.snapshot(uuid)
    root = bench.sr.chain(uuid)[1].uuid
    for _ in range(35):
        new, base = new_uuid(), new_uuid()
        nodes = bench.sr.snapshot(uuid, new, base, clone=False)
        assert set(nodes) == {uuid, new}
        assert nodes[uuid].parent == nodes[new].parent == root
    assert bench.depth(uuid) == 2
    bench.check()


def test_a_resized_untouched_leaf_keeps_its_size(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.snapshot(uuid)
    bench.sr.resize(uuid, 20 * MIB)
    bench.disks[uuid].extend(bytes(12 * MIB))
    new = bench.snapshot(uuid)
    assert bench.sr.chain(new)[0].virtual_size == 20 * MIB
    bench.check()


def test_a_leaf_at_depth_30_is_not_snapshotted(bench: Bench) -> None:
    uuid = bench.create(2 * MIB)
    for turn in range(29):
        bench.write(uuid, 512 * turn, b"%d" % turn)
        bench.destroy(bench.snapshot(uuid))
    assert bench.depth(uuid) == 30
    before = bench.sr.scan()
    with pytest.raises(StorageError) as failure:
        bench.snapshot(uuid)
    assert failure.value.code == "SR_BACKEND_FAILURE_109"
    assert failure.value.params == ["", "The snapshot chain is too long", ""]
    assert bench.sr.scan() == before
    bench.check()
    bench.collect()
    assert bench.depth(uuid) == 1
    bench.check()


def test_an_open_disk_sees_its_writes_through_a_snapshot(bench: Bench) -> None:
    uuid = bench.create(4 * MIB)
    with bench.sr.open(uuid, writable=True) as disk:
        disk.pwrite(0, b"before")
        new = new_uuid()
        bench.sr.snapshot(uuid, new, new_uuid(), clone=False)
        disk.pwrite(3, b"after")
        assert disk.pread(0, 8) == b"befafter"
    assert bench.read(new)[:8] == b"before\0\0"
    assert bench.read(uuid)[:8] == b"befafter"


def test_a_full_ext_sr_fails_a_snapshot_with_81_and_changes_nothing(tmp_path: object) -> None:
    bench = Bench("ext", "%s/sr" % tmp_path, size=BLOCK + 8192)
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    free = bench.sr.physical_size - bench.sr.physical_utilisation
    assert free < 4096
    before = bench.sr.scan()
    with pytest.raises(StorageError) as failure:
        bench.sr.snapshot(uuid, new_uuid(), new_uuid(), clone=False)
    assert failure.value.code == "SR_BACKEND_FAILURE_81"
    assert failure.value.params == [
        "", "Failed to clone VDI [opterr=VDI clone failed error 28]", ""]
    assert bench.sr.scan() == before
    assert bench.sr.physical_size - bench.sr.physical_utilisation == free
    bench.check()


def test_raw_disks_are_not_snapshotted(bench: Bench) -> None:
    uuid = bench.create(8 * MIB, type="raw")
    with pytest.raises(StorageError) as failure:
        bench.snapshot(uuid)
    assert failure.value.code == "NOT_IMPLEMENTED"


def test_base_copies_are_neither_written_nor_destroyed(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    bench.snapshot(uuid)
    base = bench.sr.chain(uuid)[1].uuid
    with pytest.raises(StorageError) as failure:
        bench.sr.open(base, writable=True)
    assert failure.value.code == "VDI_READONLY"
    with pytest.raises(StorageError) as failure:
        bench.sr.destroy(base)
    assert failure.value.code == "SR_BACKEND_FAILURE_80"


def test_an_attached_disk_is_not_destroyed(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    with bench.sr.open(uuid, writable=False), pytest.raises(StorageError) as failure:
        bench.sr.destroy(uuid)
    assert failure.value.code == "VDI_IN_USE"
    bench.sr.destroy(uuid)
    with pytest.raises(StorageError) as failure:
        bench.sr.chain(uuid)
    assert (failure.value.code, failure.value.params) == ("UUID_INVALID", ["VDI", uuid])
