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

"""Accounts in a real Swift, as they are and behind a proxy that does harm."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any, Dict, Iterator

import pytest

from nova_swift_handler.credentials import Credentials
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.connection import Connection
from tests.functional.proxy import Proxy

SERVICE = "swift-vhd"


class Site:
    """The cloud's Swift.

    :ivar env: what ``swift-vhd sandbox env`` prints.
    """

    def __init__(self, env: Dict[str, Any]) -> None:
        self.env = env
        self._sessions: Dict[str, Any] = {}

    def session(self, user: str = SERVICE) -> Any:
        """Return a user's session, the same each time."""
        if user not in self._sessions:
            self._sessions[user] = self.credentials(user).session()
        return self._sessions[user]

    def credentials(self, user: str = SERVICE, **changes: Any) -> Credentials:
        """Return a user's credentials; *changes* are options of keystoneauth's."""
        known = self.env["users"][user]
        return Credentials("password", {
            "auth_url": self.env["keystone_url"], "username": known["name"],
            "password": known["password"], "project_name": known["project"],
            "user_domain_id": self.env["domain_id"],
            "project_domain_id": self.env["domain_id"], **changes}, timeout=60.0)

    def connection(self, user: str = SERVICE, url: str = "", attempts: int = 3,
                   **changes: Any) -> Connection:
        """Return a user's way into Swift, by *url* if given; *changes* make it a new session."""
        endpoint = {"endpoint_override": url} if url else {}
        session = self.credentials(user, **changes).session() if changes else self.session(user)
        return Connection(session, {"interface": ["public"], **endpoint}, timeout=60,
                          attempts=attempts)

    def account(self, user: str = SERVICE, url: str = "", attempts: int = 3,
                **changes: Any) -> Account:
        """Return a user's account, reached by *url* if given."""
        return Account(self.connection(user, url, attempts, **changes))


@pytest.fixture(scope="session")
def site(cloud: Any) -> Site:
    return Site(cloud.env)


@pytest.fixture(scope="session")
def poor_site(poor_cloud: Any) -> Site:
    return Site(poor_cloud.env)


@pytest.fixture
def account(site: Site) -> Account:
    return site.account()


@pytest.fixture
def proxy(site: Site) -> Iterator[Proxy]:
    """In front of the account that holds the disks."""
    with Proxy(site.env["images_account_url"]) as made:
        yield made


@pytest.fixture
def proxied(site: Site, proxy: Proxy) -> Account:
    """The account, by way of the proxy."""
    return site.account(url=proxy.url)


@pytest.fixture
def container(site: Site) -> Iterator[str]:
    with new_container(site) as name:
        yield name


@pytest.fixture
def poor_container(poor_site: Site) -> Iterator[str]:
    with new_container(poor_site) as name:
        yield name


@contextlib.contextmanager
def new_container(site: Site) -> Iterator[str]:
    """A container that is removed with all that is in it."""
    account = site.account()
    name = "test-%s" % uuid.uuid4()
    account.put_container(name, {})
    yield name
    for row in list(account.listing(name)):
        account.delete(name, row["name"])
    site.session().delete("%s/%s" % (site.env["images_account_url"], name))
