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

"""The tester's hands on a simulated host: faults, the guest's part, the collector, summaries.

    control = Control("http://127.0.0.1:8080")
    control.set_fault("export_cut", after=1 << 20)

Nothing of this exists on a real host; it needs no login, and the host listens on loopback only.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional, Sequence, Union

from nova_swift_handler.sandbox.xapi.pattern import pattern

__all__ = ["Control", "ControlError", "pattern"]


class ControlError(Exception):
    """The host refused; the text says why."""


class Control:
    """Every verb raises ControlError when the host refuses.  Offsets and lengths are bytes."""

    def __init__(self, url: str, timeout: float = 600.0, cafile: Optional[str] = None):
        """``url``: the host's XAPI URL; ``timeout``: seconds; ``cafile``: PEM, for https."""
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=cafile) if cafile else None

    def _call(self, verb: str, **args: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the tester's own URL
            "%s/_sandbox/%s" % (self._url, verb), data=json.dumps(args).encode("utf-8"),
            headers={"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(  # noqa: S310
                    request, timeout=self._timeout, context=self._tls) as response:
                return json.loads(response.read())["value"]
        except urllib.error.HTTPError as exc:
            raise ControlError("%s: %s" % (verb, exc.read().decode("utf-8", "replace"))) from exc

    # -- faults

    def set_fault(self, name: str, **args: Any) -> None:
        """Switch a fault on; ``kinds`` tells which there are and what they take."""
        self._call("set_fault", name=name, args=args)

    def clear_faults(self, name: Optional[str] = None) -> None:
        """Switch one fault off, or all."""
        self._call("clear_faults", name=name)

    def faults(self) -> Dict[str, Dict[str, Any]]:
        """The faults that are on, with their arguments."""
        return self._call("faults")

    def kinds(self) -> List[Dict[str, Any]]:
        """Every fault there is: name, doc, args with defaults."""
        return self._call("kinds")

    def expire_sessions(self) -> int:
        """End all sessions; returns how many there were."""
        return self._call("expire_sessions")

    def sessions(self) -> List[str]:
        """The references of the sessions that are good: what nobody may find in a log."""
        return self._call("sessions")

    # -- the collector

    def gc_run(self, sr_uuid: Optional[str] = None) -> List[Dict[str, Any]]:
        """Collect until there is nothing to do, on one SR or on all; returns the actions."""
        return self._call("gc_run", sr_uuid=sr_uuid)

    def gc_background(self, seconds: Optional[float], pause: float = 0.0) -> None:
        """Collect every so many seconds and ``pause`` after each kick; None: on demand only."""
        self._call("gc_background", seconds=seconds, pause=pause)

    def gc_history(self) -> List[Dict[str, Any]]:
        """Every action since the host started, newest last."""
        return self._call("gc_history")

    # -- the guest

    def guest_write(self, vdi_uuid: str, offset: int, data: bytes) -> None:
        self._call("guest_write", vdi_uuid=vdi_uuid, offset=offset,
                   data=base64.b64encode(data).decode("ascii"))

    def guest_read(self, vdi_uuid: str, offset: int, length: int) -> bytes:
        return base64.b64decode(
            self._call("guest_read", vdi_uuid=vdi_uuid, offset=offset, length=length))

    def guest_pattern(
        self, vdi_uuid: str, seed: Union[int, str], ranges: Sequence[Sequence[int]],
    ) -> None:
        """Write ``pattern(seed, offset, length)`` at each ``[offset, length]``."""
        self._call("guest_pattern", vdi_uuid=vdi_uuid, seed=seed,
                   ranges=[list(item) for item in ranges])

    def guest_sha256(self, vdi_uuid: str) -> str:
        """Hex digest of the whole raw disk, virtual_size bytes."""
        return self._call("guest_sha256", vdi_uuid=vdi_uuid)

    # -- looking

    def vm_disks(self, vm_name_or_uuid: str) -> List[Dict[str, Any]]:
        """The VM's disks in the order of their devices: vdi_uuid, device, mode, virtual_size..."""
        return self._call("vm_disks", vm=vm_name_or_uuid)

    def chain(self, vdi_uuid: str) -> List[Dict[str, Any]]:
        """Nodes from the leaf to the root as storage has them: uuid, parent, hidden, sizes."""
        return self._call("chain", vdi_uuid=vdi_uuid)

    def state(self) -> Dict[str, int]:
        """How many there are of what could leak: see Controls.state in server/controls.py."""
        return self._call("state")

    def calls(self, clear: bool = False) -> List[str]:
        """XML-RPC methods called, newest last; ``clear`` forgets them afterwards."""
        return self._call("calls", clear=clear)

    def network(self) -> Dict[str, Any]:
        """Links, bridges and OVS ports of dom0."""
        return self._call("network")

    def ping(self) -> Dict[str, Any]:
        """What the READY line said."""
        return self._call("ping")
