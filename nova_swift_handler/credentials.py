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

"""The service account, in a form that a child process can take along."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional, Tuple, Union

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions, tally

# Values of authentication options that may be shown; any other might be, or contain, a secret.
_SHOWN = frozenset((
    "auth_url", "username", "user_id", "user_domain_id", "user_domain_name", "project_id",
    "project_name", "project_domain_id", "project_domain_name", "system_scope",
))


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What it takes to open a keystoneauth session as the service account.

    Plain values only, so that it can be pickled or (by :func:`dataclasses.asdict`) sent as JSON.

    :ivar auth_type: name of a keystoneauth plugin, e.g. ``password`` or
        ``v3applicationcredential``.
    :ivar options: the plugin's options by the names its loader gives them; unset ones left out.
    :ivar cafile: PEM file to verify Keystone and the services with; None is the system's.
    :ivar certfile: PEM file with a client certificate, and its key if *keyfile* is None.
    :ivar insecure: verify no certificate.
    :ivar timeout: seconds one request may take to answer.
    :ivar region_name: region whose endpoints are used; None takes the catalog's first.
    :ivar interface: kinds of endpoint, best first, e.g. ``("internal", "public")``.
    :ivar endpoint_override: address of the Swift account, instead of the catalog's.  Not part of
        :meth:`endpoint_filter`, which serves any service.
    """

    auth_type: str
    options: Dict[str, Any]
    cafile: Optional[str] = None
    certfile: Optional[str] = None
    keyfile: Optional[str] = None
    insecure: bool = False
    timeout: float = 60.0
    region_name: Optional[str] = None
    interface: Tuple[str, ...] = ("internal", "public")
    endpoint_override: Optional[str] = None

    def session(self, **kwargs: Any) -> ks_session.Session:
        """Return a new session; it asks for a token when one is first needed.

        :param kwargs: passed on to :class:`keystoneauth1.session.Session`.
        :raises ConfigError: the plugin is unknown or lacks an option.
        """
        kwargs.setdefault("timeout", self.timeout)
        kwargs.setdefault("app_name", "nova_swift_handler")
        session = ks_session.Session(auth=self._plugin(), verify=self.verify, cert=self.cert,
                                     **kwargs)
        # Swift is spoken to by other means; what is not asked of Keystone is asked of Glance.
        tally.watch(session.session, tally.GLANCE, {
            str(self.options.get("auth_url") or "(none)"): tally.KEYSTONE})
        return session

    @property
    def verify(self) -> Union[bool, str]:
        """A CA bundle's path, or whether to verify TLS at all; as ``requests`` takes it."""
        if self.insecure:
            return False
        return self.cafile or True

    @property
    def cert(self) -> Union[str, Tuple[str, str], None]:
        """The client certificate's path, or its and its key's; as ``requests`` takes it."""
        if self.certfile and self.keyfile:
            return self.certfile, self.keyfile
        return self.certfile

    def endpoint_filter(self, **kwargs: Any) -> Dict[str, Any]:
        """Return how to look an endpoint up in the catalog, as keystoneauth takes it.

        :param kwargs: further conditions, e.g. ``service_type="image"``.
        """
        found = {"interface": list(self.interface), **kwargs}
        if self.region_name:
            found["region_name"] = self.region_name
        return found

    def _plugin(self) -> Any:
        try:
            loader: Any = loading.get_plugin_loader(self.auth_type)
            return loader.load_from_options(**self.options)
        except ks_exceptions.NoMatchingPlugin as exc:
            raise exceptions.ConfigError(
                f"Opening a session as the service account: keystoneauth knows no auth_type "
                f"'{self.auth_type}'; password is the usual one.") from exc
        except ks_exceptions.MissingRequiredOptions as exc:
            names = ", ".join(opt.dest for opt in exc.options)
            raise exceptions.ConfigError(
                f"Opening a session as the service account: auth_type '{self.auth_type}' needs "
                f"{names}.") from exc
        except ks_exceptions.OptionError as exc:
            raise exceptions.ConfigError(
                f"Opening a session as the service account with auth_type '{self.auth_type}': "
                f"{exc}") from exc

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value if name in _SHOWN else '***'!r}"
                          for name, value in sorted(self.options.items()))
        return (f"Credentials(auth_type={self.auth_type!r}, options=<{shown}>, "
                f"region_name={self.region_name!r}, interface={self.interface!r})")
