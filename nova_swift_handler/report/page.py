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

"""One page of an inventory, with nothing outside itself: no script, style or picture is fetched.

Names on it are users'.  jinja2 escapes each value, and the policy that stands on the page lets a
browser run its own script alone, known by its hash.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import pathlib
import re
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import jinja2

from nova_swift_handler.catalog.audit.record import DRILL
from nova_swift_handler.report import figures, graph
from nova_swift_handler.upkeep import reconcile
from nova_swift_handler.upkeep.inventory import MISSING, Inventory, Item, Volume

_HERE = pathlib.Path(__file__).resolve().parent
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_TOP = 10
_MOST = 200
"""Lines of one kind of finding; more are counted."""

_OVERDUE = 30 * 24 * 3600
"""Seconds after which a verification counts as old."""

_MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a name may have that shows as nothing, or has what stands behind it run backwards."""

_LANES = 8
_LANE_WIDTH = 16


def render(inventory: Inventory, version: str) -> Iterator[str]:
    """Yield the page's text, piece by piece.

    :param version: of this program, for the page's foot.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_HERE)), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(size=size, date=date, time=moment, percent=percent, lane=_x,
                               plain=plain, count=count)
    findings = _findings(inventory)
    largest = figures.largest(_points(inventory), _TOP)
    oldest = figures.oldest(_points(inventory), _TOP)
    anchors = _Anchors([*(line[0] for finding in findings for line in finding["lines"]),
                        *(item.image_id for item in (*largest, *oldest))], inventory)
    style, script = _text("page.css"), _text("page.js")
    return environment.get_template("page.html.j2").generate(
        inventory=inventory, version=version, totals=figures.totals(inventory),
        style=style, script=script,
        policy="default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; "
               "form-action 'none'" % (_hash(style), _hash(script)),
        by_object=_bars(figures.by_object(inventory)), by_kind=_bars(figures.by_kind(inventory)),
        by_project=_bars(figures.by_project(inventory)), most=figures.MANY,
        volumes=sorted((_Card(volume, inventory) for volume in inventory.volumes),
                       key=lambda card: (_natural(card.name), card.id)),
        templates=inventory.templates.points, isos=inventory.isos,
        findings=findings, largest=largest, oldest=oldest, anchors=anchors, check=_Check,
        missing=MISSING,
        overdue=inventory.taken_at - _OVERDUE, never=_never(inventory), days=_OVERDUE // 86400,
        old=sum(1 for item in _points(inventory) if item.verified is not None
                and item.verified.at < inventory.taken_at - _OVERDUE),
        checked=len(_points(inventory)))


def size(value: Optional[float]) -> str:
    """Return a number of bytes with a unit."""
    number, unit = float(value or 0), 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return ("%.0f %s" if not unit or number >= 99.95 else "%.1f %s") % (number, _UNITS[unit])


def date(seconds: float) -> str:
    """Return a day, in UTC."""
    return _utc(seconds).strftime("%Y-%m-%d")


def moment(seconds: float) -> str:
    """Return a time, in UTC."""
    return _utc(seconds).strftime("%Y-%m-%d %H:%M")


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent."""
    return "< 1 %" if 0 < share < 0.005 else "%.0f %%" % (100 * share)


def count(number: int, what: str) -> str:
    """Return a number of things, *what* being one of them."""
    return "%d %s%s" % (number, what, "" if number == 1 else "s")


def plain(name: str) -> str:
    """Return a name without what a reader cannot see."""
    return _MISLEADING.sub("\ufffd", name)


def _natural(name: str) -> Tuple[Tuple[str, int, str], ...]:
    """Return what names are sorted by: web-10 stands behind web-9."""
    return tuple((text.casefold(), len(number), number)
                 for text, number in re.findall(r"(\D*)(\d*)", name))


