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

"""Repairs of os_xenapi 0.3.4, its last release, each applied only where it is found broken.

A repair is a module with a ``NAME``, ``is_broken()``, which tries the part in question and looks
at what it does, and ``apply()``.
"""

from __future__ import annotations

import logging
from typing import Any, List

from nova_swift_handler.nova_plugin.repairs import pipes, plugin_calls, urls

LOG = logging.getLogger(__name__)


def apply_all(conf: Any) -> List[str]:
    """Repair what is broken; return the names of the repairs in force.

    A repair that fails is logged and left out; the others are still tried.

    :param conf: parsed or not, with the options of [swift_vhd] registered.
    """
    pipes.only_if(lambda: bool(conf.swift_vhd.repair_os_xenapi_pipes))
    for repair in (plugin_calls, urls, pipes):
        try:
            if repair.is_broken():
                repair.apply()
        except Exception:
            LOG.exception("os_xenapi could not be repaired: %s", repair.NAME)
    return [repair.NAME for repair in (plugin_calls, urls, pipes) if repair.in_force()]
