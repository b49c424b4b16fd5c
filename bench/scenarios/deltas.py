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

"""A disk of which little has changed is snapshotted again."""

from __future__ import annotations

import contextlib
import functools
import itertools
import random
from typing import Iterator, List

from bench import ours
from bench.disks import GIB, Disk
from bench.scenario import LOWER, OURS, Contender, Options, Run, Scenario, duration
from bench.site import Site
from nova_swift_handler.vhd import constants

FIRST = "the first snapshot"
_BLOCK = constants.BITMAP_SIZE + constants.BLOCK_SIZE


@contextlib.contextmanager
def _second(share: float, capped: bool, site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, "random")
    vdi = site.host.load(disk)
    volume = site.new_volume()
    points = [ours.snapshot(site, site.host.snapshot(vdi), volume)[1]]
    choice = random.Random(share)  # noqa: S311  (the same blocks in every run)
    if capped:
        site.host.cap()

    def second() -> Run:
        changed = choice.sample(disk.blocks, max(1, round(len(disk.blocks) * share)))
        site.host.write_blocks(vdi, str(len(points)), changed)
        snapshot = site.host.snapshot(vdi)
        before = site.used(points[0].container)
        cost, point = ours.snapshot(site, snapshot, volume)
        points.append(point)
        stored = site.used(point.container) - before
        site.host.destroy(snapshot)
        return duration(cost, disk.size, stored, changed_blocks=len(changed),
                        stored_to_changed=stored / (len(changed) * _BLOCK))

    try:
        yield [Contender(OURS, second),
               Contender(FIRST, functools.partial(_first, site, vdi, disk))]
    finally:
        site.host.cap(None)
        for point in points:
            site.delete_image(point.image_id)
        site.empty(points[0].container)
        site.host.destroy_all()


def _first(site: Site, vdi: str, disk: Disk) -> Run:
    snapshot = site.host.snapshot(vdi)
    cost, point = ours.snapshot(site, snapshot)
    stored = site.used(point.container)
    site.delete_image(point.image_id)
    site.empty(point.container)
    site.host.destroy(snapshot)
    return duration(cost, disk.size, stored)


@contextlib.contextmanager
def _large(share: float, virtual_size: int, site: Site,
           options: Options) -> Iterator[List[Contender]]:
    disk = ours.large(site, options.size, virtual_size)
    seeds = itertools.count()

    def second() -> Run:
        before = site.used(disk.container)
        cost = ours.large_second(site, disk, share, next(seeds))
        stored = site.used(disk.container) - before
        changed = round(disk.blocks * share)
        return duration(cost, virtual_size, stored, changed_blocks=changed,
                        stored_to_changed=stored / (changed * _BLOCK))

    try:
        yield [Contender(OURS, second, 1)]
    finally:
        site.empty(disk.container)


SCENARIOS = [
    Scenario(name, "snapshot of a disk of which %s of the blocks changed%s" % (
                 text, ", host capped at 120 MB/s" if capped else ""),
             "s", LOWER, functools.partial(_second, share, capped), by_default=not capped)
    for name, text, share, capped in (
        ("snapshot_second_1pct", "1 %", 0.01, False),
        ("snapshot_second_0.1pct", "0.1 %", 0.001, False),
        ("snapshot_second_1pct_capped", "1 %", 0.01, True))
] + [
    Scenario("snapshot_second_%spct_%dg" % (percent, size),
             "%s %% of the blocks of a full disk of %d GiB changed; without reading and hashing"
             % (percent, size), "s", LOWER,
             functools.partial(_large, float(percent) / 100, size * GIB), by_default=usual)
    for percent, size, usual in (("1", 100, True), ("0.1", 100, True), ("0.1", 2040, True),
                                 ("1", 2040, False))
]
