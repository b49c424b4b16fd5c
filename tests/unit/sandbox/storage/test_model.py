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

"""Random histories against plain byte arrays: whatever happens, every disk reads as written.

On EXT, thick and thin LVM; on SRs with room and on SRs that fill up; the chains as libvhdi reads
them; what the collector does by the rules of SM's cleanup.py.
"""

from __future__ import annotations

import os
import random
import struct
from typing import Any, Iterator, Set

import pytest

from nova_swift_handler.sandbox.xapi.storage import sizes
from nova_swift_handler.sandbox.xapi.storage.base import StorageError, copy_disk
from tests.unit.sandbox.storage.harness import (
    BLOCK,
    GIB,
    MIB,
    Bench,
    new_uuid,
    noise,
    open_chain,
)

STEPS = 45
SEEDS = [1, 2, 3]
EXTRA_SEED = os.environ.get("STORAGE_MODEL_SEED")
ALL_SEEDS = SEEDS + ([int(EXTRA_SEED)] if EXTRA_SEED else [])
KINDS = {"ext": ("ext", {}), "lvm thick": ("lvm", {}), "lvm thin": ("lvm", {"allocation": "thin"})}
#: What a full SR says, by verb: SM's errors, and vhd-tool's.
FULL = {"SR_BACKEND_FAILURE_44", "SR_BACKEND_FAILURE_78", "SR_BACKEND_FAILURE_79",
        "SR_BACKEND_FAILURE_81", "SR_BACKEND_FAILURE_180", "VDI_IO_ERROR"}


@pytest.fixture(params=sorted(KINDS))
def kind(request: Any) -> str:
    return str(request.param)


def make(kind: str, root: object, size: int = 64 * GIB) -> Bench:
    sr_type, config = KINDS[kind]
    return Bench(sr_type, "%s/sr" % root, size, **config)


@pytest.fixture
def model(kind: str, tmp_path: object) -> Iterator[Bench]:
    made = make(kind, tmp_path)
    yield made
    made.sr.close()


