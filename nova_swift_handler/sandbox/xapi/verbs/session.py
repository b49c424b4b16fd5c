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

"""session: logging in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Session:
    sync_only = (
        "login_with_password", "slave_local_login_with_password", "local_logout", "logout",
        "change_password")

    def __init__(self, pool: Pool):
        self._pool = pool

    def login_with_password(
        self, call: Call, uname: str, pwd: str, version: str = "", originator: str = "",
    ) -> str:
        """``version`` is accepted and ignored, as XAPI does."""
        return self._pool.sessions.login(call.host, uname, pwd, originator)

    def slave_local_login_with_password(self, call: Call, uname: str, pwd: str) -> str:
        return self._pool.sessions.login_locally(call.host, uname, pwd)

    def logout(self, call: Call) -> None:
        self._pool.sessions.logout(call.session)

    def local_logout(self, call: Call) -> None:
        self._pool.sessions.logout(call.session)
