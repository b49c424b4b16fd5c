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

"""The address by which Glance reads an image of ours without a credential: a TempURL.

It is a secret of its own, as good as the image's bytes until it expires.
"""

from __future__ import annotations

import calendar
import urllib.parse
from typing import NamedTuple, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.store import probe, tempurl
from nova_swift_handler.store.account import Account


class Address(NamedTuple):
    """An address that was given to Glance.

    :ivar expires: when it ceases to be good, seconds since 1970.
    :ivar genuine: whether it is signed with the account's key, as that is now.
    """

    expires: int
    genuine: bool


def make(account: Account, containers: names.Containers, image_id: str, seconds: int) -> str:
    """Return an address of what Glance reads of an image, good for so many seconds.

    :raises AbilityMissing: this Swift, or this account, cannot have such addresses.
    """
    digest = probe.abilities(account, containers.index).tempurl_digest
    key = tempurl.key_of(account)
    if not digest:
        raise exceptions.AbilityMissing(
            "no address for Glance can be made: this Swift does not serve stitched objects by "
            "TempURL; `swift-vhd store probe` tells what was tried. Register by another way than "
            "http")
    expires = calendar.timegm(account.clock(containers.images).utctimetuple()) + seconds
    url = urllib.parse.urlsplit(account.url)
    return "%s://%s%s" % (url.scheme, url.netloc, tempurl.signed(
        account.url, containers.images, image_id, key, expires, digest))


def parse(account: Account, containers: names.Containers, image_id: str,
          url: str) -> Optional[Address]:
    """Return what *url* is; None if it is no such address of what Glance reads of an image."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    expires = query.get("temp_url_expires", "")
    if (parts.scheme not in ("http", "https") or not expires.isdigit()
            or not parts.path.endswith("/%s/%s" % (containers.images, image_id))):
        return None
    signed = "%s?%s" % (parts.path, parts.query)
    key = tempurl.key_of(account)
    return Address(int(expires), parts.netloc == urllib.parse.urlsplit(account.url).netloc and any(
        tempurl.signed(account.url, containers.images, image_id, key, int(expires), digest)
        == signed for digest in tempurl.DIGESTS))
