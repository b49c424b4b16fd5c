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

"""XML-RPC values, checked with the standard library's own reader."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc import wire
from nova_swift_handler.sandbox.xapi.rpc.values import DateTime, Int32


def read(value: Any) -> Any:
    params, _ = xmlrpc.client.loads(wire.success(value))
    assert params[0]["Status"] == "Success"
    return params[0]["Value"]


@pytest.mark.parametrize(("value", "expected"), [
    ("", ""), (" <&>\"' \u00e9 \U0001f600", " <&>\"' \u00e9 \U0001f600"), (1 << 60, str(1 << 60)),
    (Int32(7), 7), (True, True), (0.5, 0.5), ([], []), ({}, {}), (None, ""),
    ({"a<": ["b", {"c": 3}]}, {"a<": ["b", {"c": "3"}]}),
    ("cut here\x00not this", "cut here"),
])
def test_values_arrive_as_xapi_sends_them(value: Any, expected: Any) -> None:
    assert read(value) == expected


def test_dates_are_dates() -> None:
    value = read(DateTime("20260101T01:02:03Z"))
    assert isinstance(value, xmlrpc.client.DateTime) and value.value == "20260101T01:02:03Z"


def test_a_call_is_read_with_its_dates() -> None:
    body = xmlrpc.client.dumps(
        ("a", 1, True, {"d": xmlrpc.client.DateTime("20260101T01:02:03")}), "VM.x").encode()
    method, params = wire.parse_call(body)
    assert method == "VM.x"
    assert params == ["a", 1, True, {"d": DateTime("20260101T01:02:03Z")}]


def test_base64_is_no_type_of_xapi() -> None:
    body = xmlrpc.client.dumps((xmlrpc.client.Binary(b"x"),), "VM.x").encode()
    with pytest.raises(ApiError) as caught:
        wire.parse_call(body)
    assert caught.value.code == "FIELD_TYPE_ERROR"


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"\xff", b"<methodCall></methodCall>"])
def test_what_is_no_call_is_malformed(body: bytes) -> None:
    with pytest.raises(wire.MalformedBody):
        wire.parse_call(body)
