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

from nova_swift_handler.sandbox.xapi.plugins.runner import Plugins
from nova_swift_handler.sandbox.xapi.rpc.call import Call
from nova_swift_handler.sandbox.xapi.rpc.values import DateTime, now

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host


class HostVerbs:
    def __init__(self, host: Host):
        self._host = host
        self._plugins = Plugins(host)

    def call_plugin(
        self, _call: Call, host: str, plugin: str, fn: str, args: Dict[str, str],
    ) -> str:
        self._host.db.record("host", host)
        return self._plugins.call(plugin, fn, args)

    def compute_free_memory(self, _call: Call, host: str) -> int:
        """Bytes."""
        self._host.db.record("host", host)
        return self._host.power.free_memory()

    def compute_memory_overhead(self, _call: Call, host: str) -> int:
        """Bytes."""
        overhead: int = self._host.db.get("host", host, "memory_overhead")
        return overhead

    def get_servertime(self, _call: Call, host: str) -> DateTime:
        self._host.db.record("host", host)
        return now()

    def enable(self, _call: Call, host: str) -> None:
        self._host.db.update("host", host, enabled=True)

    def disable(self, _call: Call, host: str) -> None:
        self._host.db.update("host", host, enabled=False)
