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

"""network: bridges VIFs are plugged into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.rpc.call import Call

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Network:
    def __init__(self, pool: Pool):
        self._pool = pool

    def create(self, _call: Call, args: Dict[str, Any]) -> str:
        db = self._pool.db
        with db.lock:
            given = db.schemas["network"].from_client(args)
            if not given.get("bridge"):
                taken = {db.get("network", ref, "bridge") for ref in db.refs("network")}
                given["bridge"] = next(
                    name for name in ("xapi%d" % number for number in range(len(taken) + 1))
                    if name not in taken)
            return db.insert("network", given)

    def destroy(self, _call: Call, network: str) -> None:
        db = self._pool.db
        with db.lock:
            record = db.record("network", network)
            if record["VIFs"]:
                raise ApiError("NETWORK_CONTAINS_VIF", *record["VIFs"])
            if record["PIFs"]:
                raise ApiError("NETWORK_CONTAINS_PIF", *record["PIFs"])
            db.delete("network", network)
