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

"""The coalescing garbage collector (SM's cleanup.py): one action at a time, records following.

It works when told to (``run``), in rounds in the background, and, while it runs in the
background, sooner when SR.scan or VDI.destroy kicks it.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.storage.base import GcAction, StorageError

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

LOG = logging.getLogger(__name__)


class Collector:
    def __init__(self, pool: Pool):
        self._pool = pool
        self._wake = threading.Condition()
        self._interval: Optional[float] = pool.settings.gc_interval
        self._pause = pool.settings.gc_pause
        #: SR ref -> moment it is due
        self._due: Dict[str, float] = {}
        self._stopping = False
        self._one_run = threading.Lock()
        self._thread = threading.Thread(target=self._rounds, name="collector", daemon=True)
        #: What background rounds did, newest last; for tests and people.
        self.history: List[Dict[str, Any]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(30)

    def background(self, interval: Optional[float], pause: Optional[float] = None) -> None:
        """Work every ``interval`` seconds from now on, or (None) on demand only."""
        with self._wake:
            self._interval = interval
            if pause is not None:
                self._pause = pause
            if interval is None:
                self._due.clear()
            else:
                self._due = {sr: time.monotonic() for sr in self._pool.disks.open_srs}
            self._wake.notify_all()

    def kick(self, sr: str) -> None:
        """Something may have become collectable."""
        with self._wake:
            if self._interval is not None:
                due = time.monotonic() + self._pause
                self._due[sr] = min(due, self._due.get(sr, due))
                self._wake.notify_all()

    def run(self, sr: str) -> List[GcAction]:
        """Collect until there is nothing (more) to do; returns the actions in order."""
        actions: List[GcAction] = []
        with self._one_run:
            while not self._stopping:
                action = self._step(sr)
                if action is None:
                    return actions
                actions.append(action)
                self.history.append({"sr": sr, **dataclasses.asdict(action)})
        return actions

    def _step(self, sr: str) -> Optional[GcAction]:
        """One action; the records follow before anybody is told."""
        if self._disabled(sr):
            return None
        db = self._pool.db
        with db.lock:
            vdis = [db.record("VDI", ref) for ref in db.get("SR", sr, "VDIs")]
            wishes = {vdi["uuid"]: vdi["other_config"]["leaf-coalesce"] for vdi in vdis
                      if "leaf-coalesce" in vdi["other_config"]}
            attached = {vdi["uuid"] for vdi in vdis
                        if self._pool.attachments.of_vdi(db.by_uuid("VDI", vdi["uuid"]))}
            if db.get("SR", sr, "other_config").get("leaf-coalesce") == "false":
                wishes = {vdi["uuid"]: "false" for vdi in vdis}
        action = self._pool.disks.repository(sr).gc_step(wishes, attached)
        if action is not None:
            LOG.info("collector: %s %s", action.kind, action.uuid)
            self._pool.disks.follow_collector(sr)
            if action.kind == "leaf-coalesce":
                self._strike_wish(action.uuid)
        return action

    def _strike_wish(self, uuid: str) -> None:
        """SM takes other_config["leaf-coalesce"] away once it has tried (cleanup.py)."""
        db = self._pool.db
        with db.lock:
            for vdi in db.find("VDI", uuid=uuid):
                config = db.get("VDI", vdi, "other_config")
                config.pop("leaf-coalesce", None)
                db.update("VDI", vdi, other_config=config)

    def _disabled(self, sr: str) -> bool:
        other_config = self._pool.db.get("SR", sr, "other_config")
        return (self._pool.disks.repository(sr).type == "iso"
                or "false" in (other_config.get("gc"), other_config.get("coalesce")))

    def _rounds(self) -> None:
        while True:
            with self._wake:
                if self._stopping:
                    return
                due = [sr for sr, moment in self._due.items() if moment <= time.monotonic()]
                if not due:
                    self._wake.wait(self._seconds_to_wait())
                    continue
                for sr in due:
                    if self._interval is None:
                        del self._due[sr]
                    else:
                        self._due[sr] = time.monotonic() + self._interval
            for sr in due:
                self._round(sr)

    def _seconds_to_wait(self) -> Optional[float]:
        if not self._due:
            return None
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _round(self, sr: str) -> None:
        try:
            self.run(sr)
        except (ApiError, StorageError) as exc:
            # The SR may have gone meanwhile, or be full; the next round tries again.
            LOG.warning("collector: stopped on %s: %s", sr, exc)
