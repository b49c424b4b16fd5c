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

"""A session with XAPI that outlives its reference."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, List, Optional, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import endpoint as endpoints
from nova_swift_handler.xapi import rpc
from nova_swift_handler.xapi import settings as xapi_settings

LOG = logging.getLogger(__name__)

XapiSettings = xapi_settings.XapiSettings

_API_VERSION = "1.0"  # XAPI asks for it and ignores it.
_LOGOUT_TIMEOUT = 10.0


class Session:
    """Calls XAPI for as long as the context lasts; safe to share between threads.

    The reference that XAPI knows the session by is worth a password: it is in no text, log or
    URL that comes from here.
    """

    def __init__(self, settings: xapi_settings.XapiSettings) -> None:
        """Remember how to log in; nothing is sent yet.

        :raises ConfigError: the URL is none that XAPI can have.
        """
        self.settings = settings
        self.endpoint = endpoints.parse(settings.url)
        """The configured host: disks' data is asked from it."""
        self._master = self.endpoint
        self._lock = threading.Lock()
        self._ref: Optional[str] = None
        self._generation = 0
        self._secrets: Tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Session of {self.settings.username!r} at {self.endpoint}>"

    def __enter__(self) -> Session:
        """Log in.

        :raises XapiError: the user or password is wrong.
        :raises XapiUnreachable: nothing answers there.
        """
        self.renew(self._generation)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        """Log out; a host that cannot be reached any more forgets the session by itself."""
        with self._lock:
            ref, self._ref = self._ref, None
        if ref is not None:
            try:
                self._rpc("session.logout", (ref,), _LOGOUT_TIMEOUT)
            except exceptions.XapiError as exc:
                LOG.debug("The session at %s was not ended: %s", self._master, exc)

    def call(self, method: str, *args: Any, read_timeout: Optional[float] = None,
             doing: Optional[str] = None) -> Any:
        """Call a method that takes a session.

        An expired session is renewed, and a new master found, once a call.

        :param method: e.g. ``"VDI.get_by_uuid"``.
        :param args: the parameters after the session; 64-bit integers as strings.
        :param read_timeout: seconds the answer may take, if not the settings' usual.
        :param doing: names the work in errors, if not the method.
        :raises SrFull, XapiError: XAPI refused; ``code`` and ``params`` say why.
        :raises XapiUnreachable: no answer came.
        """
        timeout = self.settings.read_timeout if read_timeout is None else read_timeout
        ref, generation = self.credentials()
        try:
            return self._rpc(method, (ref, *args), timeout, doing)
        except exceptions.XapiError as exc:
            if exc.code not in ("SESSION_INVALID", "HOST_IS_SLAVE"):
                raise
            LOG.debug("%s at %s: logging in again", exc.code, self._master)
        self.renew(generation)
        ref, generation = self.credentials()
        return self._rpc(method, (ref, *args), timeout, doing)

    def credentials(self) -> Tuple[str, int]:
        """Return the reference, for a cookie of a data request, and its generation.

        :raises XapiError: the session is not open.
        """
        with self._lock:
            if self._ref is None:
                raise exceptions.XapiError(f"the session with {self.endpoint} is not open")
            return self._ref, self._generation

    def renew(self, generation: int) -> None:
        """Log in anew unless another thread already has since ``generation``."""
        with self._lock:
            if generation != self._generation:
                return
            try:
                ref = self._login()
            except exceptions.XapiError as exc:
                if exc.code != "HOST_IS_SLAVE" or not exc.params:
                    raise
                # XAPI's parameter is the master's address; its port is that of all the pool.
                self._master = self.endpoint.beside(exc.params[0])
                ref = self._login()
            self._secrets += (ref,)
            self._ref = ref
            self._generation += 1

    def pool_addresses(self) -> List[str]:
        """Return the hosts that may be shown this session: those of the pool, by address."""
        records = self.call("host.get_all_records")
        return [self.endpoint.host, self._master.host] + [
            str(record.get("address", "")) for record in records.values()]

    def scrub(self, text: str) -> str:
        """Take every reference this session ever had out of a text."""
        for secret in self._secrets:
            text = text.replace(secret, "<session>")
        return text

    def _login(self) -> str:
        doing = f"logging in to {self._master} as {self.settings.username!r}"
        return str(self._rpc("session.login_with_password", (
            self.settings.username, self.settings.password, _API_VERSION,
            self.settings.originator), self.settings.read_timeout, doing))

    def _rpc(self, method: str, args: Tuple[Any, ...], timeout: float,
             doing: Optional[str] = None) -> Any:
        try:
            return rpc.call(self._master, self.settings, method, args, timeout,
                            doing or f"XAPI's {method}", self.scrub)
        except exceptions.XapiUnreachable:
            # Another host may be made the master; the next call asks the configured one which.
            self._master = self.endpoint
            raise
