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

"""Two snapshots of one disk stored at the same time: Nova refuses that, other ways in do not."""

from __future__ import annotations

import dataclasses
import threading
from concurrent import futures
from typing import Any, Dict, List

import pytest

from nova_swift_handler.transfer import process
from nova_swift_handler.transfer.jobs import CleanUpJob
from tests.functional.handler.bench import MIB, Bench, Host


@pytest.mark.parametrize("before", [0, 1])
def test_both_are_whole_whichever_comes_first(bench: Bench, host: Host, before: int) -> None:
    """Neither knows of the other: with or without a parent, both have all that they need."""
    vdi = host.disk()
    jobs: List[Any] = []
    digests: List[str] = []
    for number in range(before + 2):
        host.control.guest_pattern(vdi, number, [[number * 6 * MIB, 5 * MIB]])
        job = bench.snapshot_job(host, host.snapshot(vdi))
        jobs.append(dataclasses.replace(job, volume_id=jobs[0].volume_id if jobs else
                                        job.volume_id))
        digests.append(host.control.guest_sha256(vdi))
    for job in jobs[:before]:
        process.run(job)
    begun = threading.Barrier(2, timeout=60)

    def together(job: Any) -> Dict[str, Any]:
        begun.wait()
        return process.run(job)

    host.control.set_fault("rate", bytes_per_second=16 * MIB, direction="export")
    with futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(together, jobs[before:]))
    host.control.clear_faults()
    parents = {result["parent"] for result in results}
    assert jobs[0].image_id in parents or not before
    for job, digest in zip(jobs, digests):
        booted = process.run(bench.boot_job(host, job.image_id))["vdi_uuid"]
        assert host.control.guest_sha256(booted) == digest
    # Any of them can go, and the others stay whole.
    for gone in jobs[:-1]:
        process.run(CleanUpJob(gone.services, bench.token(), gone.image_id, gone.volume_id))
    booted = process.run(bench.boot_job(host, jobs[-1].image_id))["vdi_uuid"]
    assert host.control.guest_sha256(booted) == digests[-1]

