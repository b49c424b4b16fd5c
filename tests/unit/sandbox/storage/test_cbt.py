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

"""Logs of changed blocks against a model, and what is wrong with them."""

from __future__ import annotations

import random
from typing import Dict, List, Set

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from nova_swift_handler.sandbox.xapi.storage.cbt import CBT_BLOCK, Logs
from tests.unit.sandbox.storage.harness import MIB, Bench, new_uuid, noise

SIZE = 16 * MIB


def blocks(bits: bytes) -> Set[int]:
    return {8 * index + bit for index, byte in enumerate(bits) for bit in range(8)
            if byte & (0x80 >> bit)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_two_snapshots_differ_where_their_list_says(bench: Bench, seed: int) -> None:
    """Random writes, snapshots, deletions, collections, restarts; bytes are compared."""
    rng = random.Random(seed)
    uuid = bench.create(SIZE)
    logs = bench.sr.cbt
    assert logs is not None
    logs.create(uuid, SIZE)
    written: List[Set[int]] = []
    chain: List[str] = []
    for _ in range(12):
        touched: Set[int] = set()
        for _ in range(rng.randrange(4)):
            length = rng.choice([1, 4096, 200000])
            offset = rng.randrange(SIZE - length)
            bench.write(uuid, offset, noise(rng, length))
            touched |= set(range(offset // CBT_BLOCK, (offset + length - 1) // CBT_BLOCK + 1))
        written.append(touched)
        chain.append(bench.snapshot(uuid))
        if rng.random() < 0.3:
            bench.collect()
        if rng.random() < 0.3:
            bench.reopen()
        if len(chain) > 4:
            gone = rng.randrange(1, len(chain) - 1)
            assert bench.sr.cbt is not None
            bench.sr.cbt.delete(chain[gone], merge=True)
            bench.destroy(chain.pop(gone))
            merged = written.pop(gone)
            written[gone] |= merged
        _compare(bench, chain, written)


def _compare(bench: Bench, chain: List[str], written: List[Set[int]]) -> None:
    assert bench.sr.cbt is not None
    contents: Dict[str, bytes] = {uuid: bench.read(uuid) for uuid in chain}
    for first, start in enumerate(chain):
        for last, end in enumerate(chain[first + 1:], first + 1):
            told = blocks(bench.sr.cbt.changed(start, end))
            assert told == set().union(*written[first + 1:last + 1])
            one, two = contents[start], contents[end]
            differing = {at // CBT_BLOCK for at in range(0, SIZE, CBT_BLOCK)
                         if one[at:at + CBT_BLOCK] != two[at:at + CBT_BLOCK]}
            assert differing <= told


def test_logs_that_shrink_are_inconsistent(tmp_path: object) -> None:
    logs = Logs(str(tmp_path))
    first, second, leaf = (new_uuid() for _ in range(3))
    logs.create(leaf, SIZE)
    for taken in (first, second):
        logs.snapshot(leaf, taken)
    logs.resize(second, 2 * SIZE)
    with pytest.raises(StorageError) as caught:
        logs.changed(first, leaf)
    assert caught.value.code == "SR_BACKEND_FAILURE_459"


def test_a_disk_without_a_log_is_related_to_nothing(tmp_path: object) -> None:
    logs = Logs(str(tmp_path))
    with pytest.raises(StorageError) as caught:
        logs.changed(new_uuid(), new_uuid())
    assert caught.value.code == "SR_BACKEND_FAILURE_460"
    logs.note(new_uuid(), 0, 1)  # what nobody tracks is not noted
    assert list(tmp_path.iterdir()) == []  # type: ignore[attr-defined]
