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

"""Glance's answers turned into our errors."""

from __future__ import annotations

import html
import json
from urllib import parse

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance import errors
from tests.unit.glance import server
from tests.unit.glance.server import Answer, Server


@pytest.mark.parametrize("form", [
    str, parse.quote, lambda key: parse.quote(key, safe=""), lambda key: json.dumps(key)[1:-1],
    html.escape])
def test_the_key_is_cut_out_however_it_is_written(form) -> None:
    key = 'a+b&"c#ü%'
    assert errors.redact(f"before {form(key)} after", key) == "before *** after"


@pytest.mark.parametrize("status, kind", [
    (401, exceptions.AccessRefused), (403, exceptions.AccessRefused),
    (404, exceptions.ImageMissing), (410, exceptions.ImageMissing),
    (413, exceptions.RegistrationFailed), (500, exceptions.GlanceBroken),
    (405, exceptions.GlanceError),
    (502, exceptions.GlanceUnreachable), (503, exceptions.GlanceUnreachable)])
def test_a_message_says_what_was_done_and_glances_reason_and_request(
        glance: Server, status: int, kind: type) -> None:
    page = b"<html><head><title>x</title></head><body><h1>No &amp; no</h1> because.<br/></body>"
    glance.says("GET", f"/v2/images/{server.IMAGE_ID}", Answer(status, page))
    with pytest.raises(kind) as caught:
        server.service(glance).get(server.IMAGE_ID)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert f"Reading image {server.IMAGE_ID}" in text
    assert f"HTTP {status}: No & no because." in text
    assert server.REQUEST_ID in text
