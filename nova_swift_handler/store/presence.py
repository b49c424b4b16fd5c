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

"""Is an object there, or a container?"""

from __future__ import annotations

from nova_swift_handler import exceptions
from nova_swift_handler.store.account import Account


def exists(account: Account, container: str, name: str) -> bool:
    """Tell whether *container* is there and has an object *name*.

    :raises StoreError: Swift could not be asked, which is not the same as no.
    """
    try:
        account.head(container, name)
    except exceptions.ObjectMissing:
        return False
    return True


def container_exists(account: Account, container: str) -> bool:
    """Tell whether *container* is there: the account lists for a while what was removed.

    :raises StoreError: Swift could not be asked, which is not the same as no.
    """
    try:
        account.head_container(container)
    except exceptions.ObjectMissing:
        return False
    return True


def refuse_outage(account: Account, container: str) -> None:
    """Return if *container* can be asked for, so that it was one object that could not.

    :raises StoreError: Swift as a whole is out.
    """
    account.head_container(container)
