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

"""Glance is brought in step with many small templates: none differs from it, or some do."""

from __future__ import annotations

import contextlib
import functools
import json
import pickle
import subprocess
from concurrent import futures
from pathlib import Path
from typing import Any, Dict, Iterator, List

from bench.scenario import (
    LOWER,
    OURS,
    Contender,
    Options,
    Run,
    Scenario,
    check,
    program,
)
from bench.site import Site
from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.images import template
from nova_swift_handler.transfer.sources.source import FileSource

_CHANGES = 10
_SIZE = 4 * 1024 * 1024
_TIME_LIMIT = 3600
_WORKERS = 4


def _make(site: Site, count: int) -> int:
    """Store so many templates, of the same small disk."""
    path: Path = site.disk(_SIZE, "random").path

    def one(number: int) -> None:
        template.create(site.services(), "template-%03d" % number, contextlib.nullcontext(
            FileSource(str(path))), attributes=Attributes("private", properties={
                "os_type": "linux"}), progress=lambda done, total: None)

    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(one, range(count)))
    _sync(site)  # the first one writes down what there is
    return count


def _sync(site: Site) -> Dict[str, Any]:
    env = site.env
    job = (site.services(), {"glance": env["glance_url"], "keystone": env["keystone_url"],
                             "swift": env["images_account_url"]})
    done = subprocess.run(program("sync_templates"), input=pickle.dumps(job), check=True,
                          stdout=subprocess.PIPE, timeout=_TIME_LIMIT)
    result: Dict[str, Any] = json.loads(done.stdout)
    check(not result["failed"], "; ".join(result["failed"]))
    return result


@contextlib.contextmanager
def _prepare(count: int, changes: int, site: Site, options: Options) -> Iterator[List[Contender]]:
    site.once(("templates", count), lambda: _make(site, count))
    account, where = site.account, site.services().containers

    def change() -> None:
        """Delete the images of half of them, and change the others'."""
        found = list(properties.every(account, where.templates).values())[:changes]
        images = site.services().images(None, site.session("swift-vhd"))
        for number, values in enumerate(found):
            if number % 2:
                images.delete(values["id"])
            else:
                images.change(values["id"], {"name": "changed", "os_type": "windows"})

    def run() -> Run:
        change()
        with site.meter() as meter:
            result = _sync(site)
        check(result["steps"] == changes, "%d steps" % result["steps"])
        return Run(meter.cost.seconds, meter.cost, 0, more={
            "requests_" + name: float(number) for name, number in result["requests"].items()})

    yield [Contender(OURS, run)]


def _scenario(count: int, changes: int) -> Scenario:
    return Scenario(
        "template_sync_%d%s" % (count, "_changes" if changes else ""),
        "Glance is brought in step with %d templates, %s" % (
            count, "%d of which differ" % changes if changes else "none of which differs"), "s",
        LOWER, functools.partial(_prepare, count, changes), by_default=False)


SCENARIOS = [_scenario(count, changes) for count in (20, 500) for changes in (0, _CHANGES)]