class History:
    """Random operations on a Bench; ``unit``: the bytes that writes come in."""

    def __init__(self, bench: Bench, seed: int, unit: int = 1) -> None:
        self.bench = bench
        self.unit = unit
        self.rng = random.Random(seed)
        self.refused: Set[str] = set()
        bench.create(6 * MIB)
        bench.create(7 * MIB)

    def step(self) -> str:
        operations = [
            (12, self.write), (4, self.snapshot), (2, self.clone), (3, self.destroy),
            (6, self.collect), (1 if self.unit == 1 else 0, self.resize), (1, self.copy),
            (2, self.full), (2, self.delta), (1, self.reopen)]
        weights = [weight for weight, _ in operations]
        operation = self.rng.choices([what for _, what in operations], weights)[0]
        try:
            operation()
        except StorageError as exc:
            self.refused.add(exc.code)
        return operation.__name__

    def any_disk(self) -> str:
        return self.rng.choice(sorted(self.bench.disks))

    def write(self) -> None:
        uuid = self.any_disk()
        size = len(self.bench.disks[uuid])
        for _ in range(self.rng.randrange(1, 6)):
            length = self.rng.choice([1, 511, 512, 4096, 5000, 70000, BLOCK, BLOCK + 3 * 512])
            offset = self.rng.randrange(size)
            if self.rng.random() < 0.5:
                offset = offset // BLOCK * BLOCK
            offset = offset // self.unit * self.unit
            length = min(-(-length // self.unit) * self.unit, size - offset)
            data = bytes(length) if self.rng.random() < 0.3 else noise(self.rng, length)
            try:
                self.bench.write(uuid, offset, data)
            except StorageError:
                self._settle(uuid, offset, data)
                raise

    def _settle(self, uuid: str, offset: int, data: bytes) -> None:
        """Of a write that failed each sector is there or not; nothing else has changed."""
        disk = self.bench.disks[uuid]
        first = offset // 512 * 512
        end = min(-(-(offset + len(data)) // 512) * 512, len(disk))
        new = bytearray(disk[first:end])
        new[offset - first:offset - first + len(data)] = data
        got = self.bench.read(uuid)[first:end]
        for at in range(0, end - first, 512):
            assert got[at:at + 512] in (disk[first + at:first + at + 512], new[at:at + 512])
        disk[first:end] = got

    def snapshot(self) -> None:
        if len(self.bench.disks) < 6:
            self.bench.snapshot(self.any_disk(), attached=self.rng.random() < 0.3)

    def clone(self) -> None:
        if len(self.bench.disks) < 6:
            self.bench.snapshot(self.any_disk(), clone=True)

    def destroy(self) -> None:
        if len(self.bench.disks) > 2:
            self.bench.destroy(self.any_disk())

    def collect(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            wishes = {self.any_disk(): "force"} if self.rng.random() < 0.3 else {}
            attached = {self.any_disk()} if self.rng.random() < 0.3 else ()
            check_collected(self.bench, leaf_coalesce=wishes, attached=attached)

    def resize(self) -> None:
        uuid = self.any_disk()
        disk = self.bench.disks[uuid]
        if len(disk) < 12 * MIB:
            size = self.bench.sr.resize(uuid, len(disk) + self.rng.randrange(4 * MIB)).virtual_size
            disk.extend(bytes(size - len(disk)))

    def copy(self) -> None:
        if len(self.bench.disks) < 6:
            source, target = self.any_disk(), new_uuid()
            copy_disk(self.bench.sr, source, self.bench.sr, target)
            self.bench.disks[target] = bytearray(self.bench.disks[source])

    def full(self) -> None:
        source = self.any_disk()
        target = self.bench.create(len(self.bench.disks[source]))
        self._import(target, self.bench.export(source), source)

    def delta(self) -> None:
        """A delta between any two disks of one size, applied on a copy of its base."""
        source, base = self.any_disk(), self.any_disk()
        if len(self.bench.disks[source]) != len(self.bench.disks[base]):
            return
        target = new_uuid()
        copy_disk(self.bench.sr, base, self.bench.sr, target)
        self.bench.disks[target] = bytearray(self.bench.disks[base])
        self._import(target, self.bench.export(source, base=base), source)

    def _import(self, target: str, stream: bytes, source: str) -> None:
        try:
            self.bench.import_(target, stream)
            self.bench.disks[target] = bytearray(self.bench.disks[source])
            self.bench.check()
        finally:
            self.bench.destroy(target)

    def reopen(self) -> None:
        self.bench.reopen()


def check_collected(bench: Bench, **options: Any) -> bool:
    """Do one step of the collector and hold it against SM's rules; False when there was none."""
    before = bench.sr.scan()
    action = bench.sr.gc_step(**options)
    if action is None:
        return False
    after = bench.sr.scan()
    children = {uuid: [node.uuid for node in before.values() if node.parent == uuid]
                for uuid in before}
    assert set(before) - set(after) == set(action.removed)
    node = before[action.uuid]
    if action.kind == "prune":
        assert node.hidden and not children[node.uuid] and action.removed == [node.uuid]
    elif action.kind == "coalesce":
        assert node.hidden and children[node.uuid] and action.removed == [node.uuid]
        assert children[node.parent] == [node.uuid]  # its parent's only child
        assert after[node.parent].hidden  # the parent keeps its uuid
        assert {child: after[child].parent for child in children[node.uuid]} == (
            dict.fromkeys(children[node.uuid], node.parent))
    elif action.kind == "leaf-coalesce":
        assert not node.hidden and not children[node.uuid]
        assert children[node.parent] == [node.uuid] and action.removed == [node.parent]
        assert not after[node.uuid].hidden  # the leaf's uuid survives, the parent's goes
        assert after[node.uuid].parent == before[node.parent].parent
    else:
        assert action.kind == "snapshot"
        assert set(after) - set(before) <= {action.parent}
    return True


def check_volumes(bench: Bench) -> None:
    """On LVM base copies are deflated to what their VHD needs, rounded up to an extent."""
    for node in bench.sr.scan().values():
        size = os.stat("%s/%s" % (bench.root, node.name)).st_size
        if bench.kind == "lvm":
            assert size % sizes.EXTENT == 0
            assert size <= sizes.thick_volume_size(node.virtual_size)
        if bench.kind == "lvm" and node.hidden:
            assert size == sizes.volume_size(needed("%s/%s" % (bench.root, node.name)))


def needed(path: str) -> int:
    """Bytes a VHD takes: up to its last block or its tables, and the footer.  From the file."""
    with open(path, "rb") as source:
        head = source.read(2048)
        table, entries = struct.unpack(">Q", head[528:536])[0], struct.unpack(
            ">I", head[540:544])[0]
        source.seek(table)
        bat = struct.unpack(">%dI" % entries, source.read(4 * entries))
    blocks = [entry for entry in bat if entry != 0xFFFFFFFF]
    tables = sizes.metadata_overhead(sizes.LVM_METADATA_FOR)
    return (max(blocks) * 512 + 512 + BLOCK + 512) if blocks else tables


@pytest.mark.parametrize("seed", ALL_SEEDS)
def test_every_disk_reads_as_written_after_every_step(model: Bench, seed: int) -> None:
    history = History(model, seed)
    for number in range(STEPS):
        _step(history, seed, number)
    assert history.refused <= {"SR_BACKEND_FAILURE_109"}
    _assert_accounts_balance(model)
    while check_collected(model):
        model.check()
    check_volumes(model)
    _assert_accounts_balance(model)
    assert all(not node.hidden or _children(model, node.uuid) > 1
               for node in model.sr.scan().values())


def _step(history: History, seed: int, number: int) -> None:
    name = history.step()
    try:
        history.bench.check()
    except AssertionError as exc:
        raise AssertionError("seed %d, step %d, %s: %s" % (seed, number, name, exc)) from exc


#: Room for the first two disks and little else: some steps fail, and most do not.
SMALL = {"ext": 26 * MIB, "lvm thick": 76 * MIB, "lvm thin": 60 * MIB}


@pytest.mark.parametrize("seed", ALL_SEEDS[1:])
def test_a_full_sr_loses_nothing(kind: str, tmp_path: object, seed: int) -> None:
    bench = make(kind, tmp_path, SMALL[kind])
    history = History(bench, seed)
    # Which disk a step is done to hangs on uuids, and so does how soon there is no room.
    for number in range(600):
        _step(history, seed, number)
        assert bench.sr.physical_utilisation <= bench.sr.physical_size
        if number >= 60 and history.refused:
            break
    assert history.refused and history.refused <= FULL, history.refused
    _assert_accounts_balance(bench)
    bench.reopen()
    bench.check()
    bench.sr.close()


@pytest.mark.parametrize("seed", ALL_SEEDS[1:])
def test_libvhdi_reads_every_chain_after_every_step(model: Bench, seed: int) -> None:
    """In groups of 8 sectors and without resizing, which libvhdi misreads: see test_readers."""
    history = History(model, seed, unit=4096)
    for number in range(STEPS // 2):
        _step(history, seed, number)
        for uuid, expected in model.disks.items():
            leaf = open_chain(model, uuid)[0]
            assert leaf.read_buffer_at_offset(len(expected), 0) == expected, (seed, number)


def test_a_chain_grows_to_thirty_and_no_further(model: Bench) -> None:
    uuid = model.create(4 * MIB)
    for depth in range(2, 31):
        model.write(uuid, depth * 512, noise(random.Random(depth), 512))
        model.snapshot(uuid)
        assert model.depth(uuid) == depth
    model.write(uuid, 0, b"more")
    for clone in (False, True):
        with pytest.raises(StorageError) as caught:
            model.snapshot(uuid, clone=clone)
        assert caught.value.code == "SR_BACKEND_FAILURE_109"
    model.check()
    for snapshot in list(model.disks)[1:]:
        model.destroy(snapshot)
    while check_collected(model):
        model.check()
    assert model.depth(uuid) == 1
    model.snapshot(uuid)
    model.check()


def _children(bench: Bench, uuid: str) -> int:
    return sum(node.parent == uuid for node in bench.sr.scan().values())


def _assert_accounts_balance(bench: Bench) -> None:
    """The running account of space agrees with what a scan counts anew."""
    running = bench.sr.physical_utilisation
    bench.sr.scan()
    assert bench.sr.physical_utilisation == running
    images = [name for name in os.listdir(bench.root) if not name.endswith(".json")]
    assert len(images) == len(bench.sr.scan())
