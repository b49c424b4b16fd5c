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

"""Responses, byte for byte in XAPI's form (xen-api's http.ml, http_svr.ml)."""

from __future__ import annotations

from html import escape
from typing import Mapping, Optional

NO_CACHE = {"Connection": "close", "Cache-Control": "no-cache, no-store"}

_PAGE = ("<html><body><h1>HTTP %d %s</h1>%s"
         "<h1>Additional information</h1>%s</body></html>")


def head(version: str, status: str, headers: Optional[Mapping[str, str]] = None) -> bytes:
    """A status line and headers with the blank line after them; no length, close to the end."""
    lines = ["HTTP/%s %s" % (version, status)]
    lines += ["%s: %s" % pair for pair in (NO_CACHE if headers is None else headers).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def complete(
    version: str, status: str, body: bytes, content_type: str,
    extra: Optional[Mapping[str, str]] = None, keep_alive: bool = False,
) -> bytes:
    headers = {
        "Content-Length": str(len(body)), "Content-Type": content_type,
        "Connection": "keep-alive" if keep_alive else "close",
        "Cache-Control": "no-cache, no-store",
    }
    headers.update(extra or {})
    return head(version, status, headers) + body


def _page(version: str, code: int, name: str, text: str, detail: str,
          extra: Optional[Mapping[str, str]] = None) -> bytes:
    body = _PAGE % (code, name.lower(), text, escape(detail))
    return complete(version, "%d %s" % (code, name), body.encode("utf-8"), "text/html", extra)


def internal_error(version: str, detail: str) -> bytes:
    """What http_svr writes for any exception, on whatever was written before."""
    body = _PAGE % (
        500, "internal server error",
        "An unexpected error occurred; please wait a while and try again. If the problem"
        " persists, please contact your support representative.", escape(detail))
    return complete(version, "500 Internal Error", body.encode("utf-8"), "text/html")


def unauthorised(version: str, realm: str) -> bytes:
    return _page(version, 401, "Unauthorised", "Please check your credentials and try again.",
                 realm, {"WWW-Authenticate": 'Basic realm="%s"' % realm})


def found(location: str) -> bytes:
    """A redirect, without a body."""
    return head("1.1", "302 Found", {**NO_CACHE, "Location": location})


def not_found(version: str) -> bytes:
    return _page(version, 404, "Not Found", "", "")


def header_too_long(version: str = "1.1") -> bytes:
    return head(version, "431 Request Header Fields Too Large")


def timed_out(version: str = "1.1") -> bytes:
    return head(version, "408 Request Timeout")
