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

"""Make the containers, with the rights that Glance's Swift user needs and no more."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from typing import Dict, List, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.settings import StoreSettings
from nova_swift_handler.store.account import Account

PRESENT, CREATED, CHANGED = "present", "created", "changed"

_READ = "x-container-read"
_KEY = "X-Account-Meta-Temp-URL-Key"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A container as it should be.

    :ivar read: its read ACL.
    :ivar write: its write ACL.
    """

    name: str
    read: str
    write: str


def wanted(containers: Containers, acl: str) -> List[Wanted]:
    """Return the containers that every installation has.

    Glance's Swift user may write the images container alone: with rights on the others, deleting
    one image in Glance would delete every segment that its manifest leads to, shared or not.

    :param acl: element of a Swift ACL that covers that user.
    """
    return [Wanted(containers.index, "", ""),
            Wanted(containers.images, acl, acl),
            Wanted(containers.templates, acl, ""),
            Wanted(containers.isos, acl, "")]


def apply(account: Account, want: Wanted, policy: Optional[str], dry_run: bool) -> str:
    """Bring one container about; return ``present``, ``created`` or ``changed``."""
    try:
        there = account.head_container(want.name)
    except exceptions.ObjectMissing:
        if not dry_run:
            headers = {"X-Storage-Policy": policy} if policy else {}
            account.put_container(want.name, {**headers, **_acls(want)})
        return CREATED
    if all(there.get(name.lower(), "") == value for name, value in _acls(want).items()):
        return PRESENT
    if not dry_run:
        account.put_container(want.name, _acls(want))
    return CHANGED


def apply_key(account: Account, dry_run: bool) -> str:
    """Give the account a key for TempURLs if it has none; return ``present`` or ``created``.

    The key of the account, since a container's own does not reach objects stitched of another's.
    """
    if account.head_account().get(_KEY.lower()):
        return PRESENT
    if not dry_run:
        account.post_account({_KEY: secrets.token_hex(32)})
    return CREATED


def ensure(account: Account, containers: Containers, name: str, store: StoreSettings) -> None:
    """Make the container *name* for disks, readable by Glance's Swift user.

    Who that is, when the configuration does not say, the images container's ACL does.

    :raises StoreError: the images container is missing: ``swift-vhd setup`` makes it.
    """
    acl = store.reader_acl
    if not acl:
        try:
            acl = account.head_container(containers.images).get(_READ, "")
        except exceptions.ObjectMissing as error:
            raise exceptions.ObjectMissing(
                "container %s is not there; run `swift-vhd setup` once" % containers.images
            ) from error
    with contextlib.suppress(exceptions.ObjectMissing):
        if account.head_container(name).get(_READ, "") == acl:
            return
        account.put_container(name, {"X-Container-Read": acl})
        return
    headers = {"X-Container-Read": acl}
    if store.storage_policy:
        headers["X-Storage-Policy"] = store.storage_policy
    account.put_container(name, headers)


def holding(account: Account, containers: Containers) -> List[str]:
    """Return the containers that have points or ISOs: what the account lists, which may be late.
    """
    return sorted(name for name in account.containers(containers.prefix + "-")
                  if is_holding(containers, name))


def is_holding(containers: Containers, name: str) -> bool:
    """Tell whether *name* is that of a container of this installation for points or ISOs."""
    return name in (containers.templates, containers.isos) or (
        name.startswith(containers.volume("")) and name != containers.volume(""))


def _acls(want: Wanted) -> Dict[str, str]:
    return {"X-Container-Read": want.read, "X-Container-Write": want.write}
