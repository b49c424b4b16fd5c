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

"""Nova's plugin that says how new Nova's plugins are."""

from __future__ import annotations

from typing import Any, Callable, Dict

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin

#: What os_xenapi 0.3.4, the last release, ships and asks for.
VERSION = "2.1"


class Dom0PluginVersion(Plugin):
    def serialized(self) -> Dict[str, Callable[..., Any]]:
        return {"get_version": lambda: VERSION}
