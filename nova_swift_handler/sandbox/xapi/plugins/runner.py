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

"""host.call_plugin: finding a plugin and reporting what becomes of it (XenAPIPlugin.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Mapping

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.plugins import (
    coalesce_leaf,
    config_file,
    console,
    dom0_plugin_version,
    migration,
    serialized,
    xenhost,
    xenstore,
)
from nova_swift_handler.sandbox.xapi.plugins.base import Plugin

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Plugins:
    """The plugins of one host's dom0."""

    def __init__(self, pool: Pool, host: Host):
        self._plugins: Dict[str, Plugin] = {
            "dom0_plugin_version.py": dom0_plugin_version.Dom0PluginVersion(pool, host),
            "xenhost.py": xenhost.XenHost(pool, host),
            "xenstore.py": xenstore.XenStore(pool, host),
            "console.py": console.Console(pool, host),
            "config_file.py": config_file.ConfigFile(pool, host),
            "migration.py": migration.Migration(pool, host),
            "coalesce-leaf": coalesce_leaf.CoalesceLeaf(pool, host),
        }

    def call(self, name: str, function: str, args: Mapping[str, str]) -> str:
        """Raises XENAPI_MISSING_PLUGIN and what XenAPIPlugin.dispatch reports."""
        if name not in self._plugins:
            raise ApiError("XENAPI_MISSING_PLUGIN", name)
        if not all(isinstance(text, str) for pair in args.items() for text in pair):
            raise ApiError("FIELD_TYPE_ERROR", "args")
        plugin = self._plugins[name]
        try:
            if function in plugin.serialized():
                params = serialized.loads(args["params"])
                return serialized.dumps(
                    plugin.serialized()[function](*params["args"], **params["kwargs"]))
            if function in plugin.plain():
                return plugin.plain()[function](args)
        except ApiError:
            raise
        except Exception as exc:
            raise ApiError(
                "XENAPI_PLUGIN_EXCEPTION", function, type(exc).__name__, str(exc)) from exc
        raise ApiError("UNKNOWN_XENAPI_PLUGIN_FUNCTION", function)
