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

"""Registration by location, as far as a real Glance cannot be made to show it."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import types
from typing import Any, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance import activation, location
from nova_swift_handler.glance.service import GlanceSettings, Published
from tests.unit.glance import server
from tests.unit.glance.server import IMAGE_ID, Answer, Server

LOCATIONS = f"/v2/images/{IMAGE_ID}/locations"
TASKS = f"/v2/images/{IMAGE_ID}/tasks"
SIZE = 1000
PUBLISHED = Published(size=SIZE, container="vhd-images", object_name=IMAGE_ID,
                      open=lambda: (io.BytesIO(bytes(SIZE)), SIZE))
ACTIVE: Dict[str, Any] = {"status": "active", "size": SIZE}
FAILED = Answer(body={"tasks": [{"type": "location_import", "status": "failure",
                                 "request_id": server.REQUEST_ID, "created_at": "1"}]})


@pytest.fixture
def ready(glance: Server) -> Server:
    """A Glance that takes locations; what the image becomes is the test's."""
    glance.says("GET", "/versions", Answer(300, {"versions": [{"id": "v2.15"}, {"id": "v2.17"}]}))
    glance.says("GET", "/v2/images", Answer(body={"images": []}))
    glance.says("GET", TASKS, Answer(body={"tasks": []}))
    glance.says("POST", LOCATIONS, Answer(202))
    return glance


def images(glance: Server, **settings: Any) -> Any:
    return server.service(glance, **dict({"registration": "location"}, **settings))


@pytest.mark.parametrize("address, expected", [
    ("http://ks:5000/v3", "swift+http://p%3Au:k%23y%20%C3%BC@ks:5000/v3/c/o"),
    ("https://ks/identity/v3/", "swift+https://p%3Au:k%23y%20%C3%BC@ks/identity/v3/c/o"),
    ("ks:5000/v3", "swift+https://p%3Au:k%23y%20%C3%BC@ks:5000/v3/c/o")])
def test_a_location_is_written_as_glances_store_writes_it(address: str, expected: str) -> None:
    settings = GlanceSettings(store_auth_address=address, store_user="p:u", store_key="k#y ü")
    assert location.url(settings, "c", "o") == expected


@pytest.mark.parametrize("change, option", [
    ({"store_key": None}, "glance_store_key not set"),
    ({"store_user": ""}, "glance_store_user not set"),
    ({"store_key": "a/b"}, "must not contain '/'")])
def test_a_location_that_cannot_be_written_names_the_option(
        change: Dict[str, Any], option: str) -> None:
    settings = dataclasses.replace(
        GlanceSettings(store_auth_address="http://k", store_user="p:u", store_key="k"), **change)
    with pytest.raises(exceptions.ConfigError, match=option):
        location.url(settings, "c", "o")


def test_the_service_account_posts_the_location_and_not_the_user(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), server.image(), ACTIVE)
    assert images(ready).register(IMAGE_ID, PUBLISHED) == "location"
    post, = ready.made("POST", LOCATIONS)
    assert post.headers["x-auth-token"] == "service-token"
    assert json.loads(post.body) == {"url": (
        f"swift+http://images%3Aglance:k%23ey%2520%C3%BC@127.0.0.1:9/v3/vhd-images/{IMAGE_ID}")}


def test_a_known_hash_goes_along(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), ACTIVE)
    images(ready).register(IMAGE_ID, dataclasses.replace(PUBLISHED, os_hash=("sha512", "ab")))
    post, = ready.made("POST", LOCATIONS)
    assert json.loads(post.body)["validation_data"] == {
        "os_hash_algo": "sha512", "os_hash_value": "ab"}


def test_a_post_whose_answer_was_lost_is_not_a_conflict(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), ACTIVE)
    ready.says("POST", LOCATIONS, Answer(502), Answer(409))
    assert images(ready, retry_time=30.0).register(IMAGE_ID, PUBLISHED) == "location"


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refusal_says_what_to_do_and_not_the_key(ready: Server, status: int) -> None:
    ready.has_image(server.image())
    ready.routes["POST", LOCATIONS] = lambda request: Answer(status, request.body)
    with pytest.raises(exceptions.RegistrationFailed) as caught:
        images(ready).register(IMAGE_ID, PUBLISHED)
    assert "***" in str(caught.value)
    assert server.KEY not in str(caught.value) and "k%23ey" not in str(caught.value)


