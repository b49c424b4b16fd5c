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

"""``point.json``: reads back as it was written, and anything else is refused."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup
from nova_swift_handler.catalog.point import Point

from . import places


def test_what_is_written_reads_back() -> None:
    text = json.dumps(places.point().as_json())
    assert json.loads(text)["format"] == 1
    assert Point.parse(json.loads(text)) == places.point()


@pytest.mark.parametrize("version", [0, 2, -1, 1.5])
def test_another_format_is_refused_by_its_number(version: Any) -> None:
    with pytest.raises(exceptions.PointInvalid, match="format %s; this release reads" % version):
        Point.parse({**places.point().as_json(), "format": version})


def test_a_later_format_is_refused_whatever_else_it_says() -> None:
    with pytest.raises(exceptions.PointInvalid, match="format 9"):
        Point.parse({"format": 9, "image_id": "x", "something": "new"})


@pytest.mark.parametrize("field", sorted(places.point().as_json()))
def test_a_missing_field_is_noticed(field: str) -> None:
    value = places.point().as_json()
    del value[field]
    with pytest.raises(exceptions.PointInvalid, match="damaged"):
        Point.parse(value)


def _changed(change: Callable[[Dict[str, Any]], Any]) -> Dict[str, Any]:
    value = json.loads(json.dumps(places.point().as_json()))
    change(value)
    return dict(value)


@pytest.mark.parametrize("value", [
    None, 5, "text", [], [1, 2],
    _changed(lambda value: value.update(format="1")),
    _changed(lambda value: value.update(format=None)),
    _changed(lambda value: value.update(regions=None)),
    _changed(lambda value: value.update(regions=[{"index": 0}])),
    _changed(lambda value: value.update(segments=[["a"]])),
    _changed(lambda value: value["segments"][0].pop("etag")),
    _changed(lambda value: value["regions"][0].pop("parts")),
    _changed(lambda value: value.update(sequence="1")),
    _changed(lambda value: value.update(virtual_size=None)),
    _changed(lambda value: value.update(project_id=None)),
    _changed(lambda value: value.update(parent=7)),
    _changed(lambda value: value.update(origin="here")),
    _changed(lambda value: value.update(stored_at="today")),
    _changed(lambda value: value.update(expires="never")),
])
def test_a_damaged_point_is_refused(value: Any) -> None:
    with pytest.raises(exceptions.PointInvalid, match="damaged"):
        Point.parse(value)


def test_what_a_later_release_adds_is_passed_over() -> None:
    def add(value: Dict[str, Any]) -> None:
        for each in (value, value["regions"][0], value["segments"][0]):
            each["colour"] = "blue"

    assert Point.parse(_changed(add)) == places.point()


def test_a_point_is_the_images_only_with_the_same_owner_and_creation() -> None:
    # Glance lets an id be used again once its row is purged.
    assert lookup.is_of(places.point(), "p", "2026-01-01T00:00:00Z")
    assert not lookup.is_of(places.point(), "q", "2026-01-01T00:00:00Z")
    assert not lookup.is_of(places.point(), "p", "2026-01-02T00:00:00Z")