def _utc(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _x(lane: int) -> int:
    """Return where a lane's line is, in pixels."""
    return _LANE_WIDTH // 2 + min(lane, _LANES) * _LANE_WIDTH


def _points(inventory: Inventory) -> List[Item]:
    return [item for item in inventory.items() if item.usage is not None]


def _never(inventory: Inventory) -> int:
    return sum(1 for item in _points(inventory) if item.verified is None)


def _bars(parts: Sequence[figures.Part]) -> List[Dict[str, Any]]:
    """Return parts with where each stands in a bar of all, in percent."""
    total = sum(part.size for part in parts)
    largest = max((part.size for part in parts), default=0)
    bars: List[Dict[str, Any]] = []
    at = 0.0
    for number, part in enumerate(parts):
        width = 100 * part.size / total if total else 0.0
        bars.append({"name": part.name, "size": part.size, "help": part.help, "number": number,
                     "at": "%.3f%%" % at, "width": "%.3f%%" % width, "share": width / 100,
                     "beside": "%.3f%%" % (100 * part.size / largest if largest else 0)})
        at += width
    return bars


class _Anchors:
    """Which points links lead to: an id is given to each of them once."""

    def __init__(self, wanted: Iterable[str], inventory: Inventory) -> None:
        self._there = set(wanted) & {
            *(item.image_id for item in inventory.items()),
            *(image_id for volume in inventory.volumes for each in volume.usage.unreadable
              for image_id in each.points)}
        self._left = set(self._there)

    def leads(self, image_id: str) -> bool:
        """Tell whether a link leads somewhere."""
        return image_id in self._there

    def take(self, image_id: str) -> bool:
        """Tell whether the point that is drawn now is to be found by links."""
        if image_id not in self._left:
            return False
        self._left.remove(image_id)
        return True


class _Check:
    """How the verification of one item is shown."""

    def __init__(self, item: Item, overdue: int) -> None:
        known = item.verified
        if known is None:
            self.style, self.text = "none", "never"
        elif known.problems:
            self.style, self.text = "bad", "%d bad, %s" % (len(known.problems), date(known.at))
        else:
            self.style = "old" if known.at < overdue else "good"
            self.text = date(known.at)
        self.level = "" if known is None else {DRILL: "restored"}.get(known.level, known.level)


class _Card:
    """A volume on the page."""

    def __init__(self, volume: Volume, inventory: Inventory) -> None:
        points = volume.points
        newest = max(points, key=lambda item: item.stored_at, default=None)
        self.id = volume.volume_id
        self.name = (newest.machine or newest.name) if newest else ""
        self.projects = sorted({item.project for item in points})
        self.count = len(points)
        self.virtual = newest.virtual_size if newest else 0
        self.logical = volume.usage.logical
        self.stored = volume.usage.stored
        self.saved = figures.saved(volume.usage.logical, volume.usage.data)
        self.newest = newest.stored_at if newest else 0
        self.unused = volume.usage.unused
        self.rows = graph.rows(points)
        self.lanes = min(max((row.lane for row in self.rows), default=0), _LANES)
        checks = [item.verified.at for item in points if item.verified is not None]
        self.checked = len(checks)
        self.oldest_check = min(checks) if checks and len(checks) == len(points) else 0
        self.bad = sum(1 for item in points if (item.verified and item.verified.problems)
                       or (item.usage and item.usage.missing))
        self.unreadable = volume.usage.unreadable
        self.old = 0 < self.oldest_check < inventory.taken_at - _OVERDUE
        self.orphans = sum(1 for item in points if item.status == MISSING)
        # Of what a point was made of the name is worth more than the id.
        self.bases = {item.image_id: item.name for item in inventory.templates.points}


def _findings(inventory: Inventory) -> List[Dict[str, Any]]:
    """Return what needs somebody's attention, worst first."""
    items = inventory.items()
    bad = [(item.image_id, item.name, "; ".join(item.verified.problems[:3]))
           for item in items if item.verified is not None and item.verified.problems]
    incomplete = [(item.image_id, item.name, "lacks %s" % count(item.usage.missing, "object"))
                  for item in items if item.usage is not None and item.usage.missing]
    gone = [(item.image_id, item.name, "%s, stored %s" % (item.kind, date(item.stored_at)))
            for item in items if item.status == MISSING]
    lost = [(each.image_id, "", "") for each in inventory.strays if each.what == reconcile.LOST]
    leads = [(each.image_id, "", each.container) for each in inventory.strays
             if each.what == reconcile.UNNAMED]
    stuck = [(item.image_id, item.name, "status %s" % item.status) for item in items
             if item.status not in (None, MISSING, "active")]
    unreadable = [(image_id, "", each.problem) for volume in (
                      *inventory.volumes, inventory.templates)
                  for each in volume.usage.unreadable for image_id in each.points]
    kinds = (
        ("bad", "Stored, but cannot be read: what only these need counts as unused",
         "swift-vhd store rebuild", unreadable),
        ("bad", "Stored, but objects that it needs are gone", "swift-vhd store verify",
         incomplete),
        ("bad", "Damaged when last verified", "swift-vhd store verify", bad),
        ("bad", "Active in Glance, but the disk is lost", "swift-vhd store rebuild", lost),
        ("warn", "Stored, but the image is not active", "", stuck),
        ("warn", "Stored, but Glance has no image of it", "swift-vhd housekeep", gone),
        ("warn", "Names that lead nowhere", "swift-vhd housekeep", leads))
    return [{"style": style, "title": title, "command": command, "lines": lines[:_MOST],
             "count": len(lines)} for style, title, command, lines in kinds if lines]
