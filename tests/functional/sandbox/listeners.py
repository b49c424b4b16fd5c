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

"""On which addresses processes listen, read from /proc."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Dict, Iterable, Set

_LISTEN = "0A"  # TCP state in /proc/net/tcp


def addresses(pids: Iterable[int]) -> Set[str]:
    """Return the addresses on which these processes listen for TCP."""
    by_inode = {**_sockets("tcp"), **_sockets("tcp6")}
    found = set()
    for pid in pids:
        for link in Path("/proc", str(pid), "fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in by_inode:
                found.add(by_inode[target[8:-1]])
    return found


def _sockets(kind: str) -> Dict[str, str]:
    listening = {}
    for line in Path("/proc/net", kind).read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN:
            listening[fields[9]] = _address(fields[1].split(":")[0])
    return listening


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    # Each 32-bit word is written in the machine's order, which is taken to be little-endian.
    words = [raw[at:at + 4][::-1] for at in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))
