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

"""How long a disk transfer may stand still."""

from __future__ import annotations

import time
from typing import Callable, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import task as tasks

TICK = 5.0
"""Seconds without a byte after which the task is looked at."""


class Patience:
    """Judges a transfer in which no byte passes.

    A silent connection need not be a dead one: XAPI attaches the disk after its first answer,
    and reads a raw disk through before it sends a byte.  So the clock starts anew while the task
    makes progress, and stops at once when the task has ended.
    """

    def __init__(self, task: tasks.Task, limit: float,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock.

        :param limit: seconds without a byte and without progress.
        """
        self.tick = min(TICK, limit)
        self._task = task
        self._limit = limit
        self._clock = clock
        self._since = clock()
        self._progress = 0.0

    def moved(self) -> None:
        """Note that a byte passed."""
        self._since = self._clock()

    def stalled(self) -> bool:
        """Look at the task after a tick without a byte.

        :returns: whether the task has succeeded, so that nothing more may come.
        :raises TaskFailed, SrFull: the task has failed.
        :raises TransferCut: the limit has passed.
        """
        state = self._state()
        settled = state is not None and state.settled
        if state is not None and settled:
            failure = self._task.failure_of(state)
            if failure is not None:
                raise failure
        elif state is not None and state.progress > self._progress:
            self._progress = state.progress
            self.moved()
        if self._clock() - self._since >= self._limit:
            raise exceptions.TransferCut(
                f"{self._task.doing} failed: no byte passed and XAPI reported no progress for"
                f" {self._limit:g} s; look at the host's load and /var/log/xensource.log")
        return settled

    def _state(self) -> Optional[tasks.TaskState]:
        try:
            return self._task.state()
        except exceptions.XapiUnreachable:
            return None  # The limit decides.
