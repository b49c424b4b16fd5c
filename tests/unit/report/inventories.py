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

"""Inventories that were never stored, for pages of any size."""

from __future__ import annotations

import random
import uuid
from typing import List, Optional, Sequence

from nova_swift_handler.catalog import finding
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.usage import ContainerUsage, PointUsage
from nova_swift_handler.upkeep import reconcile
from nova_swift_handler.upkeep.inventory import ISO, MISSING, Check, Inventory, Item, Volume

NOW = 1795287600
DAY = 86400
GIB = 2 ** 30
HOSTILE = "<script>alert(1)</script>"


class Maker:
    """Makes what an inventory has, the same at each run."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self.projects = [self.id().replace("-", "") for _number in range(20)]

    def id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def item(self, name: str, kind: str = "snapshot", sequence: int = 1,
             parent: Optional[Item] = None, sent: int = GIB, age: int = 10) -> Item:
        """Return a point that was stored *age* days ago, and verified the next day."""
        used = PointUsage(None, 2 * sent, freed=sent // 2)  # type: ignore[arg-type]
        return Item(self.id(), kind, "c", name, self.projects[0], "active", NOW - age * DAY, sent,
                    20 * GIB, sequence, sent, parent.image_id if parent else None, None, used,
                    Check(NOW - (age - 1) * DAY, "all", []), name)

    def volume(self, points: Sequence[Item], unused: int = 0) -> Volume:
        volume_id = self.id()
        usage = ContainerUsage("vhd-volume-" + volume_id, [], unused=unused, condemned=unused // 2)
        usage.logical = sum(2 * each.sent for each in points)
        usage.data = sum(each.sent for each in points)
        usage.stored = usage.data + unused
        return Volume(volume_id, usage, list(points))

    def chain(self, name: str, length: int) -> List[Item]:
        """Return the points of a volume, each on the one before, and branches now and then."""
        found: List[Item] = []
        for number in range(1, length + 1):
            parent = self._random.choice(found[-2:]) if found else None
            found.append(self.item("%s %d" % (name, number), sequence=number, parent=parent,
                                   age=1 + 3 * (length - number)))
            found[-1].project = self.projects[len(name) % 20]
        return found

    def inventory(self, volumes: Sequence[Volume], unknown: str = "") -> Inventory:
        templates = self.volume([self.item("debian", "template")])
        iso = Item(self.id(), ISO, "vhd-isos", "rescue", "", "active", NOW, GIB, GIB)
        return Inventory("vhd", NOW, unknown, list(volumes), templates, [iso], GIB, [])


def small() -> Inventory:
    """Return one with a volume of each kind of trouble, and a hostile name."""
    make = Maker()
    web = make.chain("web", 6)
    web[0].base = make.id()
    bad = make.chain("db", 3)
    bad[1].verified = Check(NOW - DAY, "all", ["c/data/1: block 3 has another SHA-256"])
    bad[2].verified = None
    assert bad[0].usage is not None
    bad[0].usage.missing = 3
    gone = make.chain("gone", 1)
    gone[0].status = MISSING
    lost = make.volume(make.chain("lost", 1))
    lost.usage.unreadable.append(Finding(
        finding.POINT, lost.usage.container, "points/damaged/point.json",
        "a point.json is damaged: " + HOSTILE, ("damaged",)))
    hostile = make.chain(HOSTILE, 2)
    hostile[1].project = HOSTILE
    hostile[1].status = HOSTILE
    hostile[1].machine = HOSTILE
    found = make.inventory([make.volume(web, GIB), make.volume(bad), make.volume(gone),
                            lost, make.volume(hostile), make.volume([])])
    found.strays.append(reconcile.Finding("vhd-images", make.id(), reconcile.LOST))
    return found


def large(volumes: int = 1000) -> Inventory:
    """Return one with many volumes of up to 16 points."""
    make = Maker()
    return make.inventory([make.volume(make.chain("vm-%04d" % number, 1 + number % 16))
                           for number in range(volumes)])
