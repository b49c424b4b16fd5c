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

"""Not a VIF plugin: a start-up hook that rides on ``os_vif.initialize()``.

nova-compute loads every entry point of the namespace ``os_vif`` after it has parsed its
configuration and before it builds its driver.  No other namespace is loaded by then without a
line of configuration, so this is where Nova comes to know us (reference: nova/cmd/compute.py of
Nova 18 to 21).  os_vif does not guard ``load()``: an error there would end nova-compute.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from os_vif import plugin
from os_vif.objects import host_info

from nova_swift_handler.nova_plugin import activation

LOG = logging.getLogger(__name__)

_DRIVERS = "xenapi."


class StartupHook(plugin.PluginBase):
    """Loads with the VIF plugins, plugs nothing."""

    @classmethod
    def load(cls, plugin_name: str) -> StartupHook:
        """Enable the handler if this process is a Nova with the XenAPI driver.

        Other users of os_vif, such as Neutron's agents, and computes with other drivers are left
        alone.
        """
        try:
            if _is_xenapi_compute():
                activation.enable(only_if_configured=True)
        except Exception:
            LOG.exception("nova-swift-handler could not look at Nova's configuration; it is not "
                          "enabled.")
        return cls(None)

    def describe(self) -> Any:
        """Return that no kind of VIF is supported."""
        return host_info.HostPluginInfo(plugin_name="nova_swift_handler", vif_info=[])

    def plug(self, vif: Any, instance_info: Any) -> None:
        """Do nothing; os_vif never chooses this plugin for a VIF."""

    def unplug(self, vif: Any, instance_info: Any) -> None:
        """Do nothing; os_vif never chooses this plugin for a VIF."""


def _is_xenapi_compute() -> bool:
    module = sys.modules.get("nova.conf")
    if module is None:
        return False
    return str(module.CONF.compute_driver or "").startswith(_DRIVERS)
