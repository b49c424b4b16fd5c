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
from typing import TYPE_CHECKING, Any

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.values import now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host


class Sessions:
    def __init__(self, host: Host):
        self._host = host

    def login(self, user: Any, password: Any, originator: str = "") -> str:
        """Return the ref of a new session.  Raises SESSION_AUTHENTICATION_FAILED."""
        fault = self._host.faults.strike("login_fail")
        if fault:
            raise ApiError(fault["code"], *fault["params"])
        if not self.password_is(user, password):
            raise ApiError("SESSION_AUTHENTICATION_FAILED", user, "Authentication failure")
        return self._host.db.insert("session", {
            "this_host": self._host.ref, "last_active": now(), "validation_time": now(),
            "auth_user_name": user, "originator": originator,
        })

    def password_is(self, user: Any, password: Any) -> bool:
        settings = self._host.settings
        return (
            isinstance(user, str) and isinstance(password, str) and user == settings.username
            and hmac.compare_digest(password.encode("utf-8"), settings.password.encode("utf-8"))
        )

    def check(self, ref: Any) -> None:
        """Note that the session is used.  Raises SESSION_INVALID."""
        with self._host.db.lock:
            if not isinstance(ref, str) or not self._host.db.exists("session", ref):
                raise ApiError("SESSION_INVALID", ref)
            self._host.db.update("session", ref, last_active=now())

    def logout(self, ref: str) -> None:
        self._host.db.delete("session", ref)

    def expire_all(self) -> int:
        """End every session, as an idle limit or a restart does; returns how many there were."""
        with self._host.db.lock:
            refs = self._host.db.refs("session")
            for ref in refs:
                self._host.db.delete("session", ref)
        return len(refs)
