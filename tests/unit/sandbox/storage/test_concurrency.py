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

"""Transfers, guests and the collector at once."""

from __future__ import annotations

import random
import threading
from typing import Callable, List

from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, new_uuid, noise

SIZE = 24 * MIB


class Crowd:
    """Threads that repeat their work until told to stop, and whose first error is kept."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.errors: List[BaseException] = []
        self._threads: List[threading.Thread] = []

    def add(self, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                while not self.stop.is_set():
                    work()
            except BaseException as exc:
                self.errors.append(exc)
                self.stop.set()
        self._threads.append(threading.Thread(target=run))

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


def test_an_export_is_right_while_its_chain_is_merged_below_it(bench: Bench) -> None:
    """The collector runs between any two pieces of the export."""
    uuid = bench.create(SIZE)
    for seed in range(6):
        bench.fill(uuid, seed, seed + 1, seed + 2, seed=seed + 1)
        bench.destroy(bench.snapshot(uuid))
    pieces: List[bytes] = []
    actions = []

    def write(data: bytes) -> None:
        pieces.append(data)
        actions.append(bench.sr.gc_step())

    bench.sr.export_vhd(uuid, write)
    kinds = {action.kind for action in actions if action is not None}
    assert kinds == {"coalesce", "leaf-coalesce"}
    target = bench.create(SIZE)
    bench.import_(target, b"".join(pieces))
    bench.disks[target] = bench.disks[uuid]
    bench.check()


def test_snapshots_export_right_amid_writes_and_collections(bench: Bench) -> None:
    uuid = bench.create(SIZE)
    bench.fill(uuid, *range(12))
    rng = random.Random(5)
    guest = bench.sr.open(uuid, writable=True)
    written = bytearray(bench.disks.pop(uuid))
    turn = threading.Lock()

    def write() -> None:
        length = rng.choice([512, 100, 65536, BLOCK])
        offset = rng.randrange(SIZE - length)
        data = noise(rng, length)
        with turn:
            guest.pwrite(offset, data)
            written[offset:offset + length] = data

    crowd = Crowd()
    crowd.add(write)
    crowd.add(lambda: bench.sr.gc_step() or crowd.stop.wait(0.001))
    with crowd:
        for _ in range(8):
            new = new_uuid()
            with turn:
                bench.sr.snapshot(uuid, new, new_uuid(), clone=False, attached=True)
                frozen = bytes(written)
            target = bench.create(SIZE)
            bench.import_(target, bench.export(new))
            assert bench.read(target) == frozen
            assert bench.read(new) == frozen
            bench.sr.destroy(new)
            bench.destroy(target)
            assert not crowd.stop.is_set()
    guest.close()
    assert bench.read(uuid) == written
    bench.collect()
    assert bench.read(uuid) == written
    assert bench.depth(uuid) == 1


def test_several_guests_write_one_disk(bench: Bench) -> None:
    """Each owns the bytes of one residue in every sector: neighbours must not undo each other."""
    uuid = bench.create(4 * MIB)
    disks = [bench.sr.open(uuid, writable=True) for _ in range(4)]

    def work(number: int) -> None:
        for sector in range(600):
            disks[number].pwrite(sector * 512 + number * 128, bytes([number + 1]) * 128)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for disk in disks:
        disk.close()
    one = b"".join(bytes([number + 1]) * 128 for number in range(4))
    assert bench.read(uuid)[:600 * 512] == one * 600
