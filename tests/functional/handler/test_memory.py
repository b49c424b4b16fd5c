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

"""A transfer's memory does not grow with the disk."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional

from bench.meter import high_water
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import MIB, Bench, Host

GIB = 1024 * MIB
LIMIT = 256 * MIB


class Peak:
    """The most memory that a transfer process of ours had resident, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        pid: Optional[int] = None
        while not self._ended.wait(0.02):
            pid = pid or _worker()
            if pid is not None:
                self.bytes = max(self.bytes, high_water(pid))


def _worker() -> Optional[int]:
    for name in os.listdir("/proc"):
        try:
            stat = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            if (int(stat[1]) == os.getpid() and b"nova_swift_handler.transfer" in
                    Path("/proc", name, "cmdline").read_bytes()):
                return int(name)
        except (OSError, IndexError):
            continue
    return None


def test_a_large_disk_needs_little_memory(bench: Bench, ext: Host, lvm: Host,
                                          record_property: Any) -> None:
    """8 GiB, of which 1 GiB holds data: half in one piece, half in pieces all over the disk."""
    written: List[List[int]] = [[GIB, 512 * MIB]]
    written += [[2 * GIB + number * 24 * MIB, 2 * MIB] for number in range(256)]
    vdi = ext.disk(8 * GIB, written=written)
    job = bench.snapshot_job(ext, ext.snapshot(vdi), segment_size=256 * MIB)
    peaks: Dict[str, int] = {}
    with Peak() as peak:
        stored = process.run(job)
    peaks["snapshot"] = peak.bytes
    with Peak() as peak:
        result = process.run(bench.boot_job(lvm, job.image_id))
    peaks["boot"] = peak.bytes
    for name, value in peaks.items():
        record_property("peak_%s" % name, value)
    print("peak resident memory: %r; %r" % (peaks, stored))
    assert stored["virtual_size"] == 8 * GIB
    assert lvm.control.guest_sha256(result["vdi_uuid"]) == ext.control.guest_sha256(vdi)
    assert 0 < peaks["snapshot"] < LIMIT
    assert 0 < peaks["boot"] < LIMIT
