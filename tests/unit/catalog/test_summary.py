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

"""What a listing of the index tells of a disk."""

from __future__ import annotations

import dataclasses
import json

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, summary
from nova_swift_handler.catalog.summary import Lost, Summary
from tests.unit.transfer.world import NAMES, World

FULL = Summary(
    "00000000-0000-4000-8000-000000000001", "snapshot", "p-volume-a b;c=\u00fc", 1 << 40, 6 << 20,
    4 << 20, 1_800_000_000, 3, "00000000-0000-4000-8000-000000000002", True,
    "00000000-0000-4000-8000-000000000003", "project", 1_900_000_000)


def row(content_type: str, image_id: str = FULL.image_id) -> dict:  # type: ignore[type-arg]
    return {"name": image_id, "content_type": content_type}


def test_the_text_is_as_the_format_says() -> None:
    assert summary.content_type(FULL) == (
        "application/json; summary=1; kind=snapshot; container=p-volume-a%20b%3Bc%3D%C3%BC; "
        "virtual_size=1099511627776; logical=6291456; stored=4194304; stored_at=1800000000; "
        "sequence=3; parent=00000000-0000-4000-8000-000000000002; chained=1; "
        "base=00000000-0000-4000-8000-000000000003; project_id=project; expires_at=1900000000")
    assert summary.content_type(summary.of_iso("i", "p-isos", 5, 7)) == (
        "application/json; summary=1; kind=iso; container=p-isos; virtual_size=5; logical=5; "
        "stored=5; stored_at=7")


@pytest.mark.parametrize("told", [FULL, summary.of_iso("i", "p-isos", 5, 7)])
def test_it_is_read_as_it_was_written(told: Summary) -> None:
    assert summary.parse(row(summary.content_type(told), told.image_id)) == told
    # As Swift gives it back.
    squeezed = summary.content_type(told).replace("; ", ";")
    assert summary.parse(row(squeezed, told.image_id)) == told


@pytest.mark.parametrize("text", [
    "application/json", "application/json; charset=utf-8",
    summary.content_type(FULL).replace("summary=1", "summary=2"),
    summary.content_type(FULL).replace("logical=6291456; ", ""),
    summary.content_type(FULL).replace("sequence=3", "sequence=three")])
def test_what_is_not_known_whole_is_not_known(text: str) -> None:
    assert summary.parse(row(text)) is None


def test_parameters_of_later_releases_are_passed_over() -> None:
    assert summary.parse(row(summary.content_type(FULL) + "; colour=blue")) == FULL


@pytest.fixture
def world() -> World:
    made = World()
    first = made.upload("a", {0: 1, 2: 2})
    made.upload("a", {0: 1, 2: 3}, base=first.image_id)
    return made


def test_an_upload_leaves_a_summary(world: World) -> None:
    wanted = {point.image_id: summary.of_point(point) for point in world.points()}
    found = {entry.image_id: entry for entry in summary.each(world.account, NAMES)}
    assert found == wanted
    assert sorted((each.sequence, each.chained, each.logical >> 20, each.stored > 0)
                  for each in wanted.values()) == [(1, False, 4, True), (2, True, 4, True)]


def test_with_summaries_no_point_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(container: str, name: str) -> bytes:
        raise AssertionError("%s/%s was read" % (container, name))

    monkeypatch.setattr(world.account, "get", refuse)
    assert len(summary.each(world.account, NAMES)) == 2


def test_without_summaries_every_point_is_read(world: World) -> None:
    wanted = summary.each(world.account, NAMES)
    for point in world.points():
        world.account.post(NAMES.index, point.image_id, {"Content-Type": "application/json"})
    assert summary.each(world.account, NAMES) == wanted


def test_what_the_index_has_and_cannot_be_read_is_told(world: World) -> None:
    gone, damaged = (point.image_id for point in world.points())
    for image_id in (gone, damaged):
        world.account.post(NAMES.index, image_id, {"Content-Type": "application/json"})
    world.account.delete(NAMES.volume("a"), names.of_point(gone, names.POINT))
    world.account.put_json(NAMES.index, damaged, [])
    found = {entry.image_id: entry for entry in summary.each(world.account, NAMES)}
    assert found[gone] == Lost(gone, "snapshot", NAMES.volume("a"), "its disk is gone")
    assert isinstance(found[damaged], Lost)


def test_an_iso_without_summary_is_looked_up(world: World) -> None:
    view = names.of_point(FULL.image_id, names.ISO_VIEW)
    world.account.put(NAMES.isos, view, b"12345")
    world.account.put_json(NAMES.index, FULL.image_id, {
        "format": 1, "image_id": FULL.image_id, "kind": "iso", "container": NAMES.isos,
        "view": view})
    found = summary.one(world.account, NAMES, FULL.image_id)
    assert found == summary.of_iso(FULL.image_id, NAMES.isos, 5, int(world.account.now))


def test_renewing_brings_nothing_back(world: World) -> None:
    point = world.points()[0]
    other = dataclasses.replace(summary.of_point(point), stored=1)
    summary.renew(world.account, NAMES, other)
    assert other in summary.each(world.account, NAMES)
    assert json.loads(world.account.get(NAMES.index, point.image_id))["kind"] == "snapshot"
    world.account.delete(NAMES.index, point.image_id)
    with pytest.raises(exceptions.ObjectMissing):
        summary.renew(world.account, NAMES, other)


def test_the_date_of_an_isos_object_need_not_be_the_one_that_lists_show() -> None:
    told = summary.of_iso("i", NAMES.isos, 5, 7)
    assert told.agrees(summary.of_iso("i", NAMES.isos, 5, 8))
    assert not told.agrees(summary.of_iso("i", NAMES.isos, 6, 7))
    assert not FULL.agrees(dataclasses.replace(FULL, stored_at=FULL.stored_at + 1))
