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

"""What is measured: scenarios, each with our way of doing a thing and others'."""

from __future__ import annotations

import dataclasses
import sys
from types import MappingProxyType
from typing import Callable, ContextManager, Dict, List, Mapping, NamedTuple, Optional

from bench.disks import GIB, MIB
from bench.meter import Cost
from bench.site import Site

HIGHER, LOWER = "higher", "lower"


class Run(NamedTuple):
    """One run of one contender.

    :ivar value: in the scenario's unit.
    :ivar amount: bytes of VHD that were moved; 0 where none are.
    :ivar stored: bytes that Swift holds for it; None where nothing is stored.
    :ivar more: further figures, for ``bench.json``.
    """

    value: float
    cost: Cost
    amount: int
    stored: Optional[int] = None
    more: Mapping[str, float] = MappingProxyType({})

    def figures(self) -> Dict[str, float]:
        """Return everything that is known of the run."""
        found = {
            "value": self.value, "seconds": self.cost.seconds, "cpu_seconds": self.cost.cpu,
            "cpu_seconds_of_servers": self.cost.cpu_servers,
            "cpu_seconds_of_others": self.cost.cpu_others, "peak_mib": self.cost.peak / MIB,
            "requests": self.cost.requests, "bytes": self.amount, **self.more,
        }
        if self.amount:
            found["requests_per_gib"] = self.cost.requests / (self.amount / GIB)
        if self.stored is not None:
            found["stored_bytes"] = self.stored
        return found


def rate(cost: Cost, amount: int, stored: Optional[int] = None) -> Run:
    """Return a run whose value is MiB a second."""
    return Run(amount / MIB / cost.seconds, cost, amount, stored)


def duration(cost: Cost, amount: int, stored: Optional[int] = None, **more: float) -> Run:
    """Return a run whose value is seconds."""
    return Run(cost.seconds, cost, amount, stored, more)


class Contender(NamedTuple):
    """One way of doing what a scenario is about.

    :ivar name: ours is called :data:`OURS`; the others are base lines.
    :ivar run: does it once, and takes back what it left, that being no part of the measurement.
    :ivar rounds: in how many rounds at most it takes part; None in all.
    """

    name: str
    run: Callable[[], Run]
    rounds: Optional[int] = None


OURS = "ours"


class Options(NamedTuple):
    """What was asked for.

    :ivar size: bytes of data on the disks.
    :ivar runs: of each contender.
    :ivar slow_runs: of those that take minutes: gzip in Python.
    """

    size: int
    runs: int
    slow_runs: int


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Something to be measured.

    :ivar title: what it is, for a person.
    :ivar better: whether :data:`HIGHER` or :data:`LOWER` values are.
    :ivar prepare: a context that gives the contenders, ours first.
    :ivar targets: by base line, the ratio that is to be reached.
    :ivar size: bytes of data on its disks, unless others are asked for.
    :ivar by_default: whether it runs when no scenario is named.
    """

    name: str
    title: str
    unit: str
    better: str
    prepare: Callable[[Site, Options], ContextManager[List[Contender]]]
    targets: Dict[str, float] = dataclasses.field(default_factory=dict)
    size: int = GIB
    by_default: bool = True


class Constant:
    """A base line that is a number, such as a cap; not run."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self) -> Run:
        return Run(self._value, Cost(), 0)


def check(done: bool, what: str) -> None:
    """Make sure of what a figure rests on.

    :raises RuntimeError: it is not so.
    """
    if not done:
        raise RuntimeError("the bench measured nothing: " + what)


def program(name: str) -> List[str]:
    """Return the command of one of :mod:`bench.programs`."""
    return [sys.executable, "-W", "ignore", "-m", "bench.programs." + name]
