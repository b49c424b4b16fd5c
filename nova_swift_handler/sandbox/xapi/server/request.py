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

"""The head of an HTTP request."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from typing import Dict, List, Optional, Tuple
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode, urlsplit


class MalformedRequest(Exception):
    """No HTTP request, or a header that means nothing."""


@dataclasses.dataclass(frozen=True)
class Request:
    """``headers``: names in lower case; ``cookies`` and ``query`` decoded."""

    method: str
    path: str
    version: str
    headers: Dict[str, str]
    query: Dict[str, str]
    cookies: Dict[str, str]

    @property
    def content_length(self) -> Optional[int]:
        """Bytes; None without the header.  Raises MalformedRequest."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        if not text.isdigit():
            raise MalformedRequest("Content-Length: %s" % text)
        return int(text)

    @property
    def target(self) -> str:
        """Path and query, as they can be asked for again."""
        path = quote(self.path)
        return "%s?%s" % (path, urlencode(self.query, safe=":/")) if self.query else path

    @property
    def keep_alive(self) -> bool:
        wish = self.headers.get("connection", "").lower()
        return wish == "keep-alive" or (self.version == "1.1" and wish != "close")

    def param(self, name: str) -> Optional[str]:
        """A parameter of the data path: each may stand in the query or in a cookie."""
        return self.query.get(name, self.cookies.get(name))

    @property
    def session_id(self) -> Optional[str]:
        """Here alone the cookie wins."""
        return self.cookies.get("session_id", self.query.get("session_id"))

    @property
    def basic_auth(self) -> Optional[Tuple[str, str]]:
        """User and password; None without the header.  Raises MalformedRequest."""
        text = self.headers.get("authorization")
        if text is None:
            return None
        scheme, _, encoded = text.partition(" ")
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise MalformedRequest("Authorization") from None
        user, colon, password = decoded.partition(":")
        if scheme.lower() != "basic" or not colon:
            raise MalformedRequest("Authorization")
        return user, password


def parse(head: bytes) -> Request:
    """Raises MalformedRequest."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/"):
        raise MalformedRequest("request line")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedRequest("header line")
        headers[name.strip().lower()] = value.strip()
    target = urlsplit(words[1])
    return Request(
        method=words[0], path=unquote(target.path), version=words[2][len("HTTP/"):],
        headers=headers, query=dict(parse_qsl(target.query, keep_blank_values=True)),
        cookies=dict(_cookies(headers.get("cookie", ""))))


def _cookies(text: str) -> List[Tuple[str, str]]:
    pairs = []
    for item in text.replace("&", ";").split(";"):
        name, equals, value = item.strip().partition("=")
        if equals:
            pairs.append((name, unquote_plus(value)))
    return pairs
