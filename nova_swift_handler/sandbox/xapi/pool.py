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

"""A simulated pool: its records, its storage, and the services that work on them.

One process serves all hosts of a pool, each at an address of its own, from one database: in a
real pool the slaves' database calls go to the master as well.
"""

from __future__ import annotations

import collections
import logging
import os
from typing import Any, Deque, Dict, Tuple

from nova_swift_handler.sandbox.xapi import first_start
from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.faults import Faults
from nova_swift_handler.sandbox.xapi.host import Host
from nova_swift_handler.sandbox.xapi.records.database import Database
from nova_swift_handler.sandbox.xapi.records.store import Store
from nova_swift_handler.sandbox.xapi.rpc.values import now
from nova_swift_handler.sandbox.xapi.services.attachments import Attachments
from nova_swift_handler.sandbox.xapi.services.collector import Collector
from nova_swift_handler.sandbox.xapi.services.copies import Copies
from nova_swift_handler.sandbox.xapi.services.disks import Disks
from nova_swift_handler.sandbox.xapi.services.events import Events
from nova_swift_handler.sandbox.xapi.services.power import Power
from nova_swift_handler.sandbox.xapi.services.sessions import Sessions
from nova_swift_handler.sandbox.xapi.services.tasks import Tasks
from nova_swift_handler.sandbox.xapi.services.tracking import Tracking
from nova_swift_handler.sandbox.xapi.services.vdi_rules import VdiRules
from nova_swift_handler.sandbox.xapi.services.vm_clones import VmClones
from nova_swift_handler.sandbox.xapi.settings import Settings

LOG = logging.getLogger(__name__)


class Pool:
    """``hosts``: those that are up, the master first; ``ref``: of the pool's record."""

    def __init__(self, settings: Settings):
        """Make the pool below ``settings.root``, or bring back the one that is there.

        Hosts that were not there yet join; hosts that are left out are down.
        """
        os.makedirs(settings.root, exist_ok=True)
        self.settings = settings
        self.db = Database(Store(settings.database_path))
        self.faults = Faults()
        self.disks = Disks(self)
        self.vdi_rules = VdiRules(self)
        self.copies = Copies(self)
        self.tracking = Tracking(self)
        self.vm_clones = VmClones(self)
        self.attachments = Attachments(self)
        self.power = Power(self)
        self.sessions = Sessions(self)
        self.tasks = Tasks(self)
        self.events = Events(self)
        #: Methods called, newest last; for tests.
        self.calls: Deque[str] = collections.deque(maxlen=20000)
        fresh = not self.db.refs("pool")
        first_start.complete(self.db, settings)
        self.ref = self.db.refs("pool")[0]
        self.hosts = [
            Host(self, ref, member.address, settings.url(member.address),
                 settings.secure_url(member.address))
            for ref, member in zip(self.db.refs("host"), settings.members)]
        self.collector = Collector(self)
        self._open_storage()
        if not fresh:
            self._resume()

    @property
    def master(self) -> Host:
        return self.hosts[0]

    def host(self, ref: str) -> Host:
        """The host of a record.  Raises HANDLE_INVALID, HOST_OFFLINE."""
        for host in self.hosts:
            if host.ref == ref:
                return host
        self.db.record("host", ref)
        raise ApiError("HOST_OFFLINE", ref)

    def host_for(self, sr: str) -> Host:
        """A host that sees an SR.  Raises NO_HOSTS_AVAILABLE."""
        for host in self.hosts:
            if host.sees(sr):
                return host
        raise ApiError("NO_HOSTS_AVAILABLE")

    def hosts_for_copy(self, source: str, target: str) -> Tuple[Host, Host]:
        """Who reads and who writes when a disk is copied between two SRs: one host if it can."""
        for host in self.hosts:
            if host.sees(source) and host.sees(target):
                return host, host
        return self.host_for(source), self.host_for(target)

    def sr_master(self, sr: str) -> Host:
        """The host whose SM may change an SR's structure: the pool's master for a shared one."""
        return self.master if self.db.get("SR", sr, "shared") else self.host_for(sr)

    def is_dom0(self, vm: str) -> bool:
        return any(vm == host.dom0 for host in self.hosts)

    @property
    def default_sr(self) -> str:
        return self.db.get("pool", self.ref, "default_SR")

    def describe(self) -> Dict[str, Any]:
        """What an outside client needs to know: the READY line; the master's own at the top."""
        shared = [self.db.get("SR", ref, "uuid") for ref in self.db.find("SR", shared=True)]
        return {
            **self.master.describe(), "pid": os.getpid(),
            "shared_sr_uuid": next(iter(shared), None),
            "hosts": [host.describe() for host in self.hosts],
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
        LOG.info("brought back the pool kept in %s", self.settings.root)

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
