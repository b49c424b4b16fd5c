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

"""All options of this package: for registration, and for oslo-config-generator."""

from __future__ import annotations

from typing import List, Tuple

from oslo_config import cfg

from nova_swift_handler.conf import (
    auth,
    base,
    glance,
    monitor,
    nova,
    repair,
    store,
    transfer,
    xapi,
)


def own() -> List[cfg.Opt]:
    """Return the options that are this package's own, not keystoneauth's."""
    return [*store.OPTS, *transfer.OPTS, *glance.OPTS, *xapi.OPTS, *monitor.OPTS, *repair.OPTS]


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options with *conf*; doing so again changes nothing."""
    conf.register_group(base.opt_group())
    conf.register_opts(own(), group=base.GROUP)
    conf.register_opts(auth.options(), group=base.GROUP)
    nova.register(conf)


def list_opts() -> List[Tuple[cfg.OptGroup, List[cfg.Opt]]]:
    """Return the options for a configuration sample (entry point ``oslo.config.opts``)."""
    return [(base.opt_group(), [*own(), *auth.sample_options()])]
