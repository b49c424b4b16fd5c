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

"""Random histories against plain byte arrays: whatever happens, every disk reads as written."""

from __future__ import annotations

import os
import random

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import copy_disk
from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, new_uuid, noise

STEPS = 45
SEEDS = [1, 2, 3]
EXTRA_SEED = os.environ.get("STORAGE_MODEL_SEED")


class History:
    """Random operations on a Bench."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.rng = random.Random(seed)
        bench.create(6 * MIB)
        bench.create(7 * MIB)

    def step(self) -> str:
        operations = [
            (12, self.write), (4, self.snapshot), (2, self.clone), (3, self.destroy),
            (6, self.collect), (1, self.resize), (1, self.copy), (2, self.full), (2, self.delta),
            (1, self.reopen)]
        weights = [weight for weight, _ in operations]
        operation = self.rng.choices([what for _, what in operations], weights)[0]
        operation()
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
            length = min(length, size - offset)
            data = bytes(length) if self.rng.random() < 0.3 else noise(self.rng, length)
            self.bench.write(uuid, offset, data)

    def snapshot(self) -> None:
        if len(self.bench.disks) < 6:
            self.bench.snapshot(self.any_disk())

    def clone(self) -> None:
        if len(self.bench.disks) < 6:
            self.bench.snapshot(self.any_disk(), clone=True)

    def destroy(self) -> None:
        if len(self.bench.disks) > 2:
            self.bench.destroy(self.any_disk())

    def collect(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            self.bench.sr.gc_step()

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
        self.bench.import_(target, self.bench.export(source))
        self.bench.disks[target][:] = self.bench.disks[source]
        self.bench.check()
        self.bench.destroy(target)

    def delta(self) -> None:
        """A delta between any two disks of one size, applied on a copy of its base."""
        source, base = self.any_disk(), self.any_disk()
        if len(self.bench.disks[source]) != len(self.bench.disks[base]):
            return
        target = new_uuid()
        copy_disk(self.bench.sr, base, self.bench.sr, target)
        self.bench.import_(target, self.bench.export(source, base=base))
        self.bench.disks[target] = bytearray(self.bench.disks[source])
        self.bench.check()
        self.bench.destroy(target)

    def reopen(self) -> None:
        self.bench.reopen()


@pytest.mark.parametrize("seed", SEEDS + ([int(EXTRA_SEED)] if EXTRA_SEED else []))
def test_every_disk_reads_as_written_after_every_step(bench: Bench, seed: int) -> None:
    history = History(bench, seed)
    for number in range(STEPS):
        name = history.step()
        try:
            bench.check()
        except AssertionError as exc:
            raise AssertionError("seed %d, step %d, %s: %s" % (seed, number, name, exc)) from exc
    _assert_accounts_balance(bench)
    bench.collect()
    bench.check()
    _assert_accounts_balance(bench)
    assert all(not node.hidden or _children(bench, node.uuid) > 1
               for node in bench.sr.scan().values())


def _children(bench: Bench, uuid: str) -> int:
    return sum(node.parent == uuid for node in bench.sr.scan().values())


def _assert_accounts_balance(bench: Bench) -> None:
    """The running account of space agrees with what a scan counts anew."""
    running = bench.sr.physical_utilisation
    bench.sr.scan()
    assert bench.sr.physical_utilisation == running
    images = [name for name in os.listdir(bench.root) if not name.endswith(".json")]
    assert len(images) == len(bench.sr.scan())
