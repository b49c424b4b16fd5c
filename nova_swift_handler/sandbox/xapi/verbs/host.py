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

"""host: plugins, memory, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict

from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.values import DateTime, now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class HostVerbs:
    sync_only = ("compute_memory_overhead", "get_servertime")

    def __init__(self, pool: Pool):
        self._pool = pool

    def call_plugin(
        self, _call: Call, host: str, plugin: str, fn: str, args: Dict[str, str],
    ) -> str:
        return self._pool.host(host).plugins.call(plugin, fn, args)

    def compute_free_memory(self, _call: Call, host: str) -> int:
        """Bytes."""
        return self._pool.power.free_memory(self._pool.host(host))

    def compute_memory_overhead(self, _call: Call, host: str) -> int:
        """Bytes."""
        overhead: int = self._pool.db.get("host", host, "memory_overhead")
        return overhead

    def get_servertime(self, _call: Call, host: str) -> DateTime:
        self._pool.db.record("host", host)
        return now()

    def enable(self, _call: Call, host: str) -> None:
        self._pool.db.update("host", host, enabled=True)

    def disable(self, _call: Call, host: str) -> None:
        self._pool.db.update("host", host, enabled=False)
