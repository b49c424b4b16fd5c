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

"""Who deletes what Glance has lost, and who registers it again, in any order of their requests."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inventory, properties
from nova_swift_handler.images import claim, named, sync
from nova_swift_handler.upkeep import census as censuses
from nova_swift_handler.upkeep import reconcile
from tests.unit.images.test_sync import Glance, Shop
from tests.unit.store.memory import MemoryAccount
from tests.unit.transfer.stepped import Stepper
from tests.unit.transfer.world import ABILITIES, NAMES

Step = Callable[[], None]


class Asked:
    """The way of one of them to Glance: each request is a step, too."""

    def __init__(self, glance: Glance, step: Step) -> None:
        self._glance = glance
        self._step = step

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._glance, name)
        owner = threading.get_ident()

        def step(*args: Any, **kwargs: Any) -> Any:
            assert threading.get_ident() == owner
            self._step()
            return asked(*args, **kwargs)

        return step


def _step(account: MemoryAccount) -> Step:
    return lambda: account.request("", "")


class Both(Shop):
    """One ISO that Glance has lost; its id is free if the row was purged.

    :ivar image_id: the ISO's.
    """

    def __init__(self, purged: bool) -> None:
        super().__init__()
        self.image_id = self.iso("tools")
        if purged:
            self.glance.deleted.clear()

    def way(self, account: MemoryAccount) -> Any:
        images = Asked(self.glance, _step(account))
        return type(self.reached)(**{
            **vars(self.reached), "account": lambda session=None: account,
            "images": lambda user, session=None: images})

    def register(self, account: MemoryAccount) -> List[sync.Step]:
        return sync.sync(self.way(account), named.ISO, dry_run=False, delete_lost=False,
                         force=True, progress=lambda done, total: None)

    def housekeep(self, account: MemoryAccount) -> Any:
        held = censuses.Held(NAMES.isos, self.image_id, 0, None)
        census = censuses.Census({self.image_id: held}, {self.image_id: None}, 10, [NAMES.isos])
        return reconcile.reconcile(account, NAMES, ABILITIES, self.way(account).images(None),
                                   census)

    def remove(self, account: MemoryAccount) -> Any:
        return named.delete(self.way(account), named.ISO, self.image_id)

    def check(self, how: str) -> None:
        """See that whatever Glance has active has its bytes, and properties."""
        stored = inventory.complete(self.account, NAMES.isos)
        told = {values["id"] for values in properties.each(self.account, NAMES.isos)}
        active = {each.id for each in self.glance.images.values() if each.status == "active"}
        assert active <= stored & told, how
        assert len(active) <= 1, how
        assert told <= stored, how
        assert not [name for _container, name in self.account.objects if "intents/" in name]


@pytest.fixture(autouse=True)
def in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is done in threads of its own be done in the one that steps."""
    monkeypatch.setattr(claim, "_PAUSE", 0.0)
    monkeypatch.setattr(sync.steps, "carry_out", _carry_out)
    monkeypatch.setattr(Glance, "register", _activate, raising=True)


def _carry_out(planned: Any, act: Any, progress: Any = None) -> None:
    for step in planned:
        try:
            act(step)
        except exceptions.SwiftVhdError as error:
            step.error = error


def _activate(self: Glance, image_id: str, published: Any) -> str:
    image = self.get(image_id)
    image.__dict__["status"] = "active"  # as Glance does, once it has found the bytes
    return "location"


@pytest.mark.parametrize("purged", [True, False])
@pytest.mark.parametrize("deleter", ["housekeep", "remove"])
def test_what_is_registered_again_keeps_its_bytes(deleter: str, purged: bool) -> None:
    ends: Dict[str, int] = {}
    for seed in range(300):
        both = Both(purged)
        found = Stepper(both.account, seed).run(both.register, getattr(both, deleter))
        assert all(isinstance(each, (list, named.Deleted, claim.Busy, exceptions.NotThere))
                   for each in found), (seed, found)
        both.check("in the order of seed %d: %r" % (seed, found))
        end = "registered" if both.glance.images else "deleted"
        ends[end] = ends.get(end, 0) + 1
    assert set(ends) == {"registered", "deleted"}, ends
