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

"""TempURLs: addresses that let whoever has one read one object until a given time."""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse

from nova_swift_handler import exceptions
from nova_swift_handler.store.account import Account

DIGESTS = ("sha256", "sha1")
"""Digests to sign with, best first: Swift knew SHA-1 alone before 2.17, and may be told to refuse
it since."""


_KEY = "x-account-meta-temp-url-key"


def key_of(account: Account) -> str:
    """Return the account's key to sign with.

    :raises AbilityMissing: it has none.
    """
    key = account.head_account().get(_KEY, "")
    if not key:
        raise exceptions.AbilityMissing(
            "no address can be made: the account has no key for TempURLs; run `swift-vhd setup`, "
            "which gives it one")
    return key


def signed(url: str, container: str, name: str, key: str, expires: int,
           digest: str = DIGESTS[0], filename: str = "") -> str:
    """Return path and query of an address that gives one object without a token.

    The form is that of Swift's tempurl middleware: an HMAC of method, time and path, in
    hexadecimal.  HEAD may be asked for with a signature for GET.

    :param url: the account's storage URL.
    :param key: the account's key for TempURLs.
    :param expires: until when it is good, seconds since 1970.
    :param digest: name of the hash.
    :param filename: what browsers and ``curl -OJ`` are to call what they save; the object's name
        if empty.
    """
    path = "%s/%s/%s" % (urllib.parse.unquote(urllib.parse.urlparse(url).path), container, name)
    text = "GET\n%d\n%s" % (expires, path)
    made = hmac.new(key.encode("utf-8"), text.encode("utf-8"), getattr(hashlib, digest))
    return "%s?temp_url_sig=%s&temp_url_expires=%d%s" % (
        urllib.parse.quote(path), made.hexdigest(), expires,
        "&filename=" + urllib.parse.quote(filename, safe="") if filename else "")
