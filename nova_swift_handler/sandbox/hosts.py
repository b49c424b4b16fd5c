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

"""The simulated XAPI hosts: one process a pool, which keeps its state on disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List, Sequence

from nova_swift_handler.sandbox import ini, nova
from nova_swift_handler.sandbox.plan import Host
from nova_swift_handler.sandbox.service import Service

_SHARED_SR = "nfs"


def service(directory: Path, pool: Sequence[Host], port: int) -> Service:
    """Return the process of a pool's hosts, after writing their password to a file.

    :param pool: its hosts, the master first; the SRs all have the master's size.
    """
    host = pool[0]
    password = ini.write_text(directory / "password", nova.XAPI_PASSWORD)
    slaves: List[str] = []
    for slave in pool[1:]:
        slaves += ["--slave", f"{slave.address},{slave.sr_type},xenserver-{slave.name}"]
    if slaves:
        slaves += ["--shared-sr", _SHARED_SR]
    return Service(
        host.xapi,
        [sys.executable, "-m", "nova_swift_handler.sandbox.xapi",
         "--root", str(directory / "state"), "--listen", f"{host.address}:{port}",
         "--sr-type", host.sr_type, "--sr-size", str(host.sr_size), "--iso-sr",
         "--host-name", f"xenserver-{host.name}", "--password-file", str(password),
         *slaves],
        keep_output=True)
