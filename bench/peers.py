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

"""What one would use instead of the package: the plain Swift client, and stock Nova's handler."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from bench.disks import Disk
from bench.host import PASSWORD
from bench.meter import Cost
from bench.scenario import program
from bench.site import Site

PLAIN = "bench-plain"
SWIFT_UPLOAD = "swift upload"
SWIFT_DOWNLOAD = "swift download"
STOCK = "vdi_remote_stream"
STOCK_FAST = "vdi_remote_stream, gzip level 1"

_TIME_LIMIT = 900


def swift_upload(site: Site, disk: Disk, name: str = "disk") -> Cost:
    """Upload a file as *name* with the plain client, as its users do for speed."""
    return _swift(site, "upload", PLAIN, str(disk.path), "-S", "64M", "--use-slo",
                  "--segment-threads", "10", "--object-name", name)


def swift_download(site: Site, container: str, name: str, path: Path) -> Cost:
    """Download an object into a file with the plain client."""
    return _swift(site, "download", container, name, "-o", str(path))


def forget_uploads(site: Site) -> None:
    """Remove all that the plain client uploaded."""
    site.empty(PLAIN, PLAIN + "_segments")


def _swift(site: Site, *arguments: str) -> Cost:
    with site.meter() as meter:
        subprocess.run(site.swift_command(*arguments), env=site.swift_environment(), check=True,
                       stdout=subprocess.DEVNULL, timeout=_TIME_LIMIT)
    return meter.cost


def stock_store(site: Site, vdi: str, image_id: str, level: Optional[int]) -> Cost:
    """Fill an image with a VDI as Nova with ``vdi_remote_stream`` does.

    :param level: of gzip; None for Nova's default.
    """
    return _stock(site, image_id, vdi, level)[0]


def stock_fetch(site: Site, image_id: str) -> Tuple[Cost, str]:
    """Make a VDI of an image as Nova with ``vdi_remote_stream`` does; return its uuid too."""
    cost, answer = _stock(site, image_id, None, None)
    return cost, answer["vdi"]


def _stock(site: Site, image_id: str, vdi: Optional[str],
           level: Optional[int]) -> Tuple[Cost, Dict[str, Any]]:
    user = site.token()
    job = json.dumps({
        "glance": site.env["glance_url"], "xapi": site.host.url, "password": PASSWORD,
        "level": level, "image": image_id, "vdi": vdi, "token": user.token,
        "user_id": user.user_id, "project_id": user.project_id})
    with site.meter() as meter:
        done = subprocess.run(program("stock"), input=job, stdout=subprocess.PIPE, text=True,
                              check=True, timeout=_TIME_LIMIT)
        answer = json.loads(done.stdout.splitlines()[-1])
        meter.note(answer["cpu"], answer["peak"])
    meter.cost.seconds = answer["seconds"]
    return meter.cost, answer
