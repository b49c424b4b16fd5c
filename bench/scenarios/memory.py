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

"""The memory that a transfer process takes, whatever the disk's size."""

from __future__ import annotations

import contextlib
from typing import Iterator, List

from bench import ours
from bench.disks import GIB, MIB
from bench.scenario import LOWER, OURS, Constant, Contender, Options, Run, Scenario, check
from bench.site import Site
from nova_swift_handler.vhd import constants

LIMIT = "the limit of 256 MiB"
_SIZE = 2040 * GIB
_STEP = 4 * GIB
"""One block holds data in each so many bytes: every region of the disk does."""

_SAMPLE = 64 * MIB
"""Data of the disk that is full: its blocks are those of so many bytes, again and again."""


@contextlib.contextmanager
def _largest(site: Site, options: Options) -> Iterator[List[Contender]]:
    vdi = site.host.create(_SIZE)
    blocks = range(0, _SIZE // constants.BLOCK_SIZE, _STEP // constants.BLOCK_SIZE)
    site.host.write_blocks(vdi, "largest", blocks)
    amount = len(blocks) * constants.BLOCK_SIZE
    full = ours.large(site, _SAMPLE, _SIZE)

    def all_three() -> Run:
        stored, point = ours.snapshot(site, vdi)
        check(point.result["virtual_size"] == _SIZE, "the disk stored has another size")
        restored, made = ours.boot(site, point.image_id)
        site.host.destroy(made)
        used = site.used(point.container)
        site.delete_image(point.image_id)
        site.empty(point.container)
        second = ours.large_second(site, full, 0.001, 1)
        return Run(max(stored.peak, restored.peak, second.peak) / MIB, stored, amount, used, {
            "snapshot_peak_mib": stored.peak / MIB, "snapshot_seconds": stored.seconds,
            "restore_peak_mib": restored.peak / MIB, "restore_seconds": restored.seconds,
            "second_snapshot_of_full_disk_peak_mib": second.peak / MIB,
            "second_snapshot_of_full_disk_seconds": second.seconds})

    try:
        yield [Contender(OURS, all_three, 1), Contender(LIMIT, Constant(256))]
    finally:
        site.host.destroy(vdi)
        site.empty(full.container)


SCENARIOS = [
    Scenario("peak_memory", "most memory of a transfer process, disks of 2040 GiB", "MiB", LOWER,
             _largest, {LIMIT: 1.0})]
