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

"""Ports that nobody listens on.

A port counts as free when it can be bound *without* ``SO_REUSEPORT``: with it, two servers would
share the port and each get some of the other's connections.
"""

from __future__ import annotations

import random
import socket
from typing import Iterator, List

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that
# a port found free does not become somebody's client port before its service binds it.
FIRST, LAST = 20000, 32000


def is_free(port: int) -> bool:
    """Tell whether a server can listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _candidates() -> Iterator[int]:
    # Start anywhere: two sandboxes that start at the same moment hardly ever meet.
    first = random.randrange(FIRST, LAST)  # noqa: S311  (no secret)
    yield from range(first, LAST)
    yield from range(FIRST, first)


def find_free(count: int) -> List[int]:
    """Find that many free loopback ports.

    :raises OSError: there are not that many.
    """
    found: List[int] = []
    for port in _candidates():
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    if len(found) < count:
        raise OSError(f"fewer than {count} free ports between {FIRST} and {LAST}")
    return found
