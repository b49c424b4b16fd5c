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

"""Containers of volumes that nothing is in any more go.

What keeps a snapshot safe that begins just then: Swift removes no container that has an object,
and an upload reckons with its container vanishing until its announcement is in it.
"""

from __future__ import annotations

import calendar
import email.utils
import logging
from typing import Mapping

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import sweep
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

_NOTES = (sweep.STATE, record.NAME)
"""What is left in a container by looking after it."""


def remove(account: Account, container: str, grace: int, dry_run: bool = False) -> bool:
    """Remove a volume's *container*, if nothing is in it; tell whether that is done.

    It must have been swept: the last sweep has seen no point, and has left nothing but its notes.

    :param grace: seconds; one that is younger stays, as a snapshot may be about to begin in it.
    :param dry_run: change nothing, and tell whether it would be.
    :raises StoreError: Swift failed.
    """
    try:
        headers = account.head_container(container)
        names = {row["name"] for row in account.listing(container)}
        if (names - set(_NOTES) or int(headers["x-container-object-count"]) > len(names)
                or _age(headers) < grace or account.get_json(container, sweep.STATE)["points"]):
            return False
    except exceptions.ObjectMissing:
        return False  # gone by now, or not swept yet
    except (exceptions.StoreCorrupt, KeyError, TypeError, ValueError) as error:
        LOG.warning("Container %s stays, though it seems to be empty: %r", container, error)
        return False
    if dry_run:
        return True
    for name in sorted(names):
        account.delete(container, name)
    # Refused if somebody has begun to write: nothing but notes is lost then.
    return account.delete_container(container)


def _age(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a container has been there, by the cluster's clock."""
    now = calendar.timegm(email.utils.parsedate_to_datetime(headers["date"]).utctimetuple())
    return now - float(headers["x-timestamp"])
