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

"""Very many points are listed."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import Any, Iterator, List, Tuple

from bench import many
from bench.disks import MIB
from bench.meter import Cost
from bench.scenario import (
    LOWER,
    OURS,
    Contender,
    Options,
    Run,
    Scenario,
    check,
    duration,
    program,
)
from bench.site import Site

_POINTS = 10_000
_ORPHANS, _REPORT, _PLAIN = "ours, --orphans", "ours, report --html", "swift list"
_AGAIN = "ours, report --html --cache, not the first"
_TIME_LIMIT = 900


@contextlib.contextmanager
def _prepared(site: Site, options: Options) -> Iterator[List[Contender]]:
    count = options.size // MIB
    with many.points(site, count) as store:
        def command(*argv: str) -> Tuple[Any, Cost]:
            with site.meter() as meter:
                done = subprocess.run(
                    [*program("command_line"), "--config-file", str(store.config), *argv, "-f",
                     "json"], check=True, stdout=subprocess.PIPE, timeout=_TIME_LIMIT)
            return json.loads(done.stdout), meter.cost

        def ours(*more: str) -> Run:
            rows, cost = command("image", "list", *more)
            its = [row for row in rows if row["Project"] == "many"]
            check(len(its) == (0 if more else count), "%d of %d points are listed" % (
                len(its), count))
            check(all(row["Orphan"] == "" for row in its), "points are taken for orphans")
            return duration(cost, 0, points=count)

        def report(*more: str) -> Run:
            page = site.directory / "many.html"
            told, cost = command("report", "--html", str(page), *more)
            check(told["points"] == count, "%s points are in the report" % told["points"])
            text = page.read_text(encoding="utf-8")
            check(all(volume in text for volume in store.volumes), "volumes are missing in it")
            return duration(cost, 0, page_bytes=told["size"])

        def again() -> Run:
            cached = ("--cache", str(site.directory / "many.cache"))
            site.once(cached, lambda: report(*cached))
            return report(*cached)

        def plain() -> Run:
            with site.meter() as meter:
                done = subprocess.run(
                    site.swift_command("list", store.names.images), check=True,
                    env=site.swift_environment(), stdout=subprocess.PIPE, timeout=_TIME_LIMIT)
            check(len(done.stdout.split()) == count, "objects are missing in swift's list")
            return duration(meter.cost, 0, points=count)

        yield [Contender(OURS, ours), Contender(_ORPHANS, lambda: ours("--orphans")),
               Contender(_REPORT, report), Contender(_AGAIN, again), Contender(_PLAIN, plain)]


SCENARIOS = [
    Scenario("image_list_10000",
             "as many points as --size has MiB, in volumes of 10, and as many images in Glance, "
             "are listed", "s", LOWER, _prepared, {_PLAIN: 10.0}, size=_POINTS * MIB,
             by_default=False)]
