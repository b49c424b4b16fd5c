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

"""Everything outside, as commands that store things reach it."""

from __future__ import annotations

import dataclasses
import socket

from nova_swift_handler.cli import base
from nova_swift_handler.transfer.jobs import Services


def of(command: base.Configured) -> Services:
    """Return how *command*'s configuration says that everything outside is reached.

    :raises ConfigError: an option is missing or wrong.
    """
    transfer = command.transfer_settings()
    # For connections whose library sets no limit, as requests before 2.32 for chunked bodies.
    socket.setdefaulttimeout(transfer.idle_timeout)
    return Services(credentials=command.credentials(), store=command.store_settings(),
                    transfer=transfer, glance=command.glance_settings())


def with_host(command: base.Configured) -> Services:
    """Return the same and the host, for commands that touch VDIs.

    :raises ConfigError: an option is missing or wrong.
    """
    return dataclasses.replace(of(command), xapi=command.xapi_settings())
