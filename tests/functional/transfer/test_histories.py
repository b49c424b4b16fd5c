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

"""Random histories on a real Swift: fewer than on the one in memory, with its listings and HEADs.

Time does not pass here, so sweeps condemn nothing; that they do no harm is seen all the same.
"""

from __future__ import annotations

import random
from typing import Any, Callable, TypeVar, cast

import pytest

from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.connection import Connection
from nova_swift_handler.transfer import upload
from tests.unit.transfer.model import Befallen, History, Hook

from .shop import Shop

T = TypeVar("T")


class Hooked:
    """A connection that says of each request what it is, before it and after."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.now = 0.0
        self.calm()

    def calm(self) -> None:
        self.before: Hook = lambda verb, container, name: None
        self.after: Hook = lambda verb, container, name: None

    @property
    def url(self) -> str:
        return self._connection.url

    def repeat(self, what: str, call: Callable[..., T]) -> T:
        return self._tell(what, lambda: self._connection.repeat(what, call))

    def once(self, what: str, call: Callable[..., T]) -> T:
        return self._tell(what, lambda: self._connection.once(what, call))

    def _tell(self, what: str, act: Callable[[], T]) -> T:
        verb, _, path = what.replace("the manifest ", "").partition(" of ")
        container, _, name = path.strip().partition("/")
        self.before(verb, container, name)
        result = act()
        self.after(verb, container, name)
        return result


@pytest.mark.parametrize("seed", [1, 2, None, None])
def test_whatever_happens_what_is_complete_restores(
        shop: Shop, monkeypatch: pytest.MonkeyPatch, seed: Any) -> None:
    monkeypatch.setattr(upload, "_PAUSE", 0.0)
    monkeypatch.setattr(upload, "RUN", 2)
    hooked = Hooked(shop.site.connection())
    account = Account(cast(Connection, hooked))
    abilities = probe.abilities(shop.account, shop.names.index)
    history = History(account, cast(Befallen, hooked), abilities,
                      random.SystemRandom().getrandbits(32) if seed is None else seed,
                      lambda container, name: shop.download("%s/%s" % (container, name)),
                      shop.names.prefix)
    history.run(12)
    history.check()
    assert history.points or history.perhaps, str(history)
