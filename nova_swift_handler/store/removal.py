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

"""Take back objects that were written for nothing."""

from __future__ import annotations

import logging
from typing import Iterable, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

_PATIENCE = 3
"""Objects in a row for which Swift cannot be reached before the rest is left: there may be
thousands, and each costs several attempts."""


def remove(account: Account, objects: Iterable[Tuple[str, str]],
           after: str = "a failed upload") -> None:
    """Remove objects as far as possible, in this order.

    What cannot be removed is logged: the caller has an error of its own to tell.

    :param objects: containers and names.
    :param after: what they were written for, for the log.
    """
    left = list(objects)
    unreachable = 0
    while left and unreachable < _PATIENCE:
        container, name = left.pop(0)
        try:
            account.delete(container, name)
        except exceptions.StoreError as error:
            LOG.warning("After %s %s/%s is left over and takes space: %s", after, container, name,
                        error)
            unreachable += isinstance(error, exceptions.StoreUnreachable)
        else:
            unreachable = 0
    if left:
        LOG.warning("After %s %d more objects are left over, Swift being "
                    "unreachable: %s", after, len(left), ", ".join(
                        "%s/%s" % each for each in left[:10]) + (", ..." if left[10:] else ""))
