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

"""What this package is told in the sandbox: the section ``[swift_vhd]``."""

from __future__ import annotations

from typing import Dict

from nova_swift_handler.sandbox import glance, identity, ini
from nova_swift_handler.sandbox.plan import Plan


def options(plan: Plan, region: str) -> Dict[str, ini.Value]:
    """Return the section's options; the ``glance_store`` ones repeat glance-api.conf."""
    return {
        **identity.password_options(identity.HANDLER_USER, plan.keystone_url),
        "region_name": region,
        "container_prefix": plan.container_prefix,
        "glance_store_auth_address": plan.keystone_url,
        "glance_store_user": glance.store_user(),
        "glance_store_key": identity.GLANCE_STORE_USER.password,
    }
