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

"""Which transfers are under way on this machine, known without any file that could be left.

A transfer holds a socket in Linux's abstract namespace (unix(7)) that is named by its id; the
kernel takes the name away with the process, however that ends.  Containers of other network
namespaces do not see it: a transfer must be asked for where its nova-compute runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
from typing import Iterator


@contextlib.contextmanager
def announced(transfer_id: str) -> Iterator[None]:
    """Let others know that this transfer is under way as long as the context is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        held.bind(_name(transfer_id))
        yield


def is_alive(transfer_id: str) -> bool:
    """Tell whether a transfer is under way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_name(transfer_id))
        except ConnectionRefusedError:
            return False
    return True


def _name(transfer_id: str) -> bytes:
    # At most 107 bytes; the name of a nova-compute may be longer.
    digest = hashlib.sha256(transfer_id.encode("utf-8")).hexdigest()
    return b"\0nova-swift-handler/" + digest.encode("ascii")
