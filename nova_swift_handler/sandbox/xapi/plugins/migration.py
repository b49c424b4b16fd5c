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

"""Nova's plugin that copies VHDs from an SR to a host's staging area and moves them into an SR.

After os_xenapi's dom0 plugins migration.py and utils.py (import_vhds).  In dom0 it is rsync that
copies, over ssh unless the target is the host itself; here the host itself is all there is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, cast
from urllib import parse

from nova_swift_handler.sandbox.xapi.plugins.base import Plugin, PluginError
from nova_swift_handler.sandbox.xapi.storage.vhdfile import VhdFile
from nova_swift_handler.sandbox.xapi.storage.vhdsr import VhdRepository


class Migration(Plugin):
    def serialized(self) -> Dict[str, Callable[..., Any]]:
        return {"transfer_vhd": self._transfer_vhd, "move_vhds_into_sr": self._move_vhds_into_sr}

    def _repository(self, sr_path: str) -> VhdRepository:
        """The SR that is mounted at a path of dom0; only file-based ones are."""
        db = self.pool.db
        sr = db.by_uuid("SR", os.path.basename(sr_path.rstrip("/")))
        if db.get("SR", sr, "type") != "ext":
            raise PluginError("[Errno 2] No such file or directory: '%s'" % sr_path)
        return cast(VhdRepository, self.pool.disks.repository(sr))

    def _staging(self, instance_uuid: str) -> Path:
        return Path(self.pool.settings.root) / "images" / ("instance%s" % instance_uuid)

    def _transfer_vhd(
        self, instance_uuid: str, host: str, vdi_uuid: str, sr_path: str, seq_num: int,
    ) -> None:
        repository = self._repository(sr_path)
        # Nova takes the target off its URL, port and all (XenAPIDriver.get_host_ip_addr), and
        # simulated hosts share an address and differ in their ports.
        if host not in (self.host.address, parse.urlsplit(self.host.url).netloc):
            raise PluginError(
                "ssh: connect to host %s port 22: No route to host (not simulated)" % host)
        staging = self._staging(instance_uuid)
        staging.mkdir(parents=True, exist_ok=True)
        with repository.lock.shared():
            source = repository.path(repository.entry(vdi_uuid).name)
            shutil.copyfile(source, str(staging / ("%d.vhd" % seq_num)))

    def _move_vhds_into_sr(
        self, instance_uuid: str, sr_path: str, uuid_stack: List[str],
    ) -> Dict[str, Dict[str, str]]:
        """Name the sequence 0.vhd (the leaf), 1.vhd... anew, link it and move it."""
        repository = self._repository(sr_path)
        staging = self._staging(instance_uuid)
        moved: List[Path] = []
        while (staging / ("%d.vhd" % len(moved))).exists():
            old = staging / ("%d.vhd" % len(moved))
            moved.append(staging / repository.file_name(uuid_stack.pop()))
            old.rename(moved[-1])
        if not moved:
            raise PluginError("No VHD found in %s" % staging)
        parent = None
        for path in reversed(moved):  # vhd-util modify -n CHILD -p PARENT
            file = VhdFile(str(path), fixed=False)
            if parent is not None:
                file.set_parent(parent)
            parent = file.identity()
            file.close()
        for path in moved:  # the next scan finds them
            shutil.move(str(path), repository.path(path.name))
        shutil.rmtree(str(staging))
        uuid, _raw = repository.parse_name(moved[0].name)  # type: ignore[misc]
        return {"root": {"uuid": uuid}}
