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

"""A chain of VHDs becomes one VDI: coalesced on the way in, beside the disk flattened before."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import tarfile
import threading
import uuid
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

from bench import ours
from bench.disks import MIB
from bench.scenario import LOWER, OURS, Contender, Options, Run, Scenario, check, duration
from bench.site import USER, Site
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, Layout, Parent
from nova_swift_handler.vhd.reader import StreamReader
from nova_swift_handler.xapi import repository

VHDS = 10
SHARE = 0.05
"""Of the base's blocks, how many each VHD above it has; of every second one half a block."""

STAGED = "the same chain, base first: staged"
FLAT = "the disk flattened before"
_HALF = constants.BLOCK_SIZE // 2
_HALF_BITMAP = FULL_BITMAP[:len(FULL_BITMAP) // 2].ljust(len(FULL_BITMAP), b"\0")


def _make(directory: Path, base: Path, numbers: Sequence[int], virtual_size: int) -> List[Path]:
    """Write the VHDs above *base*, leaf first, that one behind them, then the flattened disk."""
    choice = random.Random(1)  # noqa: S311  (the same blocks in every run)
    disk = _read(base)
    paths = [base]
    with base.open("rb") as file:
        file.seek(68)  # the unique id in a footer
        parent = Parent(file.read(16), "%d.vhd" % (VHDS - 1))
    for level in range(1, VHDS):
        chosen = sorted(choice.sample(list(numbers), max(1, round(len(numbers) * SHARE))))
        unique_id = uuid.uuid4().bytes
        layout = Layout(virtual_size, chosen, unique_id, parent=parent)
        paths.insert(0, directory / ("level-%d.vhd" % level))
        with paths[0].open("wb") as out:
            out.write(layout.head)
            for number in chosen:
                data = os.urandom(constants.BLOCK_SIZE)
                kept = _HALF if level % 2 else constants.BLOCK_SIZE
                disk[number] = data[:kept] + disk[number][kept:]
                out.write(_HALF_BITMAP if level % 2 else FULL_BITMAP)
                out.write(data)
            out.write(layout.footer)
        parent = Parent(unique_id, "%d.vhd" % (VHDS - 1 - level))
    layout = Layout(virtual_size, sorted(disk), uuid.uuid4().bytes)
    paths.append(directory / "flat.vhd")
    with paths[-1].open("wb") as out:
        out.write(layout.head)
        for number in sorted(disk):
            out.write(FULL_BITMAP)
            out.write(disk[number])
        out.write(layout.footer)
    return paths


def _read(path: Path) -> Dict[int, bytes]:
    with path.open("rb") as file:
        return {block.number: bytes(block.data)
                for block in StreamReader(file, path.stat().st_size).blocks()}


def _tgz(path: Path, members: Dict[str, Path]) -> Path:
    # As direct_vhd makes it, which calls gzip; least compression, since nothing here compresses.
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, member in members.items():
            tar.add(str(member), name)
    return path


def _upload(site: Site, path: Path) -> str:
    body = {"name": path.name, "disk_format": "vhd", "container_format": "ovf"}
    image_id = str(site.glance("POST", "/v2/images", json=body).json()["id"])
    with path.open("rb") as file:
        site.session(USER).request(
            "%s/v2/images/%s/file" % (site.env["glance_url"], image_id), "PUT", data=file,
            headers={"Content-Type": "application/octet-stream"})
    path.unlink()
    return image_id


class _Staging:
    """Looks how many bytes of a directory's files there are at most, those that are new."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._before = self._look()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> _Staging:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.peak = max(self.peak, self._look() - self._before)

    def _look(self) -> int:
        total = 0
        # Staging directories are beside the host's and the cloud's, which are left out.
        for path in self._directory.iterdir():
            if path.is_dir() and path.name not in ("host", "cloud"):
                with contextlib.suppress(OSError):
                    total += sum(each.stat().st_size for each in path.rglob("*"))
        return total


def _boot(site: Site, image_id: str, amount: int, wanted: str) -> Run:
    with site.host.session() as session:
        before = repository.measure(session, site.host.sr_ref).free
        with _Staging(site.directory) as staging:
            cost, vdi = ours.boot(site, image_id)
        taken = before - repository.measure(session, site.host.sr_ref).free
    check(site.host.control.guest_sha256(vdi) == wanted, "the disk is another")
    site.host.destroy(vdi)
    return duration(cost, amount, sr_mib=taken / MIB, staged_mib=staging.peak / MIB)


@contextlib.contextmanager
def _chain(site: Site, options: Options) -> Iterator[List[Contender]]:
    disk = site.disk(options.size, "random")
    made = _make(site.directory, disk.path, disk.blocks, disk.virtual_size)
    vhds, flat = made[:-1], made[-1]
    names = ["%d.vhd" % number for number in range(VHDS)]
    wanted = site.host.load(disk._replace(path=flat, size=flat.stat().st_size))
    digest = site.host.control.guest_sha256(wanted)
    site.host.destroy(wanted)
    images, amounts = [], []
    for title, members in (("leaf-first", dict(zip(names, vhds))),
                           ("base-first", dict(list(zip(names, vhds))[::-1])),
                           ("flat", {"0.vhd": flat})):
        amounts.append(sum(path.stat().st_size for path in members.values()))
        images.append(_upload(site, _tgz(site.directory / (title + ".tgz"), members)))
    try:
        yield [Contender(name, functools.partial(_boot, site, image, amount, digest))
               for name, image, amount in zip((OURS, STAGED, FLAT), images, amounts)]
    finally:
        for image in images:
            site.delete_image(image)
        for path in (*vhds[:-1], flat):
            path.unlink()


SCENARIOS = [
    Scenario("coalesce_on_import",
             "a tgz of %d VHDs in Glance, leaf first, becomes one VDI" % VHDS, "s", LOWER,
             _chain, size=256 * MIB, by_default=False)]
