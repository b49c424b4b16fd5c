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

"""Nova's plugin for the host: what it is made of, its uptime, its devices, its network."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin, PluginError, required
from nova_swift_handler.sandbox.xapi.services.dom0_network import CommandFailed

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool

_NUMBERS = ("cpu_count", "family", "model", "stepping")


class XenHost(Plugin):
    def __init__(self, pool: Pool, host: Host):
        super().__init__(pool, host)
        self._started = time.monotonic()
        self._config: Dict[str, Any] = {}

    def plain(self) -> Dict[str, Callable[[Mapping[str, str]], str]]:
        return {
            "host_data": self._host_data, "host_uptime": self._host_uptime,
            "set_host_enabled": self._set_host_enabled, "get_config": self._get_config,
            "set_config": self._set_config,
        }

    def serialized(self) -> Dict[str, Callable[..., Any]]:
        return {
            "network_config": self._network_config,
            "get_pci_device_details": lambda: "",
            "get_pci_type": lambda pci_device: "type-PCI",
            "query_gc": lambda sr_uuid, vdi_uuid: False,
        }

    def _host_data(self, _args: Mapping[str, str]) -> str:
        """As the plugin reports what ``xe host-param-list`` prints; memory in bytes."""
        record = self.pool.db.record("host", self.host.ref)
        total = self.pool.db.get("host_metrics", self.host.metrics, "memory_total")
        free = self.pool.power.free_memory(self.host)
        return json.dumps({
            "enabled": record["enabled"],
            "host_memory": {"total": total, "overhead": record["memory_overhead"],
                            "free": free, "free-computed": free},
            "host_uuid": record["uuid"], "host_name-label": record["name_label"],
            "host_name-description": record["name_description"],
            "host_hostname": record["hostname"], "host_ip_address": record["address"],
            "host_other-config": record["other_config"],
            "host_capabilities": record["capabilities"],
            "host_cpu_info": {key: int(value) if key in _NUMBERS else value
                              for key, value in record["cpu_info"].items()},
            **self._config,
        })

    def _host_uptime(self, _args: Mapping[str, str]) -> str:
        minutes = int(time.monotonic() - self._started) // 60
        return json.dumps({"uptime": " %s up %d min,  0 users,  load average: 0.00, 0.00, 0.00" % (
            time.strftime("%H:%M:%S"), minutes)})

    def _set_host_enabled(self, args: Mapping[str, str]) -> str:
        enabled = required(args, "enabled")
        if enabled not in ("true", "false"):
            raise PluginError("Illegal enabled status: %s" % enabled)
        self.pool.db.update("host", self.host.ref, enabled=enabled == "true")
        return json.dumps({"status": "enabled" if enabled == "true" else "disabled"})

    def _get_config(self, args: Mapping[str, str]) -> str:
        value = self._config.get(json.loads(required(args, "params"))["key"])
        return json.dumps("None" if value is None else value)

    def _set_config(self, args: Mapping[str, str]) -> str:
        params = json.loads(required(args, "params"))
        if params["value"] is None:
            self._config.pop(params["key"], None)
        else:
            self._config[params["key"]] = params["value"]
        return json.dumps(None)

    def _network_config(self, args: Mapping[str, Any]) -> str:
        command = required(args, "cmd")
        if command not in self.host.network.commands():
            raise PluginError("Dom0 execution of '%s' is not permitted" % command)
        try:
            return self.host.network.run(command, required(args, "args"))
        except CommandFailed as exc:
            raise PluginError(str(exc)) from exc
