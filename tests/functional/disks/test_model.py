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

"""Any history of operations against a model of what every disk holds, compared after each step."""

from __future__ import annotations

import random
from typing import Any, Dict, List, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import beforehand, coalescing, copying, marked

from .conftest import MIB, Compare, Disk, Place

STEPS = 22
_MOST = 7
"""Disks at a time."""


class Model:
    """What every disk holds, by uuid, and the steps that change it."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self.random = random.Random(seed)
        self.disks: Dict[str, bytes] = {}
        self.steps: List[Tuple[str, str]] = []
        first = Disk(place, 16 * MIB)
        self.disks[first.uuid] = bytes(first.content)

    def step(self) -> None:
        verbs = ["write", "write", "snapshot", "clone", "copy", "coalesce", "destroy"]
        if len(self.disks) >= _MOST:
            verbs = ["write", "destroy", "coalesce"]
        verb = self.random.choice(verbs)
        uuid = self.random.choice(sorted(self.disks))
        self.steps.append((verb, uuid))
        getattr(self, verb)(uuid)

    def write(self, uuid: str) -> None:
        offset = self.random.randrange(0, 15 * MIB // 512) * 512
        length = self.random.randrange(1, 256) * 512
        data = self.random.getrandbits(8 * length).to_bytes(length, "big")
        self.place.control.guest_write(uuid, offset, data)
        content = self.disks[uuid]
        self.disks[uuid] = content[:offset] + data + content[offset + len(data):]

    def snapshot(self, uuid: str) -> None:
        with self.place.session() as session:
            beforehand.snapshot(session, uuid)
        self.disks[self.place.branch("snapshot", uuid)] = self.disks[uuid]

    def clone(self, uuid: str) -> None:
        with self.place.session() as session:
            beforehand.snapshot(session, uuid, clone=True)
        self.disks[self.place.branch("clone", uuid)] = self.disks[uuid]

    def copy(self, uuid: str) -> None:
        with self.place.session() as session:
            made = copying.copy(session, uuid, "t")
            marked.release(session, made)
        self.disks[made] = self.disks[uuid]

    def destroy(self, uuid: str) -> None:
        if len(self.disks) > 1:
            self.place.destroy(uuid)
            del self.disks[uuid]

    def coalesce(self, uuid: str) -> None:
        self.place.control.gc_background(0.1)
        with self.place.session() as session:
            coalescing.watch(session, self.place.sr_ref, patience=60, poll=0.05)
        self.place.control.gc_background(None)


@pytest.mark.parametrize("seed", range(3))
def test_any_history(place: Place, compare: Compare, seed: int) -> None:
    model = Model(place, seed)
    for _ in range(STEPS):
        try:
            model.step()
            for uuid, content in model.disks.items():
                compare(uuid, content)
        except (AssertionError, exceptions.SwiftVhdError) as error:
            raise AssertionError("after %r: %s" % (model.steps, error)) from error
    forest = place.forest()
    model_of: Any = {uuid for uuid, vdi in forest.vdis.items() if vdi.managed}
    assert model_of == set(model.disks)
