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

"""The VDIs of an SR as trees."""

from __future__ import annotations

from typing import Any, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import tree

from . import host as hosts
from .records import NULL, Storage, vdi_record


def vdi(uuid: str, parent: Optional[str] = None, **fields: Any) -> tree.Vdi:
    return tree.parse("OpaqueRef:" + uuid, vdi_record(uuid, parent, **fields))


def uuids(vdis: List[tree.Vdi]) -> List[str]:
    return [each.uuid for each in vdis]


@pytest.fixture
def forest() -> tree.Forest:
    return tree.Forest([
        vdi("snap", "base2"), vdi("disk", "base2"), vdi("base2", "base1"), vdi("base1"),
        vdi("clone", "base1"), vdi("alone")])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_PAUSE", 0.01)


def test_a_root_alone_has_depth_1(forest: tree.Forest) -> None:
    assert forest.depth("alone") == forest.depth("base1") == 1


def test_depth_counts_every_vhd_of_the_chain(forest: tree.Forest) -> None:
    assert [forest.depth(uuid) for uuid in ("base2", "disk", "clone")] == [2, 3, 2]
    assert uuids(forest.chain("disk")) == ["disk", "base2", "base1"]


def test_children_roots_and_what_is_below(forest: tree.Forest) -> None:
    assert uuids(forest.children("base2")) == ["disk", "snap"]
    assert uuids(forest.roots()) == ["alone", "base1"]
    assert sorted(uuids(forest.below("base1"))) == ["base2", "clone", "disk", "snap"]


def test_a_parent_without_a_record_counts_and_its_child_is_a_root() -> None:
    forest = tree.Forest([vdi("disk", "gone")])
    assert forest.depth("disk") == 2
    assert uuids(forest.roots()) == ["disk"]
    assert forest.missing() == ["gone"]


def test_what_leads_in_a_circle_comes_to_an_end() -> None:
    forest = tree.Forest([vdi("a", "b"), vdi("b", "a")])
    assert uuids(forest.chain("a")) == ["a", "b"]
    assert sorted(uuids(forest.below("a"))) == ["a", "b"]


def test_a_disk_that_is_not_there_has_no_depth(forest: tree.Forest) -> None:
    assert forest.depth("nowhere") == 0
    assert forest.chain("nowhere") == []


@pytest.mark.parametrize(("of", "expected"), [(NULL, None), ("", None), ("OpaqueRef:d",) * 2])
def test_what_a_snapshot_is_of(of: str, expected: Optional[str]) -> None:
    assert vdi("snap", snapshot_of=of).snapshot_of == expected


def test_a_raw_volume_and_one_without_room_are_known() -> None:
    assert vdi("d", sm_config={"type": "raw"}).raw
    assert vdi("d", sm_config={"gc_no_space": "123"}).no_space
    assert not vdi("d").raw and not vdi("d").no_space


def test_a_tree_caught_in_a_change_is_read_again(
        session: sessions.Session, host: hosts.Host, quick: None) -> None:
    storage = Storage(host)
    storage.add("disk", "gone")
    all_records = host.methods["VDI.get_all_records_where"]

    def change(where: str) -> Any:
        found = {ref: dict(record) for ref, record in all_records(where).items()}
        storage.add("disk")
        return found

    host.methods["VDI.get_all_records_where"] = change
    assert tree.read(session, "OpaqueRef:sr").depth("disk") == 1


def test_a_tree_that_stays_broken_is_given_as_it_is(
        session: sessions.Session, host: hosts.Host, quick: None) -> None:
    storage = Storage(host)
    storage.add("disk", "gone")
    assert tree.read(session, "OpaqueRef:sr").missing() == ["gone"]
    assert uuids(tree.chain(session, "disk")) == ["disk"]


def test_a_chain_is_read_without_the_rest(session: sessions.Session, host: hosts.Host) -> None:
    storage = Storage(host)
    storage.add("other")
    assert uuids(tree.chain(session, storage.chain(3))) == ["leaf", "base2", "base1"]
    assert "VDI.get_all_records_where" not in [method for method, _ in host.calls]


def test_a_chain_whose_parent_vanishes_is_read_again(
        session: sessions.Session, host: hosts.Host, quick: None) -> None:
    def vanish(ref: str) -> Any:
        if ref == "OpaqueRef:base2":
            storage.add("leaf", "base1")
            del storage.vdis["base2"]
        return record(ref)

    storage = Storage(host)
    storage.chain(3)
    record = host.methods["VDI.get_record"]
    host.methods["VDI.get_record"] = vanish
    assert uuids(tree.chain(session, "leaf")) == ["leaf", "base1"]


def test_a_chain_of_nothing_is_an_error(session: sessions.Session, host: hosts.Host,
                                        raises: Any) -> None:
    Storage(host)
    with raises(exceptions.XapiError, "chain of VDI nowhere") as caught:
        tree.chain(session, "nowhere")
    assert caught.value.code == "UUID_INVALID"
