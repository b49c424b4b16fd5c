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

"""The graph beside a volume's points."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from nova_swift_handler.report import graph
from nova_swift_handler.upkeep.inventory import Item
from tests.unit.report.inventories import Maker


def items(parents: Dict[str, Optional[str]]) -> List[Item]:
    """Return points by name, each on the one that is named."""
    make = Maker()
    found = []
    for number, (name, parent) in enumerate(parents.items(), 1):
        item = make.item(name, sequence=number)
        item.image_id, item.parent = name, parent
        found.append(item)
    return found


def drawn(parents: Dict[str, Optional[str]]) -> List[Tuple[str, int, Optional[int], bool]]:
    return [(row.item.image_id, row.lane, row.above, row.below)
            for row in graph.rows(items(parents))]


def test_a_chain_is_one_lane_however_long() -> None:
    chain: Dict[str, Optional[str]] = {"0": None}
    chain.update({str(number): str(number - 1) for number in range(1, 5000)})
    rows = graph.rows(items(chain))
    assert [row.item.image_id for row in rows] == [str(number) for number in range(5000)]
    assert {row.lane for row in rows} == {0}
    assert [row.below for row in rows[-2:]] == [True, False]


def test_the_youngest_goes_on_and_the_others_are_branches() -> None:
    rows = graph.rows(items({"a": None, "b": "a", "c": "b", "d": "a", "e": "d"}))
    assert [(row.item.image_id, row.lane, row.above, row.passing) for row in rows] == [
        ("a", 0, None, ()), ("b", 1, 0, (0,)), ("c", 1, 1, (0,)), ("d", 0, 0, ()),
        ("e", 0, 0, ())]
    assert [row.parent.image_id if row.parent else None for row in rows] == [
        None, "a", "b", "a", "d"]


def test_a_point_whose_parent_is_gone_is_a_root() -> None:
    assert drawn({"a": "gone", "b": None}) == [("a", 0, None, False), ("b", 0, None, False)]


def test_what_leads_in_a_circle_is_shown_once() -> None:
    assert sorted(name for name, *_more in drawn({"a": "b", "b": "a", "c": "c"})) == [
        "a", "b", "c"]
