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

"""Registration by upload, as far as a real Glance cannot be made to show it."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance import upload
from nova_swift_handler.glance.service import Published
from tests.unit.glance import server
from tests.unit.glance.server import IMAGE_ID, Answer, Server

FILE = f"/v2/images/{IMAGE_ID}/file"
VHD = bytes(range(256)) * 8


def published(**values: Any) -> Published:
    return Published(**dict({
        "size": len(VHD), "container": "", "object_name": "",
        "open": lambda: (io.BytesIO(VHD), len(VHD))}, **values))


def keeping(glance: Server, **lie: Any) -> None:
    """Let Glance take the file and then tell of it, or lie."""
    record = server.image(container_format="ovf")

    def put(request: server.Request) -> Answer:
        record.update(status="active", size=len(request.body),
                      checksum=hashlib.md5(request.body).hexdigest())
        record.update(lie)
        return Answer(204)

    glance.routes["PUT", FILE] = put
    glance.routes["GET", f"/v2/images/{IMAGE_ID}"] = lambda _: Answer(body=record)
    glance.says("DELETE", f"/v2/images/{IMAGE_ID}", Answer(204))


def register(glance: Server, **values: Any) -> str:
    return server.service(glance, registration="upload").register(IMAGE_ID, published(**values))


def test_the_copy_goes_out_with_the_users_token(glance: Server) -> None:
    keeping(glance)
    assert register(glance) == "upload"
    put, = glance.made("PUT", FILE)
    assert put.headers["x-auth-token"] == server.TOKEN


@pytest.mark.parametrize(("cap", "told"), [(len(VHD), False), (len(VHD) - 1, True)])
def test_a_copy_that_glance_may_not_take_to_its_end_is_told_of(
        glance: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
        cap: int, told: bool) -> None:
    monkeypatch.setattr(upload, "SIZE_CAP", cap)
    keeping(glance)
    register(glance)
    assert ("image_size_cap" in caplog.text) == told


@pytest.mark.parametrize("lie, reason", [
    ({"size": 3}, "Glance has 3"), ({"checksum": "00"}, "Glance's is 00"),
    ({"status": "queued"}, "its status is queued")])
def test_a_copy_that_is_not_what_was_sent_is_a_failure(
        glance: Server, lie: Any, reason: str) -> None:
    keeping(glance, **lie)
    with pytest.raises(exceptions.RegistrationFailed, match=reason):
        register(glance)


def test_a_wrong_copy_that_became_active_is_deleted(glance: Server) -> None:
    keeping(glance, size=3)
    with pytest.raises(exceptions.RegistrationFailed):
        register(glance)
    assert glance.made("DELETE", f"/v2/images/{IMAGE_ID}")


def test_an_image_deleted_during_its_upload_is_unavailable(glance: Server) -> None:
    keeping(glance)
    glance.says("PUT", FILE, Answer(410, b"may have been deleted during the upload"))
    with pytest.raises(exceptions.ImageUnavailable):
        register(glance)


def test_an_exceeded_quota_is_told(glance: Server) -> None:
    keeping(glance)
    glance.says("PUT", FILE, Answer(413, b"quota"))
    with pytest.raises(exceptions.RegistrationFailed, match="HTTP 413: quota"):
        register(glance)


def test_a_refusal_says_what_to_do_once(glance: Server) -> None:
    keeping(glance)
    glance.says("PUT", FILE, Answer(413, b"too large"))
    with pytest.raises(exceptions.RegistrationFailed, match="raise it, or delete") as caught:
        register(glance)
    assert str(caught.value).count("Uploading image") == 1
    assert "snapshot again" not in str(caught.value)


def test_a_node_that_took_nothing_is_passed_over(glance: Server) -> None:
    """The image is queued still; the disk is read anew."""
    keeping(glance)
    taken = glance.routes["PUT", FILE]
    left = [Answer(503, b"no server available")]
    glance.routes["PUT", FILE] = lambda request: left.pop() if left else taken(request)
    assert register(glance) == "upload"
    first, second = glance.made("PUT", FILE)
    assert first.body == second.body


def test_an_upload_that_glance_may_be_at_is_not_begun_again(glance: Server) -> None:
    keeping(glance)
    record = server.image(container_format="ovf")

    def put(request: server.Request) -> Answer:
        record.update(status="saving")
        return Answer(504, b"timeout")

    glance.routes["PUT", FILE] = put
    glance.routes["GET", f"/v2/images/{IMAGE_ID}"] = lambda _: Answer(body=record)
    with pytest.raises(exceptions.RegistrationFailed, match="status is now 'saving'"):
        register(glance)
    assert len(glance.made("PUT", FILE)) == 1


def test_the_vhd_is_closed(glance: Server) -> None:
    keeping(glance)
    vhd = io.BytesIO(VHD)
    register(glance, open=lambda: (vhd, len(VHD)))
    assert vhd.closed


def test_data_of_somebody_else_are_left_alone(glance: Server) -> None:
    record = server.image(container_format="ovf")

    def put(request: server.Request) -> Answer:
        record.update(status="active", size=1)
        return Answer(409, b"being uploaded by another")

    keeping(glance)
    glance.routes["PUT", FILE] = put
    glance.routes["GET", f"/v2/images/{IMAGE_ID}"] = lambda _: Answer(body=record)
    with pytest.raises(exceptions.RegistrationFailed, match="by another"):
        register(glance)
    assert not glance.made("DELETE", f"/v2/images/{IMAGE_ID}")


def test_an_image_with_data_is_not_touched(glance: Server) -> None:
    keeping(glance)
    glance.has_image(server.image(status="active", size=1))
    with pytest.raises(exceptions.RegistrationFailed, match="it is 'active'"):
        register(glance)
    assert [one.method for one in glance.requests] == ["GET"]