def test_a_failed_task_ends_the_wait_with_a_reason(ready: Server) -> None:
    ready.has_image(server.image())
    ready.says("GET", TASKS, FAILED)
    with pytest.raises(exceptions.RegistrationFailed, match=r"127\.0\.0\.1:9.* does not answer"):
        images(ready, activation_timeout=600.0).register(IMAGE_ID, PUBLISHED)


def test_tasks_are_not_asked_for_while_glance_works(ready: Server) -> None:
    working = server.image(os_glance_import_task="t1")
    ready.has_image(server.image(), server.image(), server.image(), working, working, ACTIVE)
    assert images(ready).register(IMAGE_ID, PUBLISHED) == "location"
    assert not ready.made("GET", TASKS)


def test_glance_may_finish_its_task_first(
        ready: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # A time that stands still: the moment that Glance is given never ends.
    monkeypatch.setattr(activation, "time", types.SimpleNamespace(
        monotonic=lambda: 0.0, sleep=lambda seconds: None))
    finishing = dict(ACTIVE, os_glance_import_task="t1")
    ready.has_image(server.image(), server.image(), server.image(), finishing, finishing, ACTIVE)
    images(ready).register(IMAGE_ID, PUBLISHED)
    assert len(ready.made("GET", f"/v2/images/{IMAGE_ID}")) == 6


def test_a_glance_that_hashes_long_is_not_waited_for(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), server.image(),
                    dict(ACTIVE, os_glance_import_task="t1"))
    assert images(ready).register(IMAGE_ID, PUBLISHED) == "location"


def test_an_older_tasks_failure_is_not_ours(ready: Server) -> None:
    ready.has_image(*[server.image()] * 4, ACTIVE)
    ready.says("GET", TASKS, Answer(body={"tasks": [
        {"type": "location_import", "status": "failure", "request_id": "req-other",
         "created_at": "1"}]}))
    assert images(ready).register(IMAGE_ID, PUBLISHED) == "location"


def test_an_image_that_stays_queued_is_given_up(ready: Server) -> None:
    ready.has_image(server.image())
    with pytest.raises(exceptions.ActivationPending, match="still 'queued' after 0 seconds"):
        images(ready, activation_timeout=0.0).register(IMAGE_ID, PUBLISHED)


def test_auto_does_not_upload_beside_a_registration_that_may_still_end_well(
        ready: Server) -> None:
    ready.has_image(server.image())
    with pytest.raises(exceptions.ActivationPending):
        images(ready, registration="auto", activation_timeout=0.0).register(IMAGE_ID, PUBLISHED)
    assert not ready.made("PUT", f"/v2/images/{IMAGE_ID}/file")


@pytest.mark.parametrize("status", [500, 502])
def test_a_location_whose_answer_is_lost_may_be_taken(ready: Server, status: int) -> None:
    """So whoever gave it must not take back the bytes: the image may become active."""
    ready.has_image(server.image())
    ready.says("POST", LOCATIONS, Answer(status))
    for how in ("location", "auto"):
        with pytest.raises(exceptions.ActivationPending, match="not known"):
            images(ready, registration=how, activation_timeout=0.0).register(IMAGE_ID, PUBLISHED)
    assert not ready.made("PUT", f"/v2/images/{IMAGE_ID}/file")


def test_a_glance_that_breaks_inside_is_told_again(ready: Server) -> None:
    """A lost lock of its database, perhaps; if it has taken the location it says 409 then."""
    for answers in ([Answer(500), Answer(202)], [Answer(500), Answer(409)],
                    [Answer(500), Answer(500), Answer(202)]):
        ready.has_image(server.image(), server.image(), ACTIVE)
        ready.says("POST", LOCATIONS, *answers)
        assert images(ready, retry_time=30.0).register(IMAGE_ID, PUBLISHED) == "location"


