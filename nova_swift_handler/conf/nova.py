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

"""Options of Nova's own sections that this package reads."""

from __future__ import annotations

from oslo_config import cfg

# Inside nova-compute Nova has registered its own definitions of these.  Elsewhere, with the same
# nova.conf at hand, they are read by these ones; Nova need not be installed.
XENSERVER = "xenserver"
GLANCE = "glance"

_XENSERVER_OPTS = [
    cfg.StrOpt("connection_url"),
    cfg.StrOpt("connection_username", default="root"),
    cfg.StrOpt("connection_password", secret=True),
    cfg.StrOpt("default_os_type", default="linux"),
]
_GLANCE_OPTS = [
    cfg.ListOpt("api_servers"),
    cfg.StrOpt("endpoint_override"),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Make Nova's options readable in *conf*, keeping definitions that are there."""
    for group, opts in ((XENSERVER, _XENSERVER_OPTS), (GLANCE, _GLANCE_OPTS)):
        for opt in opts:
            if not _registered(conf, group, opt.dest):
                conf.register_opt(opt, group=group)


def _registered(conf: cfg.ConfigOpts, group: str, name: str) -> bool:
    return group in conf and name in conf[group]
