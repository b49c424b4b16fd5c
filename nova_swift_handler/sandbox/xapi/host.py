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

"""One simulated host: its records, its storage, and the services that work on them."""

from __future__ import annotations

import collections
import logging
import os
from typing import Any, Deque, Dict

from nova_swift_handler.sandbox.xapi import first_start
from nova_swift_handler.sandbox.xapi.faults import Faults
from nova_swift_handler.sandbox.xapi.records.database import Database
from nova_swift_handler.sandbox.xapi.records.store import Store
from nova_swift_handler.sandbox.xapi.rpc.values import now
from nova_swift_handler.sandbox.xapi.services.attachments import Attachments
from nova_swift_handler.sandbox.xapi.services.collector import Collector
from nova_swift_handler.sandbox.xapi.services.disks import Disks
from nova_swift_handler.sandbox.xapi.services.dom0_network import Dom0Network
from nova_swift_handler.sandbox.xapi.services.power import Power
from nova_swift_handler.sandbox.xapi.services.sessions import Sessions
from nova_swift_handler.sandbox.xapi.services.tasks import Tasks
from nova_swift_handler.sandbox.xapi.settings import Settings

LOG = logging.getLogger(__name__)


class Host:
    """``ref``, ``dom0``, ``metrics``: refs of the records of this very host."""

    def __init__(self, settings: Settings):
        """Make the host below ``settings.root``, or bring back the one that is there."""
        os.makedirs(settings.root, exist_ok=True)
        self.settings = settings
        self.db = Database(Store(settings.database_path))
        self.faults = Faults()
        self.disks = Disks(self)
        self.attachments = Attachments(self)
        self.power = Power(self)
        self.sessions = Sessions(self)
        self.tasks = Tasks(self)
        self.network = Dom0Network()
        #: Methods called, newest last; for tests.
        self.calls: Deque[str] = collections.deque(maxlen=20000)
        fresh = not self.db.refs("pool")
        if fresh:
            first_start.create(self)
        self.ref = self.db.get("pool", self.pool, "master")
        self.dom0 = self.db.get("host", self.ref, "control_domain")
        self.metrics = self.db.get("host", self.ref, "metrics")
        self.collector = Collector(self)
        self._open_storage()
        if not fresh:
            self._resume()

    @property
    def pool(self) -> str:
        return self.db.refs("pool")[0]

    @property
    def default_sr(self) -> str:
        return self.db.get("pool", self.pool, "default_SR")

    def describe(self) -> Dict[str, Any]:
        """What an outside client needs to know: the READY line."""
        srs = {self.db.get("SR", ref, "type"): self.db.get("SR", ref, "uuid")
               for ref in reversed(self.db.refs("SR"))}
        return {
            "url": self.settings.url, "pid": os.getpid(),
            "host_uuid": self.db.get("host", self.ref, "uuid"),
            "sr_uuid": self.db.get("SR", self.default_sr, "uuid"),
            "iso_sr_uuid": srs.get("iso"),
        }

    def next_domid(self) -> int:
        with self.db.lock:
            return 1 + max(self.db.get("VM", vm, "domid") for vm in self.db.refs("VM"))

    def _open_storage(self) -> None:
        for pbd in self.db.refs("PBD"):
            if self.db.get("PBD", pbd, "currently_attached"):
                sr = self.db.get("PBD", pbd, "SR")
                self.disks.open(sr, self.db.get("SR", sr, "physical_size"))
                self.disks.refresh_sr(sr)

    def _resume(self) -> None:
        """A restart of the toolstack: guests go on, transfers and their tasks do not."""
        self.db.update("host", self.ref, address=self.settings.address)
        for pif in self.db.refs("PIF"):
            self.db.update("PIF", pif, IP=self.settings.address)
        for task in self.db.refs("task"):
            if self.tasks.is_pending(task):
                self.db.update("task", task, status="cancelled", finished=now(), progress=1.0,
                               allowed_operations=[])
        for vm in self.db.refs("VM"):
            self.db.update("VM", vm, current_operations={})
        for sr in self.db.refs("SR"):
            self.db.update("SR", sr, current_operations={})
        self.attachments.resume()
        for sr in self.disks.open_srs:
            self.disks.follow_collector(sr)
        LOG.info("brought back the host kept in %s", self.settings.root)

    def start(self) -> None:
        self.collector.start()
        if self.settings.gc_interval is not None:
            self.collector.background(self.settings.gc_interval)

    def close(self) -> None:
        """Stop working; what was done stays on disk."""
        self.faults.clear()
        self.collector.stop()
        self.attachments.close()
        self.disks.close()
        self.db.close()
