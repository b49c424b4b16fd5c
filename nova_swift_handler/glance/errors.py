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
import re
from typing import Any, Iterable, Optional, Type
from urllib import parse

from nova_swift_handler import exceptions

UNREACHABLE = (502, 503, 504)
_LONGEST = 300
_HEAD = re.compile(r"<(head|script|style)\b.*?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SIGNATURE = re.compile(r"(temp_url_sig=)[0-9A-Za-z%:+/=_-]+")


def secrets(key: Optional[str]) -> Iterable[str]:
    """Return the forms in which *key* may turn up in a text, longest first."""
    if not key:
        return []
    forms = {key, parse.quote(key), parse.quote(key, safe=""), json.dumps(key)[1:-1],
             html.escape(key)}
    return sorted(forms, key=len, reverse=True)


def redact(text: str, key: Optional[str]) -> str:
    """Return *text* without *key*, and without what makes a TempURL good."""
    for form in secrets(key):
        text = text.replace(form, "***")
    return _SIGNATURE.sub(r"\1***", text)


def request_id(response: Any) -> str:
    """Return the id under which Glance logged the request; empty if it gave none."""
    return response.headers.get("x-openstack-request-id", "")


def said(response: Any, key: Optional[str] = None) -> str:
    """Return status, reason and request id of an answer in one line, without *key*.

    Glance explains itself in a small HTML page.
    """
    text = html.unescape(_TAG.sub(" ", _HEAD.sub(" ", response.text or "")))
    text = " ".join(text.split())
    text = redact(text, key)[:_LONGEST]
    known = request_id(response)
    return (f"HTTP {response.status_code}" + (f": {text}" if text else "")
            + (f" (Glance request {known})" if known else ""))


def from_response(response: Any, doing: str, key: Optional[str] = None,
                  as_user: bool = True) -> exceptions.GlanceError:
    """Return the error that *response* means.

    :param doing: what was being done to which image, e.g. ``Reading image <id>``.
    :param as_user: whether the user's token was sent, not the service account's.
    """
    status = response.status_code
    kind: Type[exceptions.GlanceError] = exceptions.GlanceError
    advice = ""
    who = "this user" if as_user else "the service account"
    if status in UNREACHABLE:
        kind = exceptions.GlanceUnreachable
        advice = " Is glance-api up, and the Keystone it asks?"
    elif status == 500:
        kind = exceptions.GlanceBroken
        advice = " See glance-api's log."
    elif status == 401:
        kind = exceptions.AccessRefused if as_user else exceptions.GlanceError
        advice = (" The user's token is not valid or expired; an expired one is accepted only "
                  "together with a service account that has the role 'service'." if as_user else
                  " Keystone gave the service account a token that Glance does not accept.")
    elif status in (404, 410):
        kind = exceptions.ImageMissing
        advice = f" The image does not exist, was deleted meanwhile, or {who} may not see it."
    elif status == 403:
        kind = exceptions.AccessRefused
        advice = f" Glance's policies do not allow it to {who}."
    elif status == 413:
        kind = exceptions.RegistrationFailed
        advice = (" A quota or image_size_cap of Glance is exceeded: raise it, or delete images "
                  "of the project.")
    return kind(f"{doing}: Glance answered {said(response, key)}.{advice}")
