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

"""A VHD file becomes a template, and the template a VDI."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import uuid
from typing import Any, Callable, Iterator, List, Tuple

from bench import ours
from bench.disks import GIB
from bench.meter import Cost
from bench.scenario import LOWER, OURS, Contender, Options, Run, Scenario, check, duration, program
from bench.site import SERVICE, Site

UPLOAD = "openstack image create"

_TIME_LIMIT = 900


@contextlib.contextmanager
def _templates(site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, "random")
    vdi = site.host.load(disk)
    wanted = site.host.control.guest_sha256(vdi)
    site.host.destroy(vdi)
    services = site.services()

    def run(name: str, *job: Any) -> Callable[[], Run]:
        def once() -> Run:
            stored, image_id = _made(site, name, job)
            booted, made = ours.boot(site, image_id)
            check(site.host.control.guest_sha256(made) == wanted, "the disk booted is another")
            site.host.destroy(made)
            site.session(SERVICE).delete("%s/v2/images/%s" % (site.env["glance_url"], image_id))
            site.empty(services.containers.templates, services.containers.images)
            return duration(_both(stored, booted), disk.size, create_seconds=stored.seconds,
                            boot_seconds=booted.seconds)

        return once

    try:
        yield [
            Contender(OURS, run("store_template", services, _name(), str(disk.path))),
            Contender(UPLOAD, run("upload_image", site.credentials(), site.env["glance_url"],
                                  _name(), str(disk.path))),
        ]
    finally:
        site.empty(services.containers.templates)


def _name() -> str:
    return "bench %s" % uuid.uuid4()


def _made(site: Site, name: str, job: Tuple[Any, ...]) -> Tuple[Cost, str]:
    """Let a program make an image; return what it took, and the image's id."""
    with site.meter() as meter:
        done = subprocess.run(program(name), input=pickle.dumps(job), check=True,
                              stdout=subprocess.PIPE, timeout=_TIME_LIMIT)
    return meter.cost, done.stdout.decode().strip()


def _both(one: Cost, other: Cost) -> Cost:
    """Return what two pieces of work took, one after the other."""
    return Cost(one.seconds + other.seconds, one.cpu + other.cpu,
                one.cpu_servers + other.cpu_servers, one.cpu_others + other.cpu_others,
                max(one.peak, other.peak), one.requests + other.requests)


SCENARIOS = [
    Scenario("template_2g", "a VHD file becomes a template, and that a VDI", "s", LOWER,
             _templates, size=2 * GIB, by_default=False)]
