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

"""Objects of more entries than one manifest can hold."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.stitcher import Stitcher
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.manifest import Entry
from tests.unit.store.test_abilities import ALL


class FakeAccount(Account):
    """Keeps manifests; the one named *bad* is refused."""

    def __init__(self, bad: str = "") -> None:
        self.manifests: Dict[str, List[Entry]] = {}
        self._bad = bad
        self._lock = threading.Lock()

    def put_manifest(self, container: str, name: str, entries: List[Entry],
                     content_type: str = "", headers: Any = None) -> Stored:
        if self._bad and name.endswith(self._bad):
            raise exceptions.StoreUnreachable("no")
        with self._lock:
            self.manifests["/%s/%s" % (container, name)] = list(entries)
        return Stored("e", sum(entry.length for entry in entries))

    def flat(self, path: str) -> List[Entry]:
        """Return all that an object is stitched from in the end."""
        return [leaf for entry in self.manifests[path]
                for leaf in (self.flat(entry.path) if entry.path in self.manifests else [entry])]


def entry(number: int) -> Entry:
    if number % 5 == 4:
        return Entry(data=b"x" * (number % 300 + 1))
    return Entry("/c/data/%d" % (number % 3), "%032x" % number, 2 ** 30, number, 2 * number)


@given(count=st.integers(1, 200), most=st.integers(3, 40), size=st.integers(1200, 9000))
def test_no_manifest_exceeds_the_limits_and_nothing_is_lost(count: int, most: int,
                                                            size: int) -> None:
    account = FakeAccount()
    abilities = dataclasses.replace(ALL, max_entries=most, max_manifest=size)
    entries = [entry(number) for number in range(count)]
    stored = Stitcher(account, abilities, "c").put("view", "view.parts/", iter(entries), 9)
    assert account.flat("/c/view") == entries
    assert stored.size == sum(each.length for each in entries)
    for name, manifest in account.manifests.items():
        assert sum(each.path is not None for each in manifest) <= most
        assert len(json.dumps([each.as_json() for each in manifest])) <= size
        assert name == "/c/view" or name.startswith("/c/view.parts/")


def test_equal_parts_are_two_objects_of_the_same_content() -> None:
    account = FakeAccount()
    same = [Entry("/c/a", "e", 10), Entry("/c/b", "e", 10)]
    Stitcher(account, dataclasses.replace(ALL, max_entries=2), "c").put(
        "view", "view.parts/", same * 2, 2)
    first, second = sorted(set(account.manifests) - {"/c/view"})
    assert first.rpartition(".")[0] == second.rpartition(".")[0]
    assert (first[-2:], second[-2:]) == (".0", ".1")


def test_a_part_that_is_refused_ends_it_without_the_view() -> None:
    account = FakeAccount(bad=".3")
    asked = []

    def entries() -> Any:
        for number in range(10000):
            asked.append(number)
            yield Entry("/c/a", "e", 10)

    with pytest.raises(exceptions.StoreUnreachable):
        Stitcher(account, dataclasses.replace(ALL, max_entries=200), "c").put(
            "view", "view.parts/", entries(), 3)
    assert "/c/view" not in account.manifests
    assert len(asked) < 5000
