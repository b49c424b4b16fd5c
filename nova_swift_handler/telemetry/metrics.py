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

"""Counts and states in files that Prometheus' node_exporter collects (its textfile collector).

Each program has a file of its own, in which it carries on: what is counted neither starts again
with the program nor is lost by one that runs beside it.  No failure here harms what is counted.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import time
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Set, Tuple

from nova_swift_handler import tally

LOG = logging.getLogger(__name__)


class Family(NamedTuple):
    """A metric.

    :ivar kind: ``counter`` or ``gauge``.
    :ivar labels: without ``program`` and ``host``, which all have.
    """

    kind: str
    labels: Tuple[str, ...]
    help: str


TRANSFERS = "swift_vhd_transfers_total"
SECONDS = "swift_vhd_transfer_seconds_total"
BLOCKS = "swift_vhd_blocks_total"
RUNS = "swift_vhd_runs_total"
SUCCESS = "swift_vhd_last_success_timestamp_seconds"
DURATION = "swift_vhd_last_duration_seconds"
PROBLEMS = "swift_vhd_problems"
POINTS = "swift_vhd_points"
STORED = "swift_vhd_stored_bytes"

FAMILIES: Dict[str, Family] = {
    TRANSFERS: Family("counter", ("transfer", "result"), (
        "Transfers that ended: transfer is snapshot or boot, result success or the error's "
        "class.")),
    SECONDS: Family("counter", ("transfer",), (
        "Seconds that these took, waiting for their turn included.")),
    BLOCKS: Family("counter", ("how",), (
        "Blocks (2 MiB) of snapshots that succeeded, zeros left out: how is sent, or shared for "
        "those that were in Swift already.")),
    tally.BYTES: Family("counter", ("service", "direction"), (
        "Bytes of disks, objects and request bodies sent to, or received from, xapi (hosts), "
        "swift, glance and keystone.")),
    tally.REQUESTS: Family("counter", ("service", "verb"), (
        "HTTP requests sent, repeated ones included.")),
    tally.RETRIES: Family("counter", ("service",), (
        "Requests that failed and were sent again.")),
    RUNS: Family("counter", ("command", "result"), (
        "Runs of housekeep, verify and drill: result is success, or failure for any exit code "
        "but 0.")),
    SUCCESS: Family("gauge", ("command",), (
        "Unix time at which the last run without failure ended.")),
    DURATION: Family("gauge", ("command",), "Seconds that the last run took."),
    PROBLEMS: Family("gauge", ("command",), (
        "What the last run that came to look found wrong: objects that are bad (verify), things "
        "that failed (housekeep), differences (drill).")),
    POINTS: Family("gauge", ("kind",), (
        "What is stored, at the end of the last housekeep: snapshot, template, export or iso.")),
    STORED: Family("gauge", (), (
        "Bytes of all objects in the containers of volumes, templates and ISOs, before "
        "replication, at the end of the last housekeep.")),
}
"""All metrics by name; ``doc/source/monitoring.rst`` lists the same."""

Values = Mapping[tally.Key, float]

_ATTEMPTS, _PAUSE = 100, 0.02

_warned: Set[str] = set()


def path_of(directory: str, program: str, host: str = "") -> str:
    """Return the file of a program.

    :param host: tells several of them on one machine from each other.
    """
    name = "_".join(part for part in ("swift_vhd", program, host) if part)
    return os.path.join(directory, re.sub(r"[^A-Za-z0-9_.-]", "_", name) + ".prom")


class Metrics:
    """A program's metrics.

    :param directory: where the files are; an empty one keeps none.
    """

    def __init__(self, directory: str, program: str, host: str = "") -> None:
        self._directory = directory
        self._path = path_of(directory, program, host)
        self._labels = {"program": program, "host": host}

    def __bool__(self) -> bool:
        return bool(self._directory)

    def write(self, counts: Values, states: Values) -> None:
        """Add *counts* to what the file has, and put *states* in the place of what it has of them.

        A metric of *states* loses all that the file has of it.  Never raises.
        """
        if not self:
            return
        try:
            with _locked(self._directory):
                self._write(counts, states)
            _warned.discard(self._path)
        except Exception as error:  # noqa: BLE001  (what is measured is worth more)
            if self._path not in _warned:
                _warned.add(self._path)
                LOG.warning("Metrics could not be written to %s (%s); is metrics_directory in "
                            "[swift_vhd] there, and writable?", self._path, error)

    def _write(self, counts: Values, states: Values) -> None:
        # Here, since it is wanted by few, and not by the transfer processes.
        import prometheus_client

        replaced = {name for name, _labels in states}
        values = {known: value for known, value in self._read().items()
                  if known[0] not in replaced}
        for (name, labels), value in counts.items():
            own = tally.key(name, {**self._labels, **dict(labels)})
            values[own] = values.get(own, 0) + value
        for (name, labels), value in states.items():
            values[tally.key(name, {**self._labels, **dict(labels)})] = value
        registry = prometheus_client.CollectorRegistry(auto_describe=False)
        registry.register(_Collector(values))
        prometheus_client.write_to_textfile(self._path, registry)

    def _read(self) -> Dict[tally.Key, float]:
        from prometheus_client import parser

        try:
            with open(self._path, encoding="utf-8") as file:
                families = list(parser.text_fd_to_metric_families(file))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            LOG.warning("Counting begins anew: %s is damaged (%s)", self._path, error)
            return {}
        return {tally.key(sample[0], sample[1]): float(sample[2])
                for family in families for sample in family.samples if sample[0] in FAMILIES}


class _Collector:
    """Hands values to prometheus_client."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def collect(self) -> Iterable[Any]:
        """Return what there is, by metric."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        found: List[Any] = []
        for name, family in FAMILIES.items():
            samples = sorted((labels, value) for (each, labels), value in self._values.items()
                             if each == name)
            if samples:
                kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
                metric = kind(name, family.help)
                for labels, value in samples:
                    metric.add_sample(name, dict(labels), value)
                found.append(metric)
        return found


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Keep others from carrying on in a file of *directory* meanwhile.

    :raises OSError: there is no such directory, or somebody keeps it for too long.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    # Tried and not waited for, which would hold up all of nova-compute; a writing takes
    # milliseconds.
    for _attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_PAUSE)
    raise TimeoutError("another program has it locked")
