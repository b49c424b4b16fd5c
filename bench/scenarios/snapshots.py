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

"""A VDI is snapshotted: from the handler's call until its image is active."""

from __future__ import annotations

import contextlib
import functools
from typing import Iterator, List, Optional

from bench import ours, peers
from bench.disks import GIB, MIB, Disk
from bench.host import CAP
from bench.scenario import (
    HIGHER,
    OURS,
    Constant,
    Contender,
    Options,
    Run,
    Scenario,
    check,
    rate,
)
from bench.site import Site

CAP_NAME = "the cap of %d MB/s" % (CAP // 1_000_000)


@contextlib.contextmanager
def _full(kind: str, capped: bool, site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, kind)
    vdi = site.host.load(disk)
    _check(site, vdi)
    if capped:
        site.host.cap()
    try:
        yield [
            Contender(OURS, functools.partial(_ours, site, vdi, disk)),
            *([Contender(CAP_NAME, Constant(CAP / MIB))] if capped else
              [Contender(peers.SWIFT_UPLOAD, functools.partial(_upload, site, disk))]),
            Contender(peers.STOCK, functools.partial(_stock, site, vdi, disk, None),
                      options.slow_runs),
            Contender(peers.STOCK_FAST, functools.partial(_stock, site, vdi, disk, 1),
                      options.slow_runs),
        ]
    finally:
        site.host.cap(None)
        site.host.destroy(vdi)


def _ours(site: Site, vdi: str, disk: Disk) -> Run:
    cost, point = ours.snapshot(site, vdi)
    stored = site.used(point.container)
    site.delete_image(point.image_id)
    site.empty(point.container)
    return rate(cost, disk.size, stored)


def _upload(site: Site, disk: Disk) -> Run:
    cost = peers.swift_upload(site, disk)
    peers.forget_uploads(site)
    return rate(cost, disk.size)


def _stock(site: Site, vdi: str, disk: Disk, level: Optional[int]) -> Run:
    image_id = site.queued_image()
    cost = peers.stock_store(site, vdi, image_id, level)
    stored = site.image_size(image_id)
    site.delete_image(image_id)
    return rate(cost, disk.size, stored)


def _check(site: Site, vdi: str) -> None:
    """See that what a snapshot stored boots as the same disk."""
    point = ours.snapshot(site, vdi)[1]
    booted = ours.boot(site, point.image_id)[1]
    guest = site.host.control.guest_sha256
    check(guest(vdi) == guest(booted), "the disk that was booted is another")
    site.host.destroy(booted)
    site.delete_image(point.image_id)
    site.empty(point.container)


SCENARIOS = [
    Scenario("snapshot_full%s%s" % ("_capped" if capped else "", suffix),
             "first snapshot of a disk of %s data%s" % (
                 kind, ", host capped at 120 MB/s" if capped else ""),
             "MiB/s", HIGHER, functools.partial(_full, kind, capped),
             {CAP_NAME: 0.95} if capped else {}, size, usual)
    for capped, kind, suffix, size, usual in (
        (True, "random", "", 4 * GIB, True), (True, "typical", "_typical", GIB, False),
        (False, "random", "", GIB, True), (False, "typical", "_typical", GIB, True))
]
