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

"""Bytes through the data path, counted, and held up or stopped where a fault says so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, Optional

from nova_swift_handler.sandbox.xapi.errors import io_error
from nova_swift_handler.sandbox.xapi.server.connection import Dropped
from nova_swift_handler.sandbox.xapi.server.stream import Stream

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

_MIB = 1024 * 1024
#: With a hang in force, or a low rate, bytes move in pieces this small.
_SMALL_PIECE = 64 * 1024
#: With a high rate, in pieces that take so many seconds.
_STEP = 0.002
#: Seconds of standing still that a rate lets be made up for: dom0 has no more in its buffers.
_BURST = 0.05


class Pace:
    """The faults that were on when one transfer began."""

    def __init__(self, pool: Pool, direction: str, vdi: str):
        """``direction``: import or export; ``vdi``: its uuid."""
        self._faults = pool.faults
        strike = pool.faults.strike
        self._slow = strike("slow", direction=direction, vdi=vdi)
        self._rate = strike("rate", direction=direction, vdi=vdi)
        self._hang = strike("hang", direction=direction, vdi=vdi)
        self._cut = strike("%s_cut" % direction, vdi=vdi)
        self._due = time.monotonic()
        self.moved = 0

    def allowance(self, wanted: int) -> int:
        """How many bytes may move next, at least one; raises Dropped where the cut is."""
        if self._cut:
            left = int(self._cut["after"]) - self.moved
            if left <= 0:
                raise Dropped(bool(self._cut["reset"]))
            wanted = min(wanted, left)
        if self._hang:
            left = int(self._hang["after"]) - self.moved
            if left <= 0:
                self._faults.wait_while("hang")
                self._hang = None
            else:
                wanted = min(wanted, left)
        if self._hang:
            wanted = min(wanted, _SMALL_PIECE)
        elif self._rate:
            wanted = min(wanted, max(
                _SMALL_PIECE, int(float(self._rate["bytes_per_second"]) * _STEP)))
        return wanted

    def note(self, count: int) -> None:
        """Bytes moved; sleeps as long as they should have taken."""
        self.moved += count
        if self._slow:
            time.sleep(float(self._slow["seconds_per_mib"]) * count / _MIB)
        if self._rate:
            now = time.monotonic()
            self._due = (max(self._due, now - _BURST)
                         + count / float(self._rate["bytes_per_second"]))
            time.sleep(max(0.0, self._due - now))


class Outlet:
    """Where an export's bytes go."""

    def __init__(self, stream: Stream, pace: Pace, garbage: Optional[Dict[str, Any]]):
        """``garbage``: the fault that ends the data early with an error, if it is on."""
        self._stream = stream
        self._pace = pace
        self._limit = None if garbage is None else garbage["after"]

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = self._pace.allowance(len(view))
            if self._limit is not None:
                count = min(count, int(self._limit) - self._pace.moved)
                if count <= 0:
                    raise io_error()
            self._stream.write(view[:count])
            self._pace.note(count)
            view = view[count:]


class Inlet:
    """Where an import's bytes come from: ``length`` of them, or (None) all until the end."""

    def __init__(self, stream: Stream, pace: Pace, length: Optional[int],
                 full: Optional[Dict[str, Any]]):
        """``full``: the fault that fills the SR, if it is on."""
        self._stream = stream
        self._pace = pace
        self._left = length
        self._full = full
        #: The client closed before it had sent what it announced.
        self.ended_early = False

    def read(self, length: int) -> bytes:
        """1..length bytes, b"" at the end."""
        if self._left == 0 or length == 0:
            return b""
        if self._full and self._pace.moved >= int(self._full["after"]):
            raise io_error()
        wanted = length if self._left is None else min(length, self._left)
        piece = self._stream.read(self._pace.allowance(wanted))
        if not piece:
            self.ended_early = self._left is not None
            return b""
        if self._left is not None:
            self._left -= len(piece)
        self._pace.note(len(piece))
        return piece
