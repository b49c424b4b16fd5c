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

"""What a piece of work took: seconds, CPU, memory, requests to Swift."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Callable, Dict, Iterable, List, Optional, Set, Type

_INTERVAL = 0.04
_TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Cost:
    """What it took.

    :ivar seconds: by the clock.
    :ivar cpu: CPU seconds of the processes that did it, those of the servers not among them.
    :ivar cpu_servers: CPU seconds of Swift, Keystone, Glance and the simulated host.
    :ivar cpu_others: CPU seconds of everything else on the machine: what disturbed it.
    :ivar peak: bytes that the largest of the processes had resident at most.
    :ivar requests: what Swift's proxy was asked.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    cpu_servers: float = 0.0
    cpu_others: float = 0.0
    peak: int = 0
    requests: int = 0


class Meter:
    """Measures what is done in its context by processes that are started there.

    :param servers: their process ids.
    :param requests: counts what Swift was asked until now.
    """

    def __init__(self, servers: Iterable[int], requests: Callable[[], int]) -> None:
        self._servers = list(servers)
        self._requests = requests
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._cpu: Dict[int, float] = {}
        self.cost = Cost()

    def __enter__(self) -> Meter:
        self._known = set(_descendants(os.getpid()))
        self._asked = self._requests()
        self._before = self._look()
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        cost = self.cost
        cost.seconds = time.monotonic() - self._began
        self._ended.set()
        self._thread.join()
        cost.cpu = sum(self._cpu.values())
        own, servers, machine = (after - before
                                 for after, before in zip(self._look(), self._before))
        cost.cpu_servers = servers
        cost.cpu_others = max(0.0, machine - own - servers - cost.cpu)
        time.sleep(0.2)  # the proxy writes a request down when it is over
        cost.requests = self._requests() - self._asked

    def note(self, cpu: float, peak: int) -> None:
        """Take a process's own word for what it used, where that is more exact."""
        self._cpu = {-1: cpu}
        self.cost.peak = peak

    def _look(self) -> List[float]:
        return [_cpu_of(os.getpid()), sum(map(_cpu_of, self._servers)), _cpu_of_machine()]

    def _watch(self) -> None:
        while not self._ended.wait(_INTERVAL):
            for pid in _descendants(os.getpid(), self._known):
                peak, cpu = high_water(pid), _cpu_of(pid)
                self.cost.peak = max(self.cost.peak, peak)
                self._cpu[pid] = max(self._cpu.get(pid, 0.0), cpu)


def high_water(pid: int) -> int:
    """Return the most memory that a process had resident until now, in bytes; 0 if it ended."""
    try:
        for line in Path("/proc/%d/status" % pid).read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _descendants(pid: int, without: Iterable[int] = ()) -> List[int]:
    """Return the processes that *pid* started, and those that they did."""
    found: List[int] = []
    passed: Set[int] = set(without)
    try:
        for task in Path("/proc/%d/task" % pid).iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if child not in passed:
                    found += [child, *_descendants(child, passed)]
    except OSError:
        pass
    return found


def _cpu_of(pid: int) -> float:
    try:
        fields = Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK  # utime, stime: proc(5)


def _cpu_of_machine() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, *_rest = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICK
