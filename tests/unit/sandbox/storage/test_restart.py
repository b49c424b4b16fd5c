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

"""A killed process leaves an SR that the next one opens with every disk intact."""

from __future__ import annotations

import os
import random
import shutil
from typing import Any, Callable

from nova_swift_handler.sandbox.xapi.storage import files
from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, new_uuid, noise


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Run ``work`` in a child killed before its ``number``-th change; False if it ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    left = [number]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return function(*args)
        return call

    files.write = counted(files.write)
    for name in ("replace", "unlink", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))
    try:
        work()
        os._exit(0)
    except BaseException:
        os._exit(0)


def _every_point(bench: Bench, work: Callable[[], object], check: Callable[[], object]) -> None:
    """Kill ``work`` before each of its changes, always from the same start; ``check`` after."""
    bench.sr.close()
    start = bench.root + ".start"
    shutil.copytree(bench.root, start)
    number, killed = 0, True
    while killed:
        number += 1
        shutil.rmtree(bench.root)
        shutil.copytree(start, bench.root)
        bench.reopen()
        killed = killed_at(number, work)
        bench.reopen()
        check()
    assert number > 3


def _check_disks(bench: Bench) -> None:
    """All disks read right, none was added, and the SR can go on."""
    bench.check()
    visible = {uuid for uuid, node in bench.sr.scan().items() if not node.hidden}
    assert set(bench.disks) <= visible
    known = dict(bench.disks)
    bench.snapshot(min(known))
    bench.collect()
    bench.check()
    bench.disks = known


def test_state_survives_a_restart(bench: Bench) -> None:
    uuid = bench.create(8 * MIB, some="config")
    bench.fill(uuid, 0, 3)
    new = bench.snapshot(uuid)
    bench.write(uuid, 77, b"more")
    before = bench.sr.scan()
    bench.reopen()
    assert bench.sr.scan() == before
    assert before[uuid].sm_config["some"] == "config" and before[new].snapshot
    bench.check()


def test_killed_while_snapshotting(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1)
    bench.snapshot(uuid)
    bench.write(uuid, 5, b"leaf")
    _every_point(
        bench, lambda: bench.sr.snapshot(uuid, new_uuid(), new_uuid(), clone=False),
        lambda: _check_disks(bench))


def test_killed_while_collecting(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    for block in (0, 1):
        bench.fill(uuid, block)
        bench.write(uuid, 3 * BLOCK + 512 * block, b"part")
        bench.destroy(bench.snapshot(uuid))
    bench.write(uuid, 7, b"leaf")
    _every_point(bench, bench.collect, lambda: _check_disks(bench))


def test_killed_while_writing(bench: Bench) -> None:
    """What was there stays; only bytes being written may be old or new."""
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0)
    data = noise(random.Random(1), BLOCK + 1024)

    def work() -> None:
        with bench.sr.open(uuid, writable=True) as disk:
            disk.pwrite(BLOCK - 512, data)

    def check() -> None:
        found = bench.read(uuid)
        assert found[:BLOCK - 512] == bench.disks[uuid][:BLOCK - 512]
        assert found[2 * BLOCK + 512:] == bytes(2 * BLOCK - 512)

    _every_point(bench, work, check)
    assert bench.read(uuid)[BLOCK - 512:2 * BLOCK + 512] == data


def test_killed_while_growing(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 2, 0)
    expected = bytes(bench.disks[uuid])

    def check() -> None:
        with bench.sr.open(uuid, writable=False) as disk:
            assert disk.pread(0, 8 * MIB) == expected

    _every_point(bench, lambda: bench.sr.resize(uuid, 4096 * MIB), check)
