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

"""secret: values a client wants kept out of other records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Secret:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, _call: Call, args: Dict[str, Any]) -> str:
        db = self._pool.db
        return db.insert("secret", db.schemas["secret"].from_client(args))

    def destroy(self, _call: Call, secret: str) -> None:
        self._pool.db.delete("secret", secret)
