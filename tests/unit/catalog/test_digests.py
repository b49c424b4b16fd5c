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

"""Finding blocks by digest."""

from __future__ import annotations

import tracemalloc
from typing import Dict, List, Tuple

from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.catalog.digests import DigestTable

from . import places


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 9))),
       st.integers(0, 1))
def test_the_first_place_of_a_digest_is_found_and_no_others(
        entries: List[Tuple[int, int, int]], crowded: int) -> None:
    # Crowded: all have the same first bytes, so they all want the same place in the table.
    table, model = DigestTable(), {}
    for number, segment, slot in entries:
        digest = bytes(8) + places.digest(number)[8:] if crowded else places.digest(number)
        table.add(digest, segment, slot)
        model.setdefault(digest, (segment, slot))
    assert len(table) == len(model)
    for digest, place in model.items():
        assert table.get(digest) == place
    assert table.get(places.digest(31)) is None


def test_many_digests_take_little_memory_and_are_all_found() -> None:
    count = 50_000
    tracemalloc.start()
    try:
        table = DigestTable()
        for number in range(count):
            table.add(places.digest(number), number // 100, number % 100)
        now, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found: Dict[int, object] = {number: table.get(places.digest(number))
                                for number in range(0, count, 997)}
    assert found == {number: (number // 100, number % 100) for number in found}
    assert now < 64 * count
