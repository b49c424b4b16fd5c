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

"""One host of a pool: where it listens, and which records are it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.plugins.runner import Plugins
from nova_swift_handler.sandbox.xapi.services.dom0_network import Dom0Network

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


class Host:
    """``ref``, ``dom0``, ``metrics``: refs of this host's records; ``url``: where clients go.

    ``secure_url``: where other hosts send clients that ask here for a disk they cannot see; the
    one with TLS, if the host speaks TLS.
    """

    def __init__(self, pool: Pool, ref: str, address: str, url: str, secure_url: str):
        self._pool = pool
        self.ref = ref
        self.address = address
        self.url = url
        self.secure_url = secure_url
        self.dom0: str = pool.db.get("host", ref, "control_domain")
        self.metrics: str = pool.db.get("host", ref, "metrics")
        self.network = Dom0Network()
        self.plugins = Plugins(pool, self)

    @property
    def is_master(self) -> bool:
        return self.ref == self._pool.master.ref

    def sees(self, sr: str) -> bool:
        """Whether one of the host's PBDs has the SR attached."""
        db = self._pool.db
        with db.lock:
            pbds = [db.record("PBD", pbd) for pbd in db.referrers("PBD", "host", self.ref)]
        return any(pbd["SR"] == sr and pbd["currently_attached"] for pbd in pbds)

    def describe(self) -> Dict[str, Any]:
        """The host in the READY line; its own SR is the one it was installed with."""
        db = self._pool.db
        srs = [db.record("SR", db.get("PBD", pbd, "SR"))
               for pbd in db.referrers("PBD", "host", self.ref)]
        own = next(sr for sr in srs if sr["type"] != "iso")
        return {
            "url": self.url, "secure_url": self.secure_url, "address": self.address,
            "name": db.get("host", self.ref, "name_label"),
            "host_uuid": db.get("host", self.ref, "uuid"), "sr_uuid": own["uuid"],
            "sr_type": own["type"],
            "iso_sr_uuid": next((sr["uuid"] for sr in srs if sr["type"] == "iso"), None),
        }
