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

"""Logins: sessions live in memory only, so a restart of the host ends them all."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.database import new_ref
from nova_swift_handler.sandbox.xapi.rpc.values import now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Sessions:
    def __init__(self, pool: Pool):
        self._pool = pool
        #: Sessions of one host alone, by ref: the ref of the host.
        self._local: Dict[str, str] = {}

    def login(self, host: Host, user: Any, password: Any, originator: str = "") -> str:
        """Return the ref of a new session of the pool.

        Raises HOST_IS_SLAVE (before the password is looked at), SESSION_AUTHENTICATION_FAILED.
        """
        self._check_master(host)
        self._authenticate(user, password)
        return self._pool.db.insert("session", {
            "this_host": host.ref, "last_active": now(), "validation_time": now(),
            "auth_user_name": user, "originator": originator,
        })

    def login_locally(self, host: Host, user: Any, password: Any) -> str:
        """A session that is good on this host only, a slave too.

        Raises SESSION_AUTHENTICATION_FAILED.
        """
        self._authenticate(user, password)
        ref = new_ref()
        self._local[ref] = host.ref
        return ref

    def _check_master(self, host: Host) -> None:
        if not host.is_master:
            raise ApiError("HOST_IS_SLAVE", self._pool.master.address)

    def _authenticate(self, user: Any, password: Any) -> None:
        fault = self._pool.faults.strike("login_fail")
        if fault:
            raise ApiError(fault["code"], *fault["params"])
        if not self.password_is(user, password):
            raise ApiError("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure")

    def password_is(self, user: Any, password: Any) -> bool:
        settings = self._pool.settings
        return (
            isinstance(user, str) and isinstance(password, str) and user == settings.username
            and hmac.compare_digest(password.encode("utf-8"), settings.password.encode("utf-8"))
        )

    def check(self, ref: Any, host: Optional[Host] = None) -> None:
        """Note that the session is used, for a call that ``host`` got.

        Disks' data are asked from any host, so they are asked for without one.  Raises
        SESSION_INVALID, HOST_IS_SLAVE.
        """
        with self._pool.db.lock:
            if host is not None and self._local.get(ref) == host.ref:
                return
            if not isinstance(ref, str) or not self._pool.db.exists("session", ref):
                raise ApiError("SESSION_INVALID", ref)
            if host is not None:
                self._check_master(host)
            self._pool.db.update("session", ref, last_active=now())

    def check_quietly(self, ref: str) -> None:
        """Whether a session is still good, without using it.  Raises SESSION_INVALID."""
        if ref not in self._local and not self._pool.db.exists("session", ref):
            raise ApiError("SESSION_INVALID", ref)

    def logout(self, ref: str) -> None:
        if self._local.pop(ref, None) is not None:
            return
        self._pool.db.delete("session", ref)

    def all(self) -> List[str]:
        """Return the refs of all sessions of the pool that are good."""
        return list(self._pool.db.refs("session"))

    def expire_all(self) -> int:
        """End every session, as an idle limit or a restart does; returns how many there were."""
        with self._pool.db.lock:
            self._local.clear()
            refs = self._pool.db.refs("session")
            for ref in refs:
                self._pool.db.delete("session", ref)
        return len(refs)
