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

"""Figures of an inventory: what the page draws."""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Tuple

from nova_swift_handler.upkeep.inventory import ISO, Inventory, Item, Volume

MANY = 12
"""Projects that are shown at once."""


class Part(NamedTuple):
    """A part of a whole.

    :ivar size: bytes.
    :ivar help: what it is, in a sentence.
    """

    name: str
    size: float
    help: str = ""


_OBJECTS: Tuple[Tuple[str, Tuple[str, ...], str], ...] = (
    ("Data", ("data",), "Segments that snapshots and templates stand on."),
    ("Tables", ("regions",), "Which block lies where."),
    ("Views", ("views", "manifests", "closings"), "What makes VHDs of segments."),
    ("Other", ("other",), "Properties, notes and the like."),
    ("Unused", ("unused",), "Nothing needs it: left by what was deleted or failed."))


def by_object(inventory: Inventory) -> List[Part]:
    """Return what Swift holds, by what it is for; unused space that is condemned apart."""
    sums = {name: sum(getattr(volume.usage, name) for volume in _containers(inventory))
            for name in ("data", "regions", "views", "manifests", "closings", "other", "unused",
                         "condemned")}
    sums["unused"] -= sums["condemned"]
    parts = [Part(name, sum(sums[each] for each in kinds), text)
             for name, kinds, text in _OBJECTS]
    return [*parts, Part("Condemned", sums["condemned"], "Unused, and about to be deleted."),
            Part("ISOs", inventory.isos_stored, "CD images.")]


def by_kind(inventory: Inventory) -> List[Part]:
    """Return what is stored by kind, shared blocks being divided among those that share them."""
    names = (("snapshot", "Snapshots"), ("template", "Templates"), ("export", "Exports"),
             (ISO, "ISOs"))
    return [Part(name, sum(item.stored for item in inventory.items() if item.kind == kind))
            for kind, name in names]


def by_project(inventory: Inventory) -> List[Part]:
    """Return what is stored by project, the largest first."""
    sums: Dict[str, float] = {}
    counts: Dict[str, int] = {}
    for item in inventory.items():
        sums[item.project] = sums.get(item.project, 0) + item.stored
        counts[item.project] = counts.get(item.project, 0) + 1
    return sorted((Part(project or "(no project)", size, str(counts[project]))
                   for project, size in sums.items()),
                  key=lambda part: (-part.size, part.name))


class Totals(NamedTuple):
    """Sums, in bytes where they are sizes.

    :ivar virtual: of the disks of all points.
    :ivar logical: of all points' blocks that are not zero, as if each had its own.
    :ivar data: of segments that points name.
    :ivar stored: of all objects.
    """

    volumes: int
    points: int
    templates: int
    isos: int
    virtual: int
    logical: int
    data: int
    stored: int

    @property
    def saved(self) -> float:
        """The share of the logical bytes that sharing keeps out of Swift."""
        return saved(self.logical, self.data)


def totals(inventory: Inventory) -> Totals:
    """Return the sums of all."""
    used = list(_containers(inventory))
    return Totals(
        volumes=len(inventory.volumes),
        points=sum(len(volume.points) for volume in inventory.volumes),
        templates=len(inventory.templates.points), isos=len(inventory.isos),
        virtual=sum(point.virtual_size for volume in used for point in volume.points),
        logical=sum(volume.usage.logical for volume in used),
        data=sum(volume.usage.data for volume in used),
        stored=sum(volume.usage.stored for volume in used) + inventory.isos_stored)


def saved(logical: float, stored: float) -> float:
    """Return which part of *logical* bytes need not be stored; from 0 to 1."""
    return max(0.0, 1 - stored / logical) if logical else 0.0


def largest(items: Iterable[Item], count: int) -> List[Item]:
    """Return the items whose deletion would free most."""
    return sorted((item for item in items if item.usage is not None),
                  key=lambda item: -(item.usage.freed if item.usage else 0))[:count]


def oldest(items: Iterable[Item], count: int) -> List[Item]:
    """Return the items that were stored first."""
    return sorted(items, key=lambda item: item.stored_at)[:count]


def _containers(inventory: Inventory) -> Iterable[Volume]:
    return (*inventory.volumes, inventory.templates)
