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
    from nova_swift_handler.sandbox.xapi.host import Host


class Session:
    def __init__(self, host: Host):
        self._host = host

    def login_with_password(
        self, _call: Call, uname: str, pwd: str, version: str = "", originator: str = "",
    ) -> str:
        """``version`` is accepted and ignored, as XAPI does."""
        return self._host.sessions.login(uname, pwd, originator)

    def slave_local_login_with_password(self, _call: Call, uname: str, pwd: str) -> str:
        return self._host.sessions.login(uname, pwd)

    def logout(self, call: Call) -> None:
        self._host.sessions.logout(call.session)

    def local_logout(self, call: Call) -> None:
        self._host.sessions.logout(call.session)
