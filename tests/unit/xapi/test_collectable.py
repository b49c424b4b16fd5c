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

"""What the collector can still do, by its own rules."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

from nova_swift_handler.xapi import collectable, repository, tree
from nova_swift_handler.xapi.collectable import LEAF, MERGE, PRUNE

from .records import sr_record
from .test_tree import vdi


def sr(**other_config: str) -> repository.Repository:
    return repository.parse("OpaqueRef:sr", sr_record(other_config=other_config), [])


def work(*vdis: tree.Vdi, **other_config: str) -> List[Tuple[str, str]]:
    """Return what will be done: the action, and the uuid that vanishes."""
    return [(each.action, each.vanishing)
            for each in collectable.work(tree.Forest(vdis), sr(**other_config))
            if each.hindrance is None]


def hindrance(*vdis: tree.Vdi, **other_config: str) -> str:
    [left] = collectable.work(tree.Forest(vdis), sr(**other_config))
    assert left.hindrance is not None
    return left.hindrance


def test_nothing_is_to_be_done_for_roots() -> None:
    assert work(vdi("a"), vdi("b")) == []


def test_the_base_of_a_kept_snapshot_is_never_merged() -> None:
    assert work(vdi("base"), vdi("disk", "base"), vdi("snap", "base")) == []


def test_a_disk_that_is_its_bases_only_child_absorbs_it() -> None:
    assert work(vdi("base"), vdi("disk", "base")) == [(LEAF, "base")]


def test_a_base_that_is_its_parents_only_child_is_merged_into_it() -> None:
    assert work(vdi("base1"), vdi("base2", "base1"), vdi("disk", "base2"),
                vdi("snap", "base2")) == [(MERGE, "base2")]


def test_bases_and_leaf_of_a_line_are_all_merged() -> None:
    assert sorted(work(vdi("base1"), vdi("base2", "base1"), vdi("disk", "base2"))) == [
        (LEAF, "base2"), (MERGE, "base2")]


def test_bases_that_nothing_needs_are_deleted() -> None:
    assert sorted(work(vdi("base1"), vdi("base2", "base1"))) == [
        (PRUNE, "base1"), (PRUNE, "base2")]


def test_a_parent_of_a_visible_and_a_forgotten_child_waits_for_it_to_be_deleted() -> None:
    assert work(vdi("base1"), vdi("base2", "base1"), vdi("disk", "base1")) == [(PRUNE, "base2")]


@pytest.mark.parametrize("fields", [
    {"on_boot": "reset"}, {"allow_caching": True}, {"sm_config": {"type": "raw"}}])
def test_leaves_that_sm_leaves_alone_are_not_waited_for(fields: Any) -> None:
    assert work(vdi("base"), vdi("disk", "base", **fields)) == []


def test_a_leaf_whose_parent_has_no_record_is_left_alone() -> None:
    assert work(vdi("disk", "gone")) == []


@pytest.mark.parametrize("switch", ["gc", "coalesce"])
def test_a_collector_that_is_off_is_told(switch: str) -> None:
    said = hindrance(vdi("base"), vdi("disk", "base"), **{switch: "false"})
    assert f"{switch}=false" in said and f"param-key={switch}" in said
    assert switch in str(collectable.switched_off(sr(**{switch: "false"})))
    assert collectable.switched_off(sr(gc="true")) is None


def test_leaf_coalescing_that_is_off_is_told() -> None:
    leaf = vdi("base"), vdi("disk", "base")
    assert "xe sr-param-remove" in hindrance(*leaf, **{"leaf-coalesce": "false"})
    off = vdi("disk", "base", other_config={"leaf-coalesce": "false"})
    assert "xe vdi-param-remove uuid=disk" in hindrance(vdi("base"), off)
    assert work(vdi("base"), vdi("disk", "base", other_config={"leaf-coalesce": "force"}))


def test_leaf_coalescing_off_does_not_hinder_other_merges() -> None:
    assert work(vdi("base1"), vdi("base2", "base1"), vdi("disk", "base2"), vdi("snap", "base2"),
                **{"leaf-coalesce": "false"}) == [(MERGE, "base2")]


def test_no_room_to_coalesce_is_told_with_what_to_do() -> None:
    full = vdi("disk", "base", sm_config={"gc_no_space": "1"})
    assert "free or add space" in hindrance(vdi("base"), full)
