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

"""See to it that objects a new point is to name are there, whole, and stay."""

from __future__ import annotations

import logging
from concurrent import futures
from typing import Iterable, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import lifetime
from nova_swift_handler.store.account import Account, Stored

LOG = logging.getLogger(__name__)

_WORKERS = 8


def missing(account: Account, segments: Iterable[Segment], pardon: bool = True) -> Set[Segment]:
    """Return which of *segments* are gone or not what they were; pardon those that are there.

    A manifest that names another manifest is accepted by Swift though segments beneath that one
    are lost, so each is looked up.

    :param pardon: without it, nothing is changed.
    :raises StoreError: Swift could not be asked.
    """
    wanted = list(segments)
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        there = list(pool.map(
            lambda segment: present(account, segment.container, segment.name,
                                    Stored(segment.etag, segment.size), pardon), wanted))
    return {segment for segment, found in zip(wanted, there) if not found}


def present(account: Account, container: str, name: str, expected: Stored,
            pardon: bool = True) -> bool:
    """Tell whether an object is there and what it was; if so, it is pardoned.

    :param pardon: without it, nothing is changed.
    :raises StoreError: Swift could not be asked.
    """
    try:
        headers = account.headers(container, name)
        if pardon and lifetime.DELETE_AT in headers:
            lifetime.pardon(account, container, name)
            headers = account.headers(container, name)  # it may have come too late
    except exceptions.ObjectMissing:
        return False
    found = Stored(headers["etag"].strip('"'), int(headers["content-length"]))
    if found != expected:
        LOG.error("%s/%s is not the object it was: it has etag %s and %d bytes, not %s and %d; "
                  "what names it cannot be restored: run `swift-vhd store verify`",
                  container, name, found.etag, found.size, expected.etag, expected.size)
    return found == expected
