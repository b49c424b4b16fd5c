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

"""Whatever happens in whatever order, what is complete restores to what was stored."""

from __future__ import annotations

import os
import random

import pytest

from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.transfer import snapshot, upload
from tests.unit.transfer.model import POOR, Befallen, History
from tests.unit.transfer.world import ABILITIES

_ROUNDS = int(os.environ.get("SWIFT_VHD_TEST_ROUNDS", "100"))
"""Histories; half of them the same each time, the others never twice."""

_STEPS = 12


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "_PAUSE", 0.0)
    # So that such small disks have several segments.
    monkeypatch.setattr(upload, "RUN", 2)


@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("abilities", [ABILITIES, POOR], ids=["blocks", "whole segments"])
def test_whatever_happens_what_is_complete_restores(
        abilities: Abilities, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.probe, "abilities", lambda account, container: abilities)
    for number in range(part, _ROUNDS // 2, 10):
        seed = number if number % 2 else random.SystemRandom().getrandbits(32)
        account = Befallen()
        history = History(account, account, abilities, seed, account.read)
        history.run(_STEPS)
        history.check()
        history.forget()
        history.check()
        assert account.data() == history.needed(), str(history)
