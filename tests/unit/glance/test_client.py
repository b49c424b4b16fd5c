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

"""Endpoints, tokens and repetition."""

from __future__ import annotations

import logging
import socket
from typing import Iterator, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance.settings import GlanceSettings, UserToken
from tests.unit.glance import server
from tests.unit.glance.server import IMAGE_ID, Answer, Server

PATH = f"/v2/images/{IMAGE_ID}"


@pytest.fixture
def dead() -> Iterator[str]:
    """The address of nobody who listens, and whose port nobody else can have."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield "http://127.0.0.1:%d" % one.getsockname()[1]


def test_the_next_endpoint_is_asked_when_one_is_down_and_kept(glance: Server,
                                                              dead: str) -> None:
    glance.has_image(server.image())
    images = server.service(glance, endpoints=(dead, glance.url))
    assert images.get(IMAGE_ID).id == IMAGE_ID
    assert images._client._endpoints[0] == glance.url


def test_the_next_endpoint_is_asked_when_one_is_overloaded(glance: Server, second: Server) -> None:
    glance.says("GET", PATH, Answer(503))
    second.has_image(server.image())
    images = server.service(glance, second)
    images.get(IMAGE_ID)
    images.get(IMAGE_ID)
    assert (len(glance.requests), len(second.requests)) == (1, 2)


def test_an_overloaded_glance_is_asked_again(glance: Server) -> None:
    glance.says("GET", PATH, Answer(503), Answer(502), Answer(body=server.image()))
    assert server.service(glance, retry_time=30.0).get(IMAGE_ID).id == IMAGE_ID


def test_an_outage_is_told_once_while_it_lasts(glance: Server,
                                               caplog: pytest.LogCaptureFixture) -> None:
    glance.says("GET", PATH, Answer(503), Answer(503), Answer(503), Answer(body=server.image()))
    server.service(glance, retry_time=30.0).get(IMAGE_ID)
    told = [each for each in caplog.records
            if each.levelname == "WARNING" and "Trying again" in each.getMessage()]
    assert len(told) == 1


def test_a_glance_that_breaks_inside_is_asked_three_times(glance: Server) -> None:
    glance.says("GET", PATH, Answer(500))
    with pytest.raises(exceptions.GlanceBroken):
        server.service(glance, retry_time=30.0).get(IMAGE_ID)
    assert len(glance.requests) == 3


def test_glance_is_unreachable_when_no_endpoint_answers(dead: str) -> None:
    with pytest.raises(exceptions.GlanceUnreachable, match=dead):
        server.service(endpoints=(dead,)).get(IMAGE_ID)


def test_an_endpoint_may_name_the_api_version(glance: Server) -> None:
    glance.has_image(server.image())
    assert server.service(endpoints=(glance.url + "/v2/",)).get(IMAGE_ID).id == IMAGE_ID


def test_a_service_account_vouches_for_the_users_token(glance: Server) -> None:
    glance.has_image(server.image())
    server.service(glance, roles=("service",)).get(IMAGE_ID)
    headers = glance.requests[0].headers
    assert headers["x-auth-token"] == server.TOKEN
    assert headers["x-service-token"] == "service-token"


def test_an_account_without_the_service_role_does_not_spoil_the_users_token(
        glance: Server) -> None:
    glance.has_image(server.image())
    server.service(glance, roles=("member",)).get(IMAGE_ID)
    assert "x-service-token" not in glance.requests[0].headers


def test_without_a_user_the_service_account_acts(glance: Server) -> None:
    glance.has_image(server.image())
    server.service(glance, user=None).get(IMAGE_ID)
    assert glance.requests[0].headers["x-auth-token"] == "service-token"


@pytest.mark.parametrize("roles", [(), ("service",)])
def test_a_request_without_a_token_gets_nothing(glance: Server, roles: Tuple[str, ...]) -> None:
    glance.has_image(server.image())
    with pytest.raises(exceptions.ImageUnavailable, match="without the user's token"):
        server.service(glance, roles=roles, user=UserToken("")).get(IMAGE_ID)
    assert not glance.requests


def test_glance_logs_the_callers_request_id(glance: Server) -> None:
    glance.has_image(server.image())
    server.service(glance, user=UserToken("t", request_id="req-1")).get(IMAGE_ID)
    assert glance.requests[0].headers["x-openstack-request-id"] == "req-1"


def test_a_deleted_image_is_unavailable(glance: Server) -> None:
    glance.has_image(server.image(status="deleted"))
    with pytest.raises(exceptions.ImageUnavailable):
        server.service(glance).get(IMAGE_ID)


def test_a_lost_answer_to_create_does_not_make_two_images(glance: Server) -> None:
    made = []

    def post(request: server.Request) -> Answer:
        body = server.json.loads(request.body)
        if body["id"] in made:
            return Answer(409)
        made.append(body["id"])
        glance.routes["GET", f"/v2/images/{body['id']}"] = lambda _: Answer(body=dict(
            server.image(), id=body["id"]))
        return Answer(502)

    glance.routes["POST", "/v2/images"] = post
    created = server.service(glance, retry_time=30.0).create("t", "vhd", "bare", {"a": "b"})
    assert [created.id] == made


def test_delete_of_what_is_gone_is_success(glance: Server) -> None:
    glance.says("DELETE", PATH, Answer(404))
    server.service(glance).delete(IMAGE_ID)


def test_a_refused_delete_says_why(glance: Server) -> None:
    glance.says("DELETE", PATH, Answer(403, b"<body>Image is protected</body>"))
    with pytest.raises(exceptions.GlanceError, match="Image is protected"):
        server.service(glance).delete(IMAGE_ID)


def test_lists_follow_the_pages(glance: Server) -> None:
    glance.says("GET", "/v2/images", Answer(body={"images": [server.image()], "next": "/v2/x"}),
                Answer(body={"images": [server.image(name="2")]}))
    assert [one.name for one in server.service(glance).list(status="active")] == ["snap", "2"]


def test_secrets_are_in_no_repr_and_no_log(
        glance: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    glance.has_image(server.image())
    server.service(glance).get(IMAGE_ID)
    shown = f"{GlanceSettings(store_key=server.KEY)!r} {UserToken(server.TOKEN)!r} {caplog.text}"
    for secret in (server.KEY, server.TOKEN, "service-token"):
        assert secret not in shown
