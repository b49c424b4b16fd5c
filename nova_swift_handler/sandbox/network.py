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

"""A network service without networks.

Nova asks Neutron for an instance's ports when it shows or deletes it, also when it has none.  This
one answers as a Neutron in which nothing was ever made.
"""

from __future__ import annotations

import sys

from nova_swift_handler.sandbox import scripts
from nova_swift_handler.sandbox.ports import LOOPBACK
from nova_swift_handler.sandbox.service import Service

NAME = "network"


def service(port: int) -> Service:
    """Return its process."""
    return Service(NAME, [sys.executable, str(scripts.DIRECTORY / "empty_network.py"), LOOPBACK,
                          str(port)])
