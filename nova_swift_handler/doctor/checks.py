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

"""All checks, in the order in which a person would go through them."""

from __future__ import annotations

from nova_swift_handler.doctor import (
    clocks,
    destruction,
    glance,
    host,
    keystone,
    nova,
    options,
    swift,
)
from nova_swift_handler.doctor.check import Check

ALL = (
    Check("options", "options that can be used", options.usable),
    Check("options", "names of options", options.unknown),
    Check("options", "staging_dir", options.staging),
    Check("nova", "Nova's version", nova.version),
    Check("nova", "entry points", nova.entry_points),
    Check("nova", "[xenserver] image_handler as nova-compute has it", nova.in_use),
    Check("nova", "signatures of images", nova.signatures),
    Check("keystone", "login of the service account", keystone.login),
    Check("keystone", "roles of the service account", keystone.roles),
    Check("keystone", "who else is in the service account's project", keystone.others),
    Check("swift", "the service account's rights", swift.account),
    Check("swift", "key for TempURLs", swift.tempurl_key),
    Check("swift", "containers", swift.fixed),
    Check("swift", "containers of volumes", swift.volumes),
    Check("swift", "static large objects", swift.abilities, writes=True),
    Check("swift", "object expirer", swift.expirer),
    Check("glance", "Glance's API", glance.reached),
    Check("glance", "login of Glance's Swift user", glance.store_user),
    Check("glance", "what Glance's Swift user could destroy", destruction.tried, writes=True),
    Check("glance", "registration by location", glance.tried, writes=True),
    Check("glance", "Glance's image_size_cap", glance.size_cap),
    Check("xapi", "login to XAPI", host.login),
    Check("xapi", "the pool's default SR", host.default_sr),
    Check("xapi", "room on SRs", host.room),
    Check("xapi", "chains", host.chains),
    Check("clock", "clocks", clocks.skew),
)
