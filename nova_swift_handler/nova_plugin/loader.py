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

"""Make Nova's ``get_image_handler`` find our handler; stock names stay Nova's own affair."""

from __future__ import annotations

import functools
import logging
from typing import Any, Callable

from stevedore import driver

from nova_swift_handler.conf import settings
from nova_swift_handler.exceptions import ConfigError
from nova_swift_handler.nova_plugin import choice, failed_boots

LOG = logging.getLogger(__name__)

NAMESPACE = "nova.virt.xenapi.image_handlers"
_MARK = "_nova_swift_handler"


def install(utils: Any, in_use: Callable[[], None]) -> None:
    """Wrap ``get_image_handler`` of *utils*; doing so again changes nothing.

    :param utils: the module ``nova.virt.xenapi.image.utils``, through whose attribute Nova's
        VMOps calls the function.
    :param in_use: called whenever a handler is asked for.
    """
    original = utils.get_image_handler
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def get_image_handler(handler_name: str) -> Any:
        in_use()
        if handler_name == choice.NAME:
            tell_problems()
            failed_boots.repair()
            return load(handler_name)
        return original(handler_name)

    setattr(get_image_handler, _MARK, True)
    utils.get_image_handler = get_image_handler


def load(name: str) -> Any:
    """Return a new instance of the handler called *name*.

    :raises stevedore.exception.NoMatches: no installed package offers that name.
    :raises Exception: whatever importing or building the handler raised.
    """
    LOG.debug("Loading image handler %s from %s", name, NAMESPACE)
    manager: Any = driver.DriverManager(NAMESPACE, name, invoke_on_load=True,
                                   on_load_failure_callback=_raise)
    return manager.driver


def tell_problems() -> None:
    """Log what is missing in the configuration now, rather than with the first snapshot."""
    import nova.conf

    problems = []
    for part in (settings.credentials, settings.store, settings.transfer, settings.xapi,
                 settings.glance):
        try:
            part(nova.conf.CONF)
        except ConfigError as error:
            problems.append(str(error))
    for problem in dict.fromkeys(problems):
        LOG.error("Snapshots and boots will fail until this is put right: %s", problem)


def _raise(_manager: Any, _entry_point: Any, error: BaseException) -> None:
    # stevedore would log it and then say "no matches", hiding the reason.
    raise error
