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

"""Registration by TempURL, as far as a real Glance cannot be made to show it."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from typing import Any, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance import errors
from nova_swift_handler.glance.service import Published
from tests.unit.glance import server
from tests.unit.glance.server import IMAGE_ID, Answer, Server

IMAGE = f"/v2/images/{IMAGE_ID}"
LOCATIONS, TASKS = IMAGE + "/locations", IMAGE + "/tasks"
SIZE = 1000
OLD = Answer(300, {"versions": [{"id": "v2.9"}, {"id": "v2.15"}]})
NEW = Answer(300, {"versions": [{"id": "v2.17"}]})
ACTIVE: Dict[str, Any] = {"status": "active", "size": SIZE}
SIGNATURE = "0123456789abcdef"


def published(glance: Server, **changes: Any) -> Published:
    return dataclasses.replace(Published(
        size=SIZE, container="vhd-images", object_name=IMAGE_ID,
        open=lambda: (io.BytesIO(bytes(SIZE)), SIZE),
        address=lambda seconds: "%s/object?temp_url_sig=%s&temp_url_expires=%d" % (
            glance.url, SIGNATURE, seconds)), **changes)


@pytest.fixture
def ready(glance: Server) -> Server:
    glance.says("GET", "/versions", NEW)
    glance.says("GET", "/v2/images", Answer(body={"images": []}))
    glance.says("GET", TASKS, Answer(body={"tasks": []}))
    glance.says("POST", LOCATIONS, Answer(202))
    return glance


def images(glance: Server, **settings: Any) -> Any:
    return server.service(glance, **dict(
        {"registration": "http", "tempurl_lifetime": 864000}, **settings))


def test_a_newer_glance_is_posted_the_address_by_the_service_account(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), server.image(), ACTIVE)
    assert images(ready).register(IMAGE_ID, published(ready)) == "http"
    post, = ready.made("POST", LOCATIONS)
    assert post.headers["x-auth-token"] == "service-token"
    assert json.loads(post.body) == {"url": published(ready).address(864000)}  # type: ignore


def test_an_older_glance_gets_it_with_the_record(ready: Server) -> None:
    ready.says("GET", "/versions", OLD)
    shown = server.image(locations=[])
    ready.has_image(shown, shown, shown, dict(ACTIVE, locations=[{"url": "x"}]))
    ready.says("PATCH", IMAGE, Answer(body=server.image(**ACTIVE)))
    assert images(ready).register(IMAGE_ID, published(ready)) == "http"
    patch, = ready.made("PATCH", IMAGE)
    assert json.loads(patch.body) == [{"op": "add", "path": "/locations/-", "value": {
        "url": published(ready).address(864000), "metadata": {}}}]  # type: ignore


def test_a_hash_of_another_algorithm_than_glances_is_left_out(ready: Server) -> None:
    ready.says("GET", "/versions", OLD)
    shown = server.image(locations=[])
    ready.has_image(shown, shown, shown, ACTIVE)
    ready.says("PATCH", IMAGE, Answer(409, b"os_hash_algo must be sha512, not sha256"),
               Answer(body=server.image(**ACTIVE)))
    images(ready).register(IMAGE_ID, published(ready, os_hash=("sha256", "ab")))
    first, second = (json.loads(patch.body)[0]["value"] for patch in ready.made("PATCH", IMAGE))
    assert first["validation_data"] == {"os_hash_algo": "sha256", "os_hash_value": "ab"}
    assert "validation_data" not in second


def test_an_older_glance_that_takes_no_locations_is_refused(ready: Server) -> None:
    ready.says("GET", "/versions", OLD)
    ready.has_image(server.image())
    with pytest.raises(exceptions.RegistrationFailed, match="show_multiple_locations is false"):
        images(ready).register(IMAGE_ID, published(ready))


def test_a_filtered_address_says_what_to_allow(ready: Server) -> None:
    ready.has_image(server.image())
    ready.routes["POST", LOCATIONS] = lambda request: Answer(400, request.body)
    with pytest.raises(exceptions.RegistrationFailed, match="allowed_ports") as caught:
        images(ready).register(IMAGE_ID, published(ready))
    assert SIGNATURE not in str(caught.value)


FAILED = Answer(body={"tasks": [{"type": "location_import", "status": "failure",
                                 "request_id": server.REQUEST_ID, "created_at": "1"}]})


@pytest.mark.parametrize("answer, phrase", [
    (Answer(206, b"x", {"Content-Range": "bytes 0-0/%d" % SIZE}), "web:http"),
    (Answer(206, b"x", {"Content-Range": "bytes 0-0/9"}), "has 9 bytes"),
    (Answer(401), "HTTP 401 to a read by the TempURL")])
def test_a_failure_that_glance_hides_is_looked_into(ready: Server, answer: Answer,
                                                    phrase: str) -> None:
    ready.has_image(server.image())
    ready.says("GET", TASKS, FAILED)
    ready.says("GET", "/object", answer)
    with pytest.raises(exceptions.RegistrationFailed, match=phrase) as caught:
        images(ready).register(IMAGE_ID, published(ready))
    assert SIGNATURE not in str(caught.value)


def test_an_image_that_stays_queued_is_given_up(ready: Server) -> None:
    ready.has_image(server.image())
    with pytest.raises(exceptions.ActivationPending, match="still 'queued' after 0 seconds"):
        images(ready, activation_timeout=0.0).register(IMAGE_ID, published(ready))


def test_an_address_whose_answer_is_lost_may_be_taken(ready: Server) -> None:
    ready.says("GET", "/versions", OLD)
    ready.has_image(server.image(locations=[]))
    ready.says("PATCH", IMAGE, Answer(502))
    with pytest.raises(exceptions.ActivationPending, match="not known") as caught:
        images(ready).register(IMAGE_ID, published(ready))
    assert SIGNATURE not in str(caught.value)


def test_auto_takes_it_where_it_can_be_renewed(ready: Server) -> None:
    ready.has_image(server.image(locations=[]))
    how, why = images(ready, registration="auto", internal_endpoints=("http://in",)).choose(
        IMAGE_ID)
    assert how == "http"
    assert "show_multiple_locations" in why
    how, why = images(ready, registration="auto").choose(IMAGE_ID)
    assert how == "upload"
    assert "glance_internal_api_servers" in why


def test_auto_uploads_after_it_failed_unless_glance_kept_the_address(ready: Server) -> None:
    def register() -> str:
        return str(images(ready, registration="auto", store_key=None,
                          internal_endpoints=("http://in",)).register(IMAGE_ID, published(ready)))

    ready.says("POST", LOCATIONS, Answer(400))
    ready.routes["PUT", IMAGE + "/file"] = lambda request: Answer(204)
    ready.says("PATCH", IMAGE, Answer(body=server.image()))
    ready.has_image(server.image())
    with pytest.raises(exceptions.RegistrationFailed, match="its status is queued"):
        register()
    assert len(ready.made("PUT", IMAGE + "/file")) == 1
    ready.has_image(server.image(size=SIZE))
    with pytest.raises(exceptions.RegistrationFailed, match="allowed_ports"):
        register()
    assert len(ready.made("PUT", IMAGE + "/file")) == 1


def test_a_disk_without_address_is_not_registered(ready: Server) -> None:
    ready.has_image(server.image())
    with pytest.raises(exceptions.RegistrationFailed, match="no address"):
        images(ready).register(IMAGE_ID, published(ready, address=None))


def test_a_policy_that_lets_users_read_locations_refuses_the_swift_key(ready: Server) -> None:
    ready.has_image(server.image())
    ready.says("GET", LOCATIONS, Answer(body=[]))
    with pytest.raises(exceptions.RegistrationFailed, match="fetch_image_location"):
        images(ready, registration="location").choose(IMAGE_ID)
    asked, = ready.made("GET", LOCATIONS)
    assert asked.headers["x-auth-token"] == server.TOKEN


def test_no_log_has_the_signature(ready: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ready.has_image(server.image(), server.image(), server.image(), ACTIVE)
    images(ready).register(IMAGE_ID, published(ready))
    assert "registered by http" in caplog.text
    assert "renewed within 10 days" in caplog.text
    assert SIGNATURE not in caplog.text


def test_signatures_are_redacted() -> None:
    assert errors.redact("GET /o?temp_url_sig=ab12%3A&temp_url_expires=5", None) == (
        "GET /o?temp_url_sig=***&temp_url_expires=5")
