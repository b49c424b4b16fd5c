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

"""How a running transfer speaks to whoever started it."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, Protocol

from nova_swift_handler import exceptions

Event = Dict[str, Any]

_INTERVAL = 1.0


class Readable(Protocol):
    """Bytes, front to back."""

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end."""


class Watched:
    """A stream that stops when the transfer is to stop.

    :ivar length: bytes of the stream.
    """

    def __init__(self, stream: Readable, length: int, check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check
        self.length = length

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end."""
        self._check()
        return self._stream.read(size)

    def close(self) -> None:
        """Close the stream, if it can be."""
        getattr(self._stream, "close", lambda: None)()


class Report:
    """Passes events on, and raises in the transfer when it is to stop.

    :param send: takes an event, a dictionary of plain values with the key ``event``.

    :ivar deserted: whether nobody is there any more who would look after what is left.
    """

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._send = send
        self._stop = threading.Event()
        self._reason = ""
        self.deserted = False
        self._sent_at = 0.0

    def stop(self, reason: str) -> None:
        """Make the transfer end at its next step; may be called from any thread."""
        self._reason = self._reason or reason
        self._stop.set()

    def desert(self) -> None:
        """Stop: who started the transfer is gone; may be called from any thread."""
        self.deserted = True
        self.stop("nova-compute stopped or no longer waits for it")

    def stopped(self) -> bool:
        """Tell whether the transfer is to end."""
        return self._stop.is_set()

    def progress(self, done: int, total: int) -> None:
        """Say how many bytes of how many have passed; sent about once a second.

        :raises TransferFailed: the transfer is to stop.
        """
        self.check()
        now = time.monotonic()
        if now - self._sent_at >= _INTERVAL:
            self._sent_at = now
            self._send({"event": "progress", "done": done, "total": total})

    def check(self) -> None:
        """Go on, or raise.

        :raises TransferFailed: the transfer is to stop.
        """
        if self._stop.is_set():
            raise exceptions.TransferFailed("the transfer was given up: " + self._reason)

    def created_vdi(self, uuid: str) -> None:
        """Say that a VDI exists that is to be destroyed if this process dies."""
        self._send({"event": "vdi", "uuid": uuid})
