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

"""Configuration errors worded so that the line to write is in the message."""

from __future__ import annotations

from nova_swift_handler.exceptions import ConfigError


def missing(section: str, option: str, example: str) -> ConfigError:
    """Return an error for an option that is not set; *example* is a value it could have."""
    return ConfigError(
        f"Reading the configuration: option '{option}' in section [{section}] is not set. "
        f"Add it to that section of nova-compute's configuration (/etc/nova/nova-compute.conf, or "
        f"what --config-file names), for example: {option} = {example}")


def wrong(section: str, option: str, value: object, reason: str, example: str) -> ConfigError:
    """Return an error for an option whose *value* cannot be used."""
    return ConfigError(
        f"Reading the configuration: option '{option}' in section [{section}] is '{value}': "
        f"{reason}. A value that works looks like: {option} = {example}")


def unreadable(section: str, option: str, reason: str) -> ConfigError:
    """Return an error for an option whose value oslo.config itself refuses."""
    return ConfigError(
        f"Reading the configuration: option '{option}' in section [{section}] cannot be used: "
        f"{reason}. Correct that line, or remove it for the default.")
