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

"""How one simulated host is set up; read once, at its start."""

from __future__ import annotations

import dataclasses
import os
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Settings:
    """``root``: the directory everything is kept below; ``sr_size``: bytes.

    ``tls_certificate``, ``tls_key``: PEM files; with them the host speaks TLS only, without them
    none.  ``gc_interval``: seconds between two rounds of the background collector, None for a
    collector that works on demand only.  ``gc_pause``: seconds the collector waits when SR.scan
    or VDI.destroy kicks it (SM waits 300 once a boot).  ``stop_with_stdin``: the process ends
    when its standard input does.
    """

    root: str
    address: str = "127.0.0.1"
    port: int = 0
    sr_type: str = "ext"
    sr_size: int = 100 << 30
    iso_sr: bool = False
    host_name: str = "xenserver"
    username: str = "root"
    password: str = ""
    tls_certificate: Optional[str] = None
    tls_key: Optional[str] = None
    gc_interval: Optional[float] = None
    gc_pause: float = 0.0
    stop_with_stdin: bool = False

    @property
    def url(self) -> str:
        scheme = "https" if self.tls_certificate else "http"
        return "%s://%s:%d" % (scheme, self.address, self.port)

    @property
    def database_path(self) -> str:
        return os.path.join(self.root, "xapi.db")

    def sr_path(self, sr_uuid: str) -> str:
        return os.path.join(self.root, "sr", sr_uuid)
