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

"""Make ``swift_vhd`` a value that [xenserver] image_handler may have.

Nova 18 to 21 list the three stock names as the option's only choices; any other one fails when
the option is first read, in ``nova.virt.xenapi.vmops.VMOps.__init__``.
"""

from __future__ import annotations

from typing import Any, Iterable, Optional

OPTION = "image_handler"
SECTION = "xenserver"
NAME = "swift_vhd"

_HELP = ("This plugin streams VHDs between XenServer and Swift. It works for all SR types. "
         "It comes with the package nova-swift-handler.")


def find_option(options: Iterable[Any]) -> Optional[Any]:
    """Return the option among *options*, or None: Nova before 18 (Rocky) has none."""
    for option in options:
        if option.name == OPTION:
            return option
    return None


def allow(option: Any) -> None:
    """Add our name to the choices of *option*; doing so again changes nothing.

    The registered object itself is changed, so it does not matter whether the configuration has
    been parsed already, and a reload keeps it.
    """
    choices = option.type.choices
    if choices is None or NAME in choices:
        return
    if hasattr(choices, "keys"):
        choices[NAME] = _HELP  # oslo.config from 5.3 on
    else:
        option.type.choices = [*choices, NAME]


def is_configured(conf: Any) -> bool:
    """Return whether our name is what *conf*, once parsed, says.

    Before :func:`allow` was called oslo.config refuses to tell any name but the stock ones.
    """
    try:
        return bool(conf[SECTION][OPTION] == NAME)
    except ValueError as exc:  # ConfigFileValueError is one
        return NAME in str(exc)
