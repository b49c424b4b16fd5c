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

"""The one act that makes an unmodified Nova able to use the handler."""

from __future__ import annotations

import logging
from typing import Any, List

from nova_swift_handler.nova_plugin import choice, loader, repairs

LOG = logging.getLogger(__name__)

_announced = False


def enable(only_if_configured: bool = False) -> bool:
    """Make ``swift_vhd`` a possible image handler of the Nova in this process.

    Adds the name to the option's choices, makes ``get_image_handler`` know it, registers the
    options of [swift_vhd] and repairs os_xenapi where it is broken.  May be called any number of
    times, before or after the configuration was parsed, but before the driver is built.  Never
    raises: what goes wrong is logged.

    :param only_if_configured: leave Nova itself as it is when the configuration, which must have
        been parsed, names another handler; os_xenapi is repaired all the same.
    :returns: whether ``swift_vhd`` can be used.
    """
    try:
        return _enable(only_if_configured)
    except Exception:  # nothing of ours may keep nova-compute from starting
        LOG.exception("The image handler swift_vhd could not be made known to Nova; with "
                      "[xenserver] image_handler = swift_vhd nova-compute will not start. "
                      "Other handlers are not affected.")
        return False


def _enable(only_if_configured: bool) -> bool:
    import nova.conf
    from nova.conf import xenserver

    from nova_swift_handler.conf import opts

    conf = nova.conf.CONF
    opts.register(conf)
    repaired = repairs.apply_all(conf)
    option = choice.find_option(xenserver.ALL_XENSERVER_OPTS)
    if option is None:
        LOG.warning("This Nova (%s) has no option [xenserver] image_handler: it came with Nova "
                    "18 (Rocky). swift_vhd cannot be used; nothing of Nova was changed.",
                    _nova_version())
        return False
    if only_if_configured and not choice.is_configured(conf):
        _announce("not configured, Nova left as it is", repaired)
        return False
    from nova.virt.xenapi.image import utils

    def announce() -> None:
        _announce("ready for [xenserver] image_handler", repaired)

    choice.allow(option)
    loader.install(utils, announce)
    announce()
    return True


def _announce(state: str, repaired: List[str]) -> None:
    """Log one line, once; not before logging is set up, since an explicit call may be early."""
    global _announced
    if _announced or not LOG.isEnabledFor(logging.INFO):
        return
    _announced = True
    LOG.info("nova-swift-handler: swift_vhd is %s; repairs of os_xenapi: %s.", state,
             ", ".join(repaired) or "none needed")


def _nova_version() -> Any:
    from nova import version

    return version.version_string()
