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

"""The installation that is looked at: every service is reached when a check first needs it.

What cannot be reached is tried once: the checks behind it are told the same at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session
from oslo_config import cfg

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import places
from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.conf import settings
from nova_swift_handler.glance import locations_api, store_user
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.xapi.session import Session

_PATIENCE = 5.0
"""Seconds during which a Glance that does not answer is asked again."""


class Site:
    """What a configuration leads to.  A context manager: it ends the session with XAPI.

    Every method raises what keeps it from being reached: ``ConfigError`` for options, else the
    service's own error.

    :ivar conf: nova.conf; the doctor is at the edge, for it judges the configuration itself.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf
        self._known: Dict[str, Any] = {}
        self._errors: Dict[str, exceptions.SwiftVhdError] = {}
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._held.close()

    @property
    def services(self) -> Services:
        """How Keystone, Swift and Glance are reached."""
        def make() -> Services:
            glance = dataclasses.replace(settings.glance(self.conf), retry_time=_PATIENCE)
            return Services(
                credentials=settings.credentials(self.conf), store=settings.store(self.conf),
                transfer=settings.transfer(self.conf), glance=glance)

        return self.once("services", make)

    @property
    def containers(self) -> Containers:
        """The names of this installation's containers."""
        return self.services.containers

    @property
    def access(self) -> Any:
        """What Keystone says of the service account (keystoneauth's ``AccessInfo``)."""
        def make() -> Any:
            session = self.services.credentials.session()
            auth: Any = session.auth
            try:
                return session, auth.get_access(session)
            except (ks_exceptions.Unauthorized, ks_exceptions.Forbidden) as error:
                raise exceptions.StoreAuthFailed(
                    "Keystone refuses the service account (%s)" % error) from error
            except ks_exceptions.ClientException as error:
                raise exceptions.StoreUnreachable(
                    "Keystone gives the service account no token (%s)" % error) from error

        return self.once("access", make)[1]

    @property
    def session(self) -> ks_session.Session:
        """The service account's, logged in to Keystone."""
        self.access  # noqa: B018  (raises)
        return self._known["access"][0]

    @property
    def account(self) -> Account:
        """The service account in Swift, which answers."""
        def make() -> Account:
            found = self.services.account(self.session)
            found.head_account()
            return found

        return self.once("account", make)

    @property
    def client(self) -> Client:
        """Glance's API as the service account, which answers."""
        def make() -> Client:
            found = Client(self.glance, self.session, None)
            locations_api.api_version(found)
            return found

        return self.once("client", make)

    @property
    def store_session(self) -> ks_session.Session:
        """Glance's Swift user's, logged in to Keystone."""
        def make() -> ks_session.Session:
            if not store_user.acl_element(self.glance):
                raise exceptions.ConfigError(
                    "who Glance's Swift user is, is not configured: glance_store_auth_address, "
                    "glance_store_user and glance_store_key in [swift_vhd]")
            return store_user.session(self.glance)

        return self.once("store_session", make)

    @property
    def store_acl(self) -> str:
        """The element of Swift's ACLs that covers Glance's Swift user; empty if it is unknown."""
        return self.once("store_acl", lambda: (
            self.services.store.reader_acl or store_user.acl_element(self.glance)))

    @property
    def glance(self) -> GlanceSettings:
        """How Glance is reached."""
        return self.services.glance

    @property
    def xapi(self) -> Session:
        """A session with the host."""
        def make() -> Session:
            return self._held.enter_context(Session(settings.xapi(self.conf)))

        return self.once("xapi", make)

    def volumes(self) -> List[str]:
        """Return the names of the containers of volumes, as the account lists them."""
        return self.once("volumes", lambda: places.volumes(self.account, self.containers))

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what *make* made when *name* was first asked for, or raise what it raised."""
        if name in self._errors:
            raise self._errors[name]
        if name not in self._known:
            try:
                self._known[name] = make()
            except exceptions.SwiftVhdError as error:
                self._errors[name] = error
                raise
        return self._known[name]
