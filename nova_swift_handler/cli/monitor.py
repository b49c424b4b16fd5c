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

"""Metrics of commands that timers run."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Dict, Iterator, Optional

from nova_swift_handler import tally
from nova_swift_handler.cli import base
from nova_swift_handler.telemetry import metrics


@dataclasses.dataclass
class Run:
    """How a run ended.

    :ivar code: the exit code.
    :ivar problems: how much it found wrong; None if it did not come to look.
    :ivar states: further metrics.
    """

    code: int = 0
    problems: Optional[int] = None
    states: Dict[tally.Key, float] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def recorded(command: base.Configured, program: str) -> Iterator[Run]:
    """Give what the caller tells how the command ended; the metrics are written then.

    :raises ConfigError: an option is wrong.
    """
    kept = metrics.Metrics(command.monitor_settings().metrics_directory, program)
    run, begun, result = Run(), time.time(), "failure"
    try:
        yield run
        result = "failure" if run.code else "success"
    finally:
        labels = {"command": program}
        states = {tally.key(metrics.DURATION, labels): round(time.time() - begun, 3),
                  **run.states}
        if run.problems is not None:
            states[tally.key(metrics.PROBLEMS, labels)] = run.problems
        if result == "success":
            states[tally.key(metrics.SUCCESS, labels)] = round(time.time())
        kept.write({**tally.TALLY.counts(),
                    tally.key(metrics.RUNS, {**labels, "result": result}): 1}, states)
