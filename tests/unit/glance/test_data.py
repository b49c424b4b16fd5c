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

"""Images' bytes."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from nova_swift_handler import exceptions
from tests.unit.glance import server
from tests.unit.glance.server import IMAGE_ID, Answer, Server

FILE = f"/v2/images/{IMAGE_ID}/file"
DATA = random.Random(1).getrandbits(8 * 300_000).to_bytes(300_000, "big")


def give(glance: Server, file: Any, **record: Any) -> None:
    glance.has_image(server.image(**dict({
        "status": "active", "size": len(DATA), "checksum": hashlib.md5(DATA).hexdigest(),
        "os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(DATA).hexdigest()}, **record)))
    if isinstance(file, Answer):
        glance.says("GET", FILE, file)
    else:
        glance.routes["GET", FILE] = file


def test_all_bytes_come_in_the_pieces_asked_for(glance: Server) -> None:
    give(glance, Answer(body=DATA))
    with server.service(glance).open_data(IMAGE_ID) as data:
        assert data.length == len(DATA)
        parts = [data.read(70_000) for _ in range(6)]
    assert [len(part) for part in parts] == [70_000] * 4 + [20_000, 0]
    assert b"".join(parts) == DATA


def test_a_broken_download_is_resumed_by_range(glance: Server) -> None:
    def file(request: server.Request) -> Answer:
        wanted = request.headers.get("range")
        if wanted is None:
            return Answer(body=DATA, cut=100_000)
        start = int(wanted.partition("=")[2].partition("-")[0])
        return Answer(206, DATA[start:], {
            "Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"},
            cut=50_000 if start < 200_000 else None)

    give(glance, file)
    with server.service(glance).open_data(IMAGE_ID) as data:
        assert data.read() == DATA
    assert [one.headers.get("range") for one in glance.made("GET", FILE)] == [
        None, "bytes=100000-299999", "bytes=150000-299999", "bytes=200000-299999"]


@pytest.mark.parametrize("refusal", [Answer(400, b"not randomly"), Answer(200, DATA)])
def test_a_broken_download_starts_over_where_ranges_are_not_served(
        glance: Server, refusal: Answer) -> None:
    cuts = [100_000]

    def file(request: server.Request) -> Answer:
        if "range" in request.headers:
            return refusal
        return Answer(body=DATA, cut=cuts.pop() if cuts else None)

    give(glance, file)
    with server.service(glance).open_data(IMAGE_ID) as data:
        assert data.read() == DATA


def test_a_download_that_always_breaks_is_an_error_that_says_where(glance: Server) -> None:
    def file(request: server.Request) -> Answer:
        return Answer(400) if "range" in request.headers else Answer(body=DATA, cut=1000)

    give(glance, file)
    with server.service(glance).open_data(IMAGE_ID) as data, \
            pytest.raises(exceptions.GlanceError, match="after 1000 of 300000 bytes"):
        data.read()


def test_an_image_deleted_during_its_download_is_unavailable(glance: Server) -> None:
    give(glance, lambda request: Answer(404) if "range" in request.headers
         else Answer(body=DATA, cut=1000))
    with server.service(glance).open_data(IMAGE_ID) as data, \
            pytest.raises(exceptions.ImageUnavailable):
        data.read()


@pytest.mark.parametrize("record", [
    {}, {"os_hash_algo": None, "os_hash_value": None}, {"os_hash_algo": "no-such"}])
def test_a_changed_byte_is_found_by_the_best_hash_there_is(glance: Server, record: Any) -> None:
    give(glance, Answer(body=DATA[:-1] + bytes([DATA[-1] ^ 1])), **record)
    with server.service(glance).open_data(IMAGE_ID) as data:
        data.read(len(DATA) - 1)
        with pytest.raises(exceptions.ImageCorrupt):
            data.read(1)


def test_what_was_left_unread_is_checked_by_finish(glance: Server) -> None:
    give(glance, Answer(body=bytes(len(DATA))))
    with server.service(glance).open_data(IMAGE_ID) as data:
        data.read(10)
        with pytest.raises(exceptions.ImageCorrupt):
            data.finish()


def test_another_length_than_recorded_is_corrupt(glance: Server) -> None:
    give(glance, Answer(body=DATA[:-1]))
    with pytest.raises(exceptions.ImageCorrupt, match="299999 bytes of an image recorded with"):
        server.service(glance).open_data(IMAGE_ID)


def test_an_active_image_without_data_is_corrupt(glance: Server) -> None:
    give(glance, Answer(204))
    with pytest.raises(exceptions.ImageCorrupt, match="no data"):
        server.service(glance).open_data(IMAGE_ID)


def test_bytes_are_not_taken_packed(glance: Server) -> None:
    give(glance, Answer(body=DATA))
    server.service(glance).open_data(IMAGE_ID).close()
    assert glance.made("GET", FILE)[0].headers["accept-encoding"] == "identity"


def test_only_an_active_image_is_downloaded(glance: Server) -> None:
    give(glance, Answer(body=DATA), status="deactivated")
    with pytest.raises(exceptions.ImageUnavailable, match="deactivated"):
        server.service(glance).open_data(IMAGE_ID)


def test_who_may_see_an_image_but_not_download_it_is_refused(glance: Server) -> None:
    give(glance, Answer(403))
    with pytest.raises(exceptions.ImageUnavailable):
        server.service(glance).check_download(IMAGE_ID)


@pytest.mark.parametrize("status", [200, 206, 400])
def test_the_download_check_does_not_need_ranges(glance: Server, status: int) -> None:
    give(glance, Answer(status, b"x"))
    assert server.service(glance).check_download(IMAGE_ID).size == len(DATA)
