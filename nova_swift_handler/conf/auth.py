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

"""The service account: keystoneauth's options, in the section [swift_vhd] like all others."""

from __future__ import annotations

from typing import List

from keystoneauth1 import loading
from oslo_config import cfg

# Of keystoneauth's session and adapter options, those this package honours.
_SESSION = ("cafile", "certfile", "keyfile", "insecure", "timeout")
_ADAPTER = ("region_name", "valid_interfaces")

# Shown in the generated sample; the full list depends on auth_type.
_SAMPLE_PLUGIN = "password"

ENDPOINT_OVERRIDE = cfg.StrOpt(
    "endpoint_override",
    help="""
Swift account address to use instead of the one in the service catalog, for example
``http://swift:8080/v1/AUTH_0123456789abcdef``.
""",
)


def options() -> List[cfg.Opt]:
    """Return the options that do not depend on the authentication type."""
    session = [opt for opt in loading.get_session_conf_options() if opt.dest in _SESSION]
    adapter = [opt for opt in loading.get_adapter_conf_options(include_deprecated=False)
               if opt.dest in _ADAPTER]
    return [*loading.get_auth_common_conf_options(), *session, *adapter, ENDPOINT_OVERRIDE]


def sample_options() -> List[cfg.Opt]:
    """Return the options to show in a sample: those above, and those of ``password``."""
    common = options()
    names = {opt.dest for opt in common}
    plugin = loading.get_auth_plugin_conf_options(_SAMPLE_PLUGIN)
    return common + [opt for opt in plugin if opt.dest not in names]
