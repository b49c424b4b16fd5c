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

"""Condemn objects, and pardon them: a date of expiry that can be taken back until it comes."""

from __future__ import annotations

from typing import Dict, Mapping

from nova_swift_handler.store.account import Account

DELETE_AT = "x-delete-at"
_META = "x-object-meta-"


def condemn(account: Account, container: str, name: str, at: int) -> bool:
    """Let Swift delete an object at the time *at*, seconds since 1970 by the cluster's clock.

    :returns: whether it is condemned anew: one that has a date of expiry keeps it.
    :raises ObjectMissing: it is gone.
    """
    headers = account.headers(container, name, follow=False)
    if DELETE_AT in headers:
        return False
    account.post(container, name, {**_metadata(headers), "X-Delete-At": str(at)})
    return True


def pardon(account: Account, container: str, name: str) -> bool:
    """Take an object's date of expiry away; tell whether it had one.

    :raises ObjectMissing: it is gone.
    """
    headers = account.headers(container, name, follow=False)
    if DELETE_AT not in headers:
        return False
    account.post(container, name, {**_metadata(headers), "X-Remove-Delete-At": "true"})
    return True


def _metadata(headers: Mapping[str, str]) -> Dict[str, str]:
    # A POST takes away what it does not say again.
    return {name: value for name, value in headers.items() if name.startswith(_META)}
