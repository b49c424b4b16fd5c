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

"""The package at work, measured: each function does one thing once."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from bench.disks import Disk
from bench.meter import Cost
from bench.scenario import check, program
from bench.site import Site
from nova_swift_handler.transfer import jobs, process
from nova_swift_handler.vhd.layout import block_count

_TIME_LIMIT = 900


class Stored(NamedTuple):
    """A point.

    :ivar container: that holds it.
    :ivar result: what the job said of it.
    """

    image_id: str
    container: str
    result: Dict[str, Any]


def store_file(site: Site, disk: Disk) -> Tuple[Cost, Stored]:
    """Store a VHD file as a point of a volume of its own."""
    services, volume, image_id = site.services(), site.new_volume(), str(uuid.uuid4())
    container = services.containers.volume(volume)
    cost = _program(site, "store_file", (services, str(disk.path), container, image_id, volume,
                                         None))
    return cost, Stored(image_id, container, {})


def store_file_resumed(site: Site, disk: Disk, end: float) -> Tuple[Cost, Stored]:
    """Store a VHD file whose first upload was killed at the share *end* of the disk.

    The cost is that of the second upload; ``result`` has the ``bytes`` that the container held
    when the first was killed.
    """
    services, volume, image_id = site.services(), site.new_volume(), str(uuid.uuid4())
    container = services.containers.volume(volume)
    job = (services, str(disk.path), container, image_id, volume)
    killed = subprocess.run(program("store_file"), input=pickle.dumps((*job, end)), check=False,
                            stdout=subprocess.DEVNULL, timeout=_TIME_LIMIT)
    check(killed.returncode == -signal.SIGKILL, "the first upload was not killed")
    held = site.used(container)
    cost = _program(site, "store_file", (*job, None))
    return cost, Stored(image_id, container, {"bytes": held})


def fetch_file(site: Site, point: Stored, path: Path) -> Cost:
    """Write a point's disk into a VHD file."""
    return _program(site, "fetch_file", (site.services(), point.image_id, str(path)))


def delete(site: Site, image_id: str) -> Cost:
    """Delete a point that no image of Glance names."""
    return _program(site, "delete_point", (site.services(), image_id))


class Chain(NamedTuple):
    """A volume with many points.

    :ivar image_ids: the points', oldest first; no images of Glance.
    :ivar last: the disk of the last one.
    """

    volume: str
    container: str
    image_ids: List[str]
    last: Disk


def chain(site: Site, size: int, deltas: int) -> Chain:
    """Return a volume of a full point and so many deltas of 1 % of its blocks, at random.

    The same one each time it is asked for.
    """
    return site.once(("chain", size, deltas), lambda: _make_chain(site, size, deltas))


def _make_chain(site: Site, size: int, deltas: int) -> Chain:
    disk, services, volume = site.disk(size, "random"), site.services(), site.new_volume()
    container = services.containers.volume(volume)
    path = disk.path.with_name("chain-%d-%d.vhd" % (size, deltas))
    job = (services, str(disk.path), container, volume, deltas, 0.01, str(path))
    done = subprocess.run(program("store_chain"), input=pickle.dumps(job), check=True,
                          stdout=subprocess.PIPE, timeout=_TIME_LIMIT)
    return Chain(volume, container, json.loads(done.stdout), disk._replace(path=path))


class Large(NamedTuple):
    """A volume with a point of a large disk, see :mod:`bench.programs.large_disk`."""

    volume: str
    container: str
    virtual_size: int

    @property
    def blocks(self) -> int:
        """How many blocks the disk has."""
        return block_count(self.virtual_size)


def large(site: Site, size: int, virtual_size: int) -> Large:
    """Store the first point of a large disk.

    :param size: bytes of data that Swift really gets.
    """
    volume = site.new_volume()
    container = site.services().containers.volume(volume)
    disk = site.disk(size, "random")
    _program(site, "store_chain", (site.services(), str(disk.path), container, volume, 0, 0.0,
                                   os.devnull))
    made = Large(volume, container, virtual_size)
    _program(site, "large_disk", ("parent", site.services(), container, volume, virtual_size,
                                  0.0, 0))
    return made


def large_second(site: Site, disk: Large, share: float, seed: int) -> Cost:
    """Snapshot a large disk after a share of its blocks changed."""
    return _program(site, "large_disk", (
        "second", site.services(), disk.container, disk.volume, disk.virtual_size, share, seed))


def _program(site: Site, name: str, job: Any) -> Cost:
    with site.meter() as meter:
        subprocess.run(program(name), input=pickle.dumps(job), check=True,
                       stdout=subprocess.DEVNULL, timeout=_TIME_LIMIT)
    return meter.cost


def snapshot(site: Site, vdi: str, volume: Optional[str] = None) -> Tuple[Cost, Stored]:
    """Store a snapshot VDI as nova-compute does, from the handler's call to the active image.

    :param volume: what it is a snapshot of; a new one by default.
    """
    services = site.services(site.host.settings)
    volume = volume or site.new_volume()
    job = jobs.SnapshotJob(
        services=services, user=site.token(), image_id=site.queued_image(), vdi_uuid=vdi,
        volume_id=volume, properties={"os_type": "linux"}, origin={})
    with site.meter() as meter:
        result = process.run(job)
    return meter.cost, Stored(job.image_id, services.containers.volume(volume), result)


def boot(site: Site, image_id: str) -> Tuple[Cost, str]:
    """Make a VDI of an image as nova-compute does; return its uuid too."""
    job = jobs.BootJob(
        services=site.services(site.host.settings), user=site.token(), image_id=image_id,
        sr_ref=site.host.sr_ref, name_label="instance", description="", other_config={})
    with site.meter() as meter:
        result = process.run(job)
    return meter.cost, str(result["vdi_uuid"])
