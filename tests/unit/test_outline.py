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

"""Forests as indented lines."""

from __future__ import annotations

from typing import Dict, List, Optional

from nova_swift_handler.outline import outline


def drawn(below: Dict[Optional[str], List[str]]) -> List[str]:
    return [lead + node for node, lead, _depth in outline(below, lambda each: each)]


def test_children_stand_below_their_parent() -> None:
    assert drawn({None: ["a", "e"], "a": ["b", "d"], "b": ["c"]}) == [
        "a", "|- b", "|  `- c", "`- d", "e"]


def test_depth_begins_with_0_at_the_roots() -> None:
    below: Dict[Optional[str], List[str]] = {None: ["a"], "a": ["b"], "b": ["c"]}
    assert [depth for _node, _lead, depth in outline(below, str)] == [0, 1, 2]


def test_nothing_gives_nothing_and_nothing_is_taken_from_the_caller() -> None:
    assert drawn({}) == []
    below: Dict[Optional[str], List[str]] = {None: ["a"]}
    assert drawn(below) == drawn(below) == ["a"]


def test_a_circle_comes_to_an_end() -> None:
    assert drawn({None: ["a"], "a": ["b"], "b": ["a"]}) == ["a", "`- b", "   `- a"]


def test_a_chain_may_be_longer_than_pythons_stack() -> None:
    below: Dict[Optional[str], List[str]] = {None: ["0"]}
    below.update({str(number): [str(number + 1)] for number in range(2000)})
    assert [(node, depth) for node, _lead, depth in outline(below, str)] == [
        (str(number), number) for number in range(2001)]
