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

"""A configuration made of text."""

import pytest
from oslo_config import cfg

COMPLETE = {
    "xenserver": {"connection_url": "https://192.0.2.10", "connection_password": "host's"},
    "swift_vhd": {
        "auth_type": "password", "auth_url": "http://keystone:5000/v3", "username": "swift_vhd",
        "password": "sesame", "project_name": "service", "user_domain_name": "Default",
        "project_domain_name": "Default"},
}


@pytest.fixture
def conf(tmp_path):
    """Return a function that makes a parsed configuration.

    It takes sections as keyword arguments: dictionaries that are laid over a complete
    configuration; None as a value leaves an option out.
    """

    def make(**sections):
        lines = []
        for section in {**COMPLETE, **sections}:
            lines.append("[%s]" % section)
            options = {**COMPLETE.get(section, {}), **sections.get(section, {})}
            lines += ["%s = %s" % item for item in options.items() if item[1] is not None]
        path = tmp_path / "nova.conf"
        path.write_text("\n".join(lines))
        parsed = cfg.ConfigOpts()
        parsed(["--config-file", str(path)], project="nova")
        return parsed

    return make