def test_the_next_endpoint_is_told_when_one_went_down_meanwhile(
        ready: Server, second: Server) -> None:
    ready.has_image(server.image())
    ready.says("POST", LOCATIONS, Answer(503))
    second.says("POST", LOCATIONS, Answer(202))
    second.has_image(ACTIVE)
    made = server.service(ready, second, registration="location", retry_time=30.0)
    assert made.register(IMAGE_ID, PUBLISHED) == "location"
    assert len(ready.made("POST", LOCATIONS)) == 1


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_glance_that_cannot_be_asked_any_more_may_have_the_location(ready: Server,
                                                                      status: int) -> None:
    ready.says("GET", f"/v2/images/{IMAGE_ID}", *[Answer(body=server.image())] * 3,
               Answer(status))
    with pytest.raises(exceptions.ActivationPending, match="not known"):
        images(ready).register(IMAGE_ID, PUBLISHED)
    assert len(ready.made("POST", LOCATIONS)) == 1


def test_another_size_is_a_failure(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), dict(ACTIVE, size=SIZE - 1))
    with pytest.raises(exceptions.RegistrationFailed, match="999 bytes, the VHD has 1000"):
        images(ready).register(IMAGE_ID, PUBLISHED)


def test_an_image_deleted_while_it_is_registered_is_unavailable(ready: Server) -> None:
    ready.says("GET", f"/v2/images/{IMAGE_ID}", Answer(body=server.image()),
               Answer(body=server.image()), Answer(404))
    with pytest.raises(exceptions.ImageUnavailable):
        images(ready).register(IMAGE_ID, PUBLISHED)


def test_a_location_that_shows_after_all_is_a_failure(ready: Server) -> None:
    ready.has_image(server.image(), server.image(), dict(ACTIVE, direct_url="swift+http://..."))
    with pytest.raises(exceptions.RegistrationFailed, match="change the key"):
        images(ready).register(IMAGE_ID, PUBLISHED)


def unfit(glance: Server, **settings: Any) -> str:
    how, why = images(glance, registration="auto", **settings).choose(IMAGE_ID)
    assert how == "upload"
    return why


def test_auto_uploads_where_the_store_is_not_configured(ready: Server) -> None:
    assert "glance_store_key not set" in unfit(ready, store_key=None)


def test_auto_uploads_where_glance_has_no_locations_api(ready: Server) -> None:
    ready.says("GET", "/versions", Answer(300, {"versions": [{"id": "v2.9"}, {"id": "v2.15"}]}))
    assert "newest API is 2.15" in unfit(ready)


def test_auto_uploads_where_the_service_account_may_not_see_the_image(ready: Server) -> None:
    ready.routes["GET", f"/v2/images/{IMAGE_ID}"] = lambda request: (
        Answer(body=server.image()) if request.headers["x-auth-token"] == server.TOKEN
        else Answer(404))
    assert "needs the role 'admin'" in unfit(ready)


@pytest.mark.parametrize("registration", ["auto", "location"])
def test_an_image_that_is_gone_is_not_put_down_to_the_service_account(
        ready: Server, registration: str) -> None:
    with pytest.raises(exceptions.ImageUnavailable, match="deleted meanwhile"):
        images(ready, registration=registration).choose(IMAGE_ID)


def test_auto_uploads_where_glance_lists_locations(ready: Server) -> None:
    ready.has_image(server.image(locations=[]))
    assert "show_multiple_locations" in unfit(ready)


def test_auto_uploads_where_another_image_shows_its_direct_url(ready: Server) -> None:
    ready.has_image(server.image())
    ready.says("GET", "/v2/images", Answer(body={"images": [server.image(direct_url="rbd://x")]}))
    assert "show_image_direct_url" in unfit(ready)


def test_location_is_refused_where_it_is_not_safe(ready: Server) -> None:
    ready.has_image(server.image(locations=[]))
    with pytest.raises(exceptions.RegistrationFailed, match="show_multiple_locations"):
        images(ready).register(IMAGE_ID, PUBLISHED)
    assert not ready.made("POST", LOCATIONS)


def test_no_log_has_the_key(ready: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ready.has_image(server.image())
    ready.says("GET", TASKS, FAILED)
    with pytest.raises(exceptions.RegistrationFailed):
        images(ready).register(IMAGE_ID, PUBLISHED)
    assert caplog.text
    for form in (server.KEY, "k%23ey", "service-token", server.TOKEN):
        assert form not in caplog.text
