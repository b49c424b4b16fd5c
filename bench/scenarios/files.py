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

"""A VHD file goes into Swift, and out of it again."""

from __future__ import annotations

import contextlib
import functools
from typing import Iterator, List

from bench import disks, ours, peers
from bench.disks import GIB, Disk
from bench.scenario import HIGHER, OURS, Contender, Options, Run, Scenario, check, rate
from bench.site import Site

_UPLOAD, _DOWNLOAD = {peers.SWIFT_UPLOAD: 0.8}, {peers.SWIFT_DOWNLOAD: 0.8}


@contextlib.contextmanager
def _into_swift(kind: str, site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, kind)

    def ours_once() -> Run:
        cost, point = ours.store_file(site, disk)
        stored = site.used(point.container)
        site.empty(point.container)
        return rate(cost, disk.size, stored)

    def plain_once() -> Run:
        cost = peers.swift_upload(site, disk)
        stored = site.used(peers.PLAIN) + site.used(peers.PLAIN + "_segments")
        peers.forget_uploads(site)
        return rate(cost, disk.size, stored)

    yield [Contender(OURS, ours_once), Contender(peers.SWIFT_UPLOAD, plain_once)]


@contextlib.contextmanager
def _out_of_swift(kind: str, site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, kind)
    point = ours.store_file(site, disk)[1]
    peers.swift_upload(site, disk)
    path = site.directory / "fetched.vhd"
    _check_same(site, disk, point)

    def ours_once() -> Run:
        cost = ours.fetch_file(site, point, path)
        path.unlink()
        return rate(cost, disk.size)

    def plain_once(container: str, name: str) -> Run:
        cost = peers.swift_download(site, container, name, path)
        check(path.stat().st_size == disk.size, "the plain client brought another size")
        path.unlink()
        return rate(cost, disk.size)

    try:
        yield [
            Contender(OURS, ours_once),
            Contender(peers.SWIFT_DOWNLOAD,
                      functools.partial(plain_once, peers.PLAIN, "disk")),
            Contender("swift download of our disk.vhd",
                      functools.partial(plain_once, point.container,
                                        "points/%s/disk.vhd" % point.image_id)),
        ]
    finally:
        site.empty(point.container)
        peers.forget_uploads(site)


def _check_same(site: Site, disk: Disk, point: ours.Stored) -> None:
    path = site.directory / "checked.vhd"
    ours.fetch_file(site, point, path)
    check(disks.same(disk.path, path), "the disk that came back is another")
    path.unlink()


SCENARIOS = [
    Scenario("file_to_swift" + suffix, "a VHD file of %s data into Swift" % kind, "MiB/s", HIGHER,
             functools.partial(_into_swift, kind), _UPLOAD, size)
    for kind, suffix, size in (("random", "", 2 * GIB), ("typical", "_typical", GIB))
] + [
    Scenario("swift_to_file" + suffix, "a point of %s data into a VHD file" % kind, "MiB/s",
             HIGHER, functools.partial(_out_of_swift, kind), _DOWNLOAD, size)
    for kind, suffix, size in (("random", "", 2 * GIB), ("typical", "_typical", GIB))
]
