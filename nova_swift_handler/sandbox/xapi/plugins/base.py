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

"""What a dom0 plugin is: functions by name, run with the caller's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.host import Host
    from nova_swift_handler.sandbox.xapi.pool import Pool


class PluginError(Exception):
    """A plugin refuses; its class name and text reach the client."""


class Plugin:
    """``plain`` functions take a map of text and return text; ``serialized`` ones (Nova's
    register_plugin_calls) take any plain data as arguments and return any."""

    def __init__(self, pool: Pool, host: Host):
        self.pool = pool
        self.host = host

    def plain(self) -> Dict[str, Callable[[Mapping[str, str]], str]]:
        return {}

    def serialized(self) -> Dict[str, Callable[..., Any]]:
        return {}


def required(args: Mapping[str, Any], key: str) -> Any:
    if key not in args:
        raise ArgumentError("Argument %s is required." % key)
    return args[key]


class ArgumentError(PluginError):
    """An argument is missing."""
