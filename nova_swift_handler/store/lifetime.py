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


def condemn(account: Account, container: str, name: str, at: int) -> None:
    """Let Swift delete an object at the time *at*, seconds since 1970 by the cluster's clock.

    :raises ObjectMissing: it is gone.
    """
    kept = _metadata(account.headers(container, name, follow=False))
    account.post(container, name, {**kept, "X-Delete-At": str(at)})


def pardon(account: Account, container: str, name: str) -> None:
    """Take an object's date of expiry away.

    :raises ObjectMissing: it is gone.
    """
    kept = _metadata(account.headers(container, name, follow=False))
    account.post(container, name, {**kept, "X-Remove-Delete-At": "true"})


def _metadata(headers: Mapping[str, str]) -> Dict[str, str]:
    # A POST takes away what it does not say again.
    return {name: value for name, value in headers.items() if name.startswith(_META)}
