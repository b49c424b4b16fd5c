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

"""An upload is killed and made again."""

from __future__ import annotations

import contextlib
from typing import Iterator, List

from bench import disks, ours
from bench.disks import GIB
from bench.scenario import LOWER, OURS, Contender, Options, Run, Scenario, check, duration
from bench.site import Site

KILLED_AT = 0.9
WHOLE = "the whole upload"


@contextlib.contextmanager
def _resumed(site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, "random")

    def again() -> Run:
        cost, point = ours.store_file_resumed(site, disk, KILLED_AT)
        stored = site.used(point.container)
        sent = stored - point.result["bytes"]
        path = site.directory / "resumed.vhd"
        ours.fetch_file(site, point, path)
        check(disks.same(disk.path, path), "the disk that came back is another")
        path.unlink()
        site.empty(point.container)
        return duration(cost, sent, stored, held_when_killed=point.result["bytes"],
                        sent_again_to_disk=sent / disk.size)

    def whole() -> Run:
        cost, point = ours.store_file(site, disk)
        stored = site.used(point.container)
        site.empty(point.container)
        return duration(cost, disk.size, stored)

    yield [Contender(OURS, again), Contender(WHOLE, whole)]


SCENARIOS = [
    Scenario("resume_killed_upload", "an upload of a file killed at nine tenths, made again", "s",
             LOWER, _resumed, size=10 * GIB, by_default=False)]
