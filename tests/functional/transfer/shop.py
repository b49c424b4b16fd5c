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

"""An installation of its own in a real Swift: containers with a prefix that nobody else has."""

from __future__ import annotations

import json
import pathlib
import uuid
from typing import Any, Dict, Iterator, List, Optional, Tuple

from nova_swift_handler.catalog import containers, lookup, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import fetch, jobs, snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import DiskSource, FileSource
from nova_swift_handler.vhd import constants
from tests.functional.store.conftest import Site
from tests.unit.vhd import disks, independent
from tests.unit.vhd.independent import Block

MIB2 = independent.MIB2


class Shop:
    """Stores disks and reads them back.

    :ivar account: the account that holds them, as it is.
    :ivar names: the names of its containers.
    """

    def __init__(self, site: Site, prefix: str, segment_size: int = 20 * MIB2) -> None:
        self.site = site
        self.account = site.account()
        self.names = names.Containers(prefix)
        self._settings = StoreSettings(prefix, segment_size=segment_size)

    def set_up(self) -> None:
        """Make the containers that every installation has."""
        acl = self.site.env["glance_store_acl"]
        for want in containers.wanted(self.names, acl):
            containers.apply(self.account, want, None, dry_run=False)

    def services(self) -> jobs.Services:
        return jobs.Services(self.site.credentials(), self._settings, TransferSettings(),
                             GlanceSettings())

    def store(self, path: pathlib.Path, volume: str, account: Optional[Account] = None,
              image_id: str = "", source: Optional[DiskSource] = None,
              base_image_id: Optional[str] = None) -> Point:
        """Store the VHD at *path* as a point of *volume*, using *account* if given."""
        with snapshot.stored(
                self.services(), account or self.account, self.subject(volume, image_id),
                source or FileSource(str(path)), self.names.volume(volume),
                Report(lambda event: None), for_glance=True,
                base_image_id=base_image_id) as point:
            return point

    @staticmethod
    def subject(volume: str, image_id: str = "") -> Subject:
        return Subject(image_id or str(uuid.uuid4()), "snapshot", volume, "project",
                       "2026-01-01T00:00:00Z", {"host": "h"})

    def find(self, image_id: str) -> Optional[Point]:
        return lookup.find(self.account, self.names, image_id)

    def raw(self, image_id: str, account: Optional[Account] = None) -> bytearray:
        """Return the disk of an image, read as a boot reads it."""
        point = self.find(image_id)
        assert point is not None
        blocks, stored = lookup.blocks(self.account, point)
        disk = bytearray(-(-point.virtual_size // MIB2) * MIB2)
        for number, data in fetch.fetch(account or self.account, blocks, stored, 4):
            disk[number * MIB2:(number + 1) * MIB2] = data
        assert not any(disk[point.virtual_size:]), "something beyond the disk's end"
        del disk[point.virtual_size:]
        return disk

    def http(self, method: str, path: str, **kwargs: Any) -> Any:
        """Ask Swift without anything of ours in between."""
        return self.site.session().request(
            "%s/%s" % (self.site.env["images_account_url"], path), method, raise_exc=False,
            **kwargs)

    def download(self, path: str) -> bytes:
        """Return what a GET of an object gives."""
        answer = self.http("GET", path)
        assert answer.status_code == 200, answer.status_code
        return bytes(answer.content)

    def contents(self) -> Dict[str, List[str]]:
        """Return the names of all objects in all containers."""
        found = json.loads(self.http(
            "GET", "?format=json&prefix=%s-" % self.names.prefix).content or b"[]")
        # The account may learn of a new container late.
        known = {row["name"] for row in found} | set(self._usual())
        return {name: [row["name"] for row in rows] for name, rows in self._listed(known)}

    def _usual(self) -> List[str]:
        return [self.names.index, self.names.images, self.names.templates, self.names.isos,
                *(self.names.volume(volume) for volume in "abc")]

    def _listed(self, known: Any) -> Iterator[Tuple[str, List[Dict[str, Any]]]]:
        for name in sorted(known):
            answer = self.http("GET", name + "?format=json")
            if answer.status_code == 200:
                yield name, answer.json()

    def tear_down(self) -> None:
        """Remove everything."""
        for container, objects in self.contents().items():
            for name in objects:
                self.account.delete(container, name)
            self.http("DELETE", container)


def write_disk(path: pathlib.Path, seed: int = 1, blocks: int = 40,
               less: int = 3 * 512) -> bytes:
    """Write a VHD of so many blocks, less some bytes, at *path*; return what is on its disk.

    It has zero runs, a block that is there and zero, one with a partial bitmap over noise, and a
    last block that is not full but has noise behind its end.
    """
    size = blocks * MIB2 - less
    held = {}
    disk = bytearray(blocks * MIB2)
    full = independent.full(MIB2)
    for number in range(blocks):
        if number % 10 in (3, 4, 5) and number != blocks - 1:
            continue
        data = disks.noise(MIB2, seed * 1000 + number)
        bitmap = full
        if number == 1:
            data = bytes(MIB2)
        if number == 2:
            bits = [index % 3 == 0 for index in range(4096)]
            bitmap = independent.bitmap(bits)
        held[number] = Block(bitmap, data)
        kept = bytearray(data)
        if number == 2:
            for index, bit in enumerate(bits):
                if not bit:
                    kept[index * 512:index * 512 + 512] = bytes(512)
        disk[number * MIB2:(number + 1) * MIB2] = kept
    path.write_bytes(independent.build(size, held))
    assert constants.BLOCK_SIZE == MIB2
    return bytes(disk[:size])
