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

"""How a simulated pool is set up; read once, at its start."""

from __future__ import annotations

import dataclasses
import os
from typing import Optional, Tuple

#: Types of SR one host has for itself, and types that hosts share.
LOCAL_SRS = ("ext", "lvm")
SHARED_SRS = ("nfs", "lvmoiscsi")


@dataclasses.dataclass(frozen=True)
class Member:
    """One host: the loopback address it serves at, its name, and the type of its own SR."""

    address: str = "127.0.0.1"
    name: str = "xenserver"
    sr_type: str = "ext"


@dataclasses.dataclass(frozen=True)
class Settings:
    """``root``: the directory everything is kept below; ``sr_size``: bytes.

    ``members``: the master, then its slaves; all listen on the same ``port``.  ``shared_sr``: type
    of an SR that all of them see, None for none.  ``tls_certificate``, ``tls_key``: PEM files;
    with them the hosts speak TLS, on ``tls_port`` besides plain HTTP on ``port``, or without a
    ``tls_port`` nothing but TLS.  ``gc_interval``: seconds between two rounds of the background
    collector, None for a collector that works on demand only.  ``gc_pause``: seconds the
    collector waits when SR.scan or VDI.destroy kicks it (SM waits 300 once a boot).
    ``stop_with_stdin``: the process ends when its standard input does.
    """

    root: str
    members: Tuple[Member, ...] = (Member(),)
    port: int = 0
    sr_size: int = 100 << 30
    iso_sr: bool = False
    shared_sr: Optional[str] = None
    username: str = "root"
    password: str = ""
    tls_certificate: Optional[str] = None
    tls_key: Optional[str] = None
    tls_port: Optional[int] = None
    gc_interval: Optional[float] = None
    gc_pause: float = 0.0
    stop_with_stdin: bool = False

    def url(self, address: str) -> str:
        """Where clients reach a host."""
        tls_only = self.tls_certificate and self.tls_port is None
        return "%s://%s:%d" % ("https" if tls_only else "http", address, self.port)

    def secure_url(self, address: str) -> str:
        """Where a redirect leads: XAPI's always lead to https, here where there is TLS."""
        if self.tls_port is not None:
            return "https://%s:%d" % (address, self.tls_port)
        return self.url(address)

    @property
    def database_path(self) -> str:
        return os.path.join(self.root, "xapi.db")

    def sr_path(self, sr_uuid: str) -> str:
        return os.path.join(self.root, "sr", sr_uuid)
