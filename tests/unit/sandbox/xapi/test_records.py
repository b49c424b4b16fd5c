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

"""The database: links in both directions, types, persistence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.classes import all_classes
from nova_swift_handler.sandbox.xapi.records.database import Database
from nova_swift_handler.sandbox.xapi.records.store import Store
from nova_swift_handler.sandbox.xapi.rpc.values import NULL, DateTime


@pytest.fixture
def database() -> Any:
    opened = Database(Store(":memory:"))
    yield opened
    opened.close()


def test_every_link_leads_to_a_field_that_exists() -> None:
    classes = all_classes()
    for schema in classes.values():
        assert next(iter(schema.fields)) == "uuid"
        for field in schema.fields.values():
            if field.mirror:
                back = classes[field.target].fields[field.mirror]
                assert (back.kind, back.target) == ("ref", schema.name), field


def test_a_link_is_seen_from_both_ends(database: Database) -> None:
    one, two = (database.insert("SR", {}) for _ in range(2))
    vdi = database.insert("VDI", {"SR": one})
    assert database.get("SR", one, "VDIs") == [vdi]
    database.update("VDI", vdi, SR=two)
    assert database.get("SR", one, "VDIs") == []
    assert database.record("SR", two)["VDIs"] == [vdi]
    database.delete("VDI", vdi)
    assert database.get("SR", two, "VDIs") == []


def test_what_is_read_can_be_changed_without_harm(database: Database) -> None:
    ref = database.insert("SR", {"other_config": {"a": "b"}})
    database.record("SR", ref)["other_config"]["c"] = "d"
    database.get("SR", ref, "other_config")["e"] = "f"
    assert database.get("SR", ref, "other_config") == {"a": "b"}
    other = database.insert("SR", {})
    assert database.get("SR", other, "other_config") == {}


def test_unknown_refs_and_uuids_are_named(database: Database) -> None:
    for call in (lambda: database.record("VDI", "x"), lambda: database.update("VDI", "x")):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.description == ["HANDLE_INVALID", "VDI", "x"]
    with pytest.raises(ApiError) as caught:
        database.by_uuid("VDI", "x")
    assert caught.value.description == ["UUID_INVALID", "VDI", "x"]


def test_an_unknown_field_is_a_programming_error(database: Database) -> None:
    with pytest.raises(KeyError):
        database.insert("SR", {"colour": "red"})


def test_records_come_back_from_disk_with_their_types(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    database = Database(Store(path))
    sr = database.insert("SR", {"physical_size": 1 << 50})
    vdi = database.insert("VDI", {"SR": sr, "snapshot_time": DateTime("20260101T00:00:00Z")})
    gone = database.insert("VDI", {"SR": sr})
    database.delete("VDI", gone)
    session = database.insert("session", {})
    before = database.record("VDI", vdi)
    database.close()
    again = Database(Store(path))
    assert again.record("VDI", vdi) == before
    assert isinstance(again.get("VDI", vdi, "snapshot_time"), DateTime)
    assert again.get("SR", sr, "VDIs") == [vdi]
    assert not again.exists("session", session), "session refs are credentials"
    again.close()


@pytest.mark.parametrize(("cls", "name", "value", "stored"), [
    ("VDI", "virtual_size", "12", 12), ("VDI", "virtual_size", 12, 12),
    ("VDI", "sharable", True, True), ("VDI", "tags", ["a"], ["a"]),
    ("VM", "affinity", "", NULL), ("VM", "PV_args", "", ""),
    ("VM", "HVM_shadow_multiplier", 1.5, 1.5),
])
def test_values_of_clients_are_taken(cls: str, name: str, value: Any, stored: Any) -> None:
    assert all_classes()[cls].from_client({name: value}) == {name: stored}


@pytest.mark.parametrize(("cls", "name", "value"), [
    ("VDI", "virtual_size", "x"), ("VDI", "sharable", "true"), ("VDI", "tags", "a"),
    ("VDI", "other_config", {"a": 1}), ("VM", "name_label", 1), ("VM", "affinity", {}),
])
def test_values_of_the_wrong_type_are_refused(cls: str, name: str, value: Any) -> None:
    with pytest.raises(ApiError) as caught:
        all_classes()[cls].from_client({name: value})
    assert caught.value.description == ["FIELD_TYPE_ERROR", name]


def test_what_is_the_hosts_own_is_ignored() -> None:
    assert all_classes()["VDI"].from_client({"physical_utilisation": "1", "nonsense": 1}) == {}
