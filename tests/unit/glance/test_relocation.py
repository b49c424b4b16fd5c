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

"""Other locations for images that are active."""

from __future__ import annotations

import json
from typing import Any, List
from urllib import parse

import pytest
from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions
from nova_swift_handler.glance.relocation import Locations
from nova_swift_handler.glance.settings import GlanceSettings
from tests.unit.glance import server
from tests.unit.glance.server import IMAGE_ID, Answer, Server

IMAGE = f"/v2/images/{IMAGE_ID}"


def locations(glance: Server) -> Locations:
    return Locations(GlanceSettings(endpoints=(glance.url,), retry_time=0.0, store_key="new"),
                     ks_session.Session(auth=server.ServiceAuth("admin")))


def has(glance: Server, *urls: str) -> Any:
    body = server.image(status="active", locations=[
        {"url": url, "metadata": {"store": "swift"}} for url in urls])
    glance.says("GET", IMAGE, Answer(body=body))
    glance.says("PATCH", IMAGE, Answer(body=body))
    return locations(glance).get(IMAGE_ID)


@pytest.mark.parametrize("urls, patch", [
    (["old"], ["add /locations/0", "remove /locations/1"]),
    (["old", "elsewhere", "older"],
     ["add /locations/0", "remove /locations/3", "remove /locations/1"]),
    (["wanted", "old"], ["remove /locations/1"]),
    (["old", "wanted"], ["remove /locations/0"]),
    (["elsewhere"], ["add /locations/0"]),
    (["wanted", "elsewhere"], [])])
def test_the_new_one_is_added_before_the_old_ones_go(glance: Server, urls: List[str],
                                                     patch: List[str]) -> None:
    locations(glance).replace(has(glance, *urls), "wanted", ["old", "older", "wanted"])
    made = [op for one in glance.made("PATCH", IMAGE) for op in json.loads(one.body)]
    assert ["%s %s" % (op["op"], op["path"]) for op in made] == patch
    assert [op["value"] for op in made if op["op"] == "add"] == [
        {"url": "wanted", "metadata": {}}] * ("wanted" not in urls)


@pytest.mark.parametrize("status, phrase", [
    (400, "same glance_store_"), (403, "delete_image_location"), (500, "delayed_delete = true")])
def test_a_refusal_says_what_to_do_and_no_key(glance: Server, status: int, phrase: str) -> None:
    located = has(glance, "swift+http://p%3Au:former@h/v3/c/o")
    glance.says("PATCH", IMAGE, Answer(
        status, b"Invalid swift+http://p%3Au:former@h/v3/c/o, swift+http://p%3Au:new@h/v3/c/o"))
    with pytest.raises(exceptions.GlanceError, match=phrase) as caught:
        locations(glance).replace(located, "swift+http://p%3Au:new@h/v3/c/o", located.urls)
    assert "former" not in str(caught.value) and ":new" not in str(caught.value)


def test_a_glance_that_shows_no_locations_is_told_apart(glance: Server) -> None:
    glance.says("GET", IMAGE, Answer(body=server.image(status="active")))
    with pytest.raises(exceptions.ConfigError, match="show_multiple_locations = true"):
        locations(glance).get(IMAGE_ID)


def test_what_glance_lists_only_when_asked_is_asked_for(glance: Server) -> None:
    """Hidden images, and other projects' community images, also of an admin."""
    glance.says("GET", "/v2/images", Answer(body={"images": []}))
    assert list(locations(glance).each({"status": "active"})) == []
    assert list(server.service(glance).every(status="active")) == []
    asked = [dict(parse.parse_qsl(one.query)) for one in glance.made("GET", "/v2/images")]
    assert [one.pop("os_hidden") for one in asked] == ["false", "true"] * 2
    for one in asked:
        assert (one["status"], one["visibility"]) == ("active", "all")


def test_all_pages_are_read(glance: Server) -> None:
    page = {"images": [server.image(locations=[])], "next": "/v2/images?marker=x"}
    glance.says("GET", "/v2/images", Answer(body=page), Answer(body=page),
                Answer(body={"images": []}))
    assert [one.image.id for one in locations(glance).each({})] == [IMAGE_ID] * 2
