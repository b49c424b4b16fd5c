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

"""How many transfers one nova-compute has under way; the others wait for their turn."""

from __future__ import annotations

import collections
import contextlib
import threading
from typing import Callable, Deque, Iterator

LOOK = 10.0
"""Seconds between two questions whether what waits, or runs, is still wanted."""


class Budget:
    """Turns, given in the order in which they were asked for.

    Each transfer takes memory and bandwidth of its own, so it is their number that bounds both.
    Safe under eventlet's monkey patching if made after it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Deque[object] = collections.deque()
        self._running = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @contextlib.contextmanager
    def turn(self, limit: int, check: Callable[[], None]) -> Iterator[None]:
        """Wait until fewer than *limit* others are under way, and no other has waited longer.

        :param check: called now and then while it waits; what it raises ends the waiting.
        """
        self._wait(limit, check)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _wait(self, limit: int, check: Callable[[], None]) -> None:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        try:
            while not self._take(ticket, limit):
                check()
        finally:
            with self._changed:
                if ticket in self._waiting:  # it gave up: the next in line may be due
                    self._waiting.remove(ticket)
                    self._changed.notify_all()

    def _take(self, ticket: object, limit: int) -> bool:
        with self._changed:
            due = self._changed.wait_for(
                lambda: self._waiting[0] is ticket and self._running < limit, LOOK)
            if due:
                self._waiting.popleft()
                self._running += 1
                self._changed.notify_all()
            return due
