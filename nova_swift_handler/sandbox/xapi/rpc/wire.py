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

"""XML-RPC bodies in and out, in XAPI's dialect.

Integers of 64 bits travel as text; strings are cut before the first character XML cannot carry,
as XAPI's database does (Encodings.UTF8_XML.longest_valid_prefix).
"""

from __future__ import annotations

import dataclasses
import re
import xmlrpc.client
from typing import Any, List, Sequence, Tuple
from xml.sax.saxutils import escape

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.values import DateTime, Int32

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MalformedBody(Exception):
    """The body is no XML-RPC call."""


def text_safe(text: str) -> str:
    """The longest start of ``text`` that XML can carry."""
    match = _ILLEGAL.search(text)
    return text[:match.start()] if match else text


CONTENT_TYPE = "text/xml"


@dataclasses.dataclass(frozen=True)
class XmlCall:
    """One call."""

    method: str
    params: List[Any]

    def success(self, value: Any) -> bytes:
        return success(value)

    def failure(self, description: Sequence[str]) -> bytes:
        return failure(description)


def parse(body: bytes) -> XmlCall:
    """Raises MalformedBody; FIELD_TYPE_ERROR for types of XML-RPC that XAPI does not use."""
    return XmlCall(*parse_call(body))


def parse_call(body: bytes) -> Tuple[str, List[Any]]:
    """Return method and parameters.  Raises MalformedBody."""
    try:
        params, method = xmlrpc.client.loads(body.decode("utf-8"))
    except Exception as exc:
        raise MalformedBody(str(exc)) from exc
    if method is None:
        raise MalformedBody("no methodName")
    return method, [_from_wire(value) for value in params]


def _from_wire(value: Any) -> Any:
    if isinstance(value, xmlrpc.client.DateTime):
        text = value.value
        return DateTime(text if text.endswith("Z") else text + "Z")
    if isinstance(value, str):
        return text_safe(value)
    if isinstance(value, list):
        return [_from_wire(item) for item in value]
    if isinstance(value, dict):
        return {text_safe(key): _from_wire(item) for key, item in value.items()}
    if isinstance(value, (bool, int, float)):
        return value
    # base64 and nil: no XAPI type is written so.
    raise ApiError("FIELD_TYPE_ERROR", type(value).__name__)


def to_xml(value: Any) -> str:
    """One ``<value>`` element."""
    if isinstance(value, bool):
        return "<value><boolean>%d</boolean></value>" % value
    if isinstance(value, DateTime):
        return "<value><dateTime.iso8601>%s</dateTime.iso8601></value>" % value
    if isinstance(value, str):
        return "<value>%s</value>" % escape(text_safe(value))
    if isinstance(value, Int32):
        return "<value><i4>%d</i4></value>" % value
    if isinstance(value, int):
        return "<value>%d</value>" % value
    if isinstance(value, float):
        return "<value><double>%s</double></value>" % _float_text(value)
    if isinstance(value, dict):
        return "<value><struct>%s</struct></value>" % "".join(
            "<member><name>%s</name>%s</member>" % (escape(text_safe(str(key))), to_xml(item))
            for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "<value><array><data>%s</data></array></value>" % "".join(
            to_xml(item) for item in value)
    if value is None:
        return "<value></value>"
    raise TypeError("XAPI has no type for %r" % type(value))


def _float_text(value: float) -> str:
    return "%.15g" % value if value == value and abs(value) != float("inf") else str(value)


def success(value: Any) -> bytes:
    return _response({"Status": "Success", "Value": value})


def failure(description: Sequence[str]) -> bytes:
    return _response({"Status": "Failure", "ErrorDescription": list(description)})


def _response(envelope: Any) -> bytes:
    return ("<?xml version='1.0'?><methodResponse><params><param>%s</param></params>"
            "</methodResponse>" % to_xml(envelope)).encode("utf-8")
