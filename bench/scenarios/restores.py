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

"""A point becomes a VDI, as for a boot."""

from __future__ import annotations

import contextlib
import functools
from typing import Iterator, List

from bench import ours, peers
from bench.disks import Disk
from bench.scenario import LOWER, OURS, Contender, Options, Run, Scenario, check, duration
from bench.site import Site

DELTAS = 30
FLAT = "a flat point of the same disk"


@contextlib.contextmanager
def _flat(kind: str, capped: bool, site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, kind)
    vdi = site.host.load(disk)
    point = ours.snapshot(site, vdi)[1]
    wanted = site.host.control.guest_sha256(vdi)
    booted = ours.boot(site, point.image_id)[1]
    check(site.host.control.guest_sha256(booted) == wanted, "the disk restored is another")
    site.host.destroy(booted)
    stock_id = site.queued_image()
    peers.stock_store(site, vdi, stock_id, 1)
    peers.swift_upload(site, disk)
    if capped:
        site.host.cap()
    try:
        yield [
            Contender(OURS, functools.partial(_ours, site, point.image_id, disk)),
            Contender(peers.SWIFT_DOWNLOAD, functools.partial(_download, site, disk)),
            Contender(peers.STOCK, functools.partial(_stock, site, stock_id, disk)),
        ]
    finally:
        site.host.cap(None)
        site.host.destroy(vdi)
        site.delete_image(stock_id)
        site.delete_image(point.image_id)
        site.empty(point.container)
        peers.forget_uploads(site)


@contextlib.contextmanager
def _deltas(site: Site, options: Options) -> Iterator[List[Contender]]:
    chain = ours.chain(site, options.size, DELTAS - 1)
    vdi = site.host.load(chain.last)
    site.host.write_blocks(vdi, "last", chain.last.blocks[:1])
    wanted = site.host.control.guest_sha256(vdi)
    deep = ours.snapshot(site, vdi, chain.volume)[1]
    flat = ours.snapshot(site, vdi)[1]
    try:
        for point in (deep, flat):
            made = ours.boot(site, point.image_id)[1]
            check(site.host.control.guest_sha256(made) == wanted, "the disk restored is another")
            site.host.destroy(made)
        yield [Contender(OURS, functools.partial(_ours, site, deep.image_id, chain.last)),
               Contender(FLAT, functools.partial(_ours, site, flat.image_id, chain.last))]
    finally:
        site.host.destroy(vdi)
        for point in (deep, flat):
            site.delete_image(point.image_id)
        site.empty(flat.container)


def _ours(site: Site, image_id: str, disk: Disk) -> Run:
    cost, vdi = ours.boot(site, image_id)
    site.host.destroy(vdi)
    return duration(cost, disk.size)


def _stock(site: Site, image_id: str, disk: Disk) -> Run:
    cost, vdi = peers.stock_fetch(site, image_id)
    site.host.destroy(vdi)
    return duration(cost, disk.size)


def _download(site: Site, disk: Disk) -> Run:
    path = site.directory / "fetched.vhd"
    cost = peers.swift_download(site, peers.PLAIN, "disk", path)
    path.unlink()
    return duration(cost, disk.size)


SCENARIOS = [
    Scenario("restore_flat%s%s" % ("_capped" if capped else "", suffix),
             "a point without ancestors, of %s data, becomes a VDI%s" % (
                 kind, ", host capped at 120 MB/s" if capped else ""),
             "s", LOWER, functools.partial(_flat, kind, capped), by_default=not suffix)
    for kind, capped, suffix in (("random", False, ""), ("random", True, ""),
                                 ("typical", False, "_typical"))
] + [
    Scenario("restore_30_deltas", "a point with 30 deltas of random blocks becomes a VDI", "s",
             LOWER, _deltas, {FLAT: 1.1})]
