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

"""What a container holds, and what of it lives: everything that a complete point leads to.

Read for the sweep, so nothing may be guessed: what cannot be read, or a listing that may lack
something, is an error and not an answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from concurrent import futures
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import closing, intent, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import parallel, presence
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

_VIEWS = (names.DISK_VIEW, names.DELTA_VIEW, names.RAW_VIEW, names.ISO_VIEW)
_STALE = ("its listing may be old or incomplete, so nothing of it is condemned; this passes by "
          "itself when Swift's container servers catch up")


@dataclasses.dataclass(frozen=True)
class Reading:
    """A container as it was read.

    :ivar rows: its listing's rows, by name.
    :ivar points: image ids of its complete points and ISOs.
    :ivar live: names of the objects that must stay.
    :ivar held: names of the announcements because of which nothing here may be condemned.
    :ivar elsewhere: names of those in containers whose points may name objects of this one.
    """

    rows: Dict[str, Dict[str, Any]]
    points: Set[str]
    live: Set[str]
    held: List[str]
    elsewhere: Set[str]

    def dead(self) -> Iterator[str]:
        """Yield the names of the objects that the sweep may condemn."""
        for name in self.rows:
            if name not in self.live and is_swept(name):
                yield name


def is_swept(name: str) -> bool:
    """Tell whether an object is of a kind that the sweep takes when nothing leads to it."""
    return name.startswith((names.DATA, names.REGIONS, names.POINTS, names.REFERENCES, "zeros/"))


class Reader:
    """Reads one container, again and again: what cannot change is read once.

    :param pool: makes requests, many at a time; None makes one after another.
    """

    def __init__(self, account: Account, container: str,
                 pool: Optional[futures.Executor]) -> None:
        self._account = account
        self._container = container
        self._pool = pool
        self._known: Dict[Tuple[str, str, str], Point] = {}
        self._rows: Dict[str, Dict[str, Any]] = {}

    def read(self, expected: Set[str]) -> Reading:
        """Read the container.

        :param expected: image ids of points that were there before.
        :raises StoreError: a listing failed, or lacks what is there.
        :raises PointInvalid, StoreCorrupt: a point or view cannot be read.
        """
        # Announcements first: who ends one while this reads has completed a point by then, or
        # never will.
        held = sorted(_uploads(self._account, self._container))
        others = self._others()
        self._rows = self._listing()
        points = {point.image_id: point for point in self._points(self._container)}
        isos = {image_id for image_id, part in map(_split, self._rows) if part == names.ISO_VIEW}
        self._check_points(expected, set(points) | isos)
        live: Set[str] = set()
        for point in points.values():
            live |= self._of_point(point)
        if points:
            live.update(names.ZEROS)
        for image_id, part in map(_split, self._rows):
            if image_id in points or image_id in isos:
                live |= self._of_view(image_id, part)
        live |= self._referring(others)
        elsewhere = {each["name"] for announced in others.values() for each in announced}
        return Reading(self._rows, set(points) | isos, live, held, elsewhere)

    def overtaken(self, reading: Reading) -> bool:
        """Tell whether something has begun, or been completed, since *reading*.

        A few requests, where :meth:`read` makes many.
        """
        account, container = self._account, self._container
        if _uploads(account, container):
            return True
        for prefix in (names.POINTS, names.REFERENCES):
            for row in account.listing(container, prefix):
                if row["name"] not in reading.rows and (
                        prefix == names.REFERENCES
                        or _split(row["name"])[1] in (names.POINT, names.ISO_VIEW)):
                    return True
        return any(_uploads(account, other) - reading.elsewhere
                   for other in intent.referring(account, container)
                   if presence.container_exists(account, other))

    def check_uploads(self, reading: Reading) -> None:
        """Ask for the points of uploads whose data seem dead.

        :raises StoreError: one is there, so the listing lacks it.
        """
        uploads = {name.split("/")[1] for name in reading.dead() if name.startswith(names.DATA)}
        for upload_id in sorted(uploads):
            image_id = self._image_of(names.closing(upload_id))
            if image_id is not None and image_id not in reading.points:
                self._check_points({image_id}, set())

    def _others(self) -> Dict[str, List[Dict[str, Any]]]:
        """Return the announcements of each container whose points may name objects of this."""
        found: Dict[str, List[Dict[str, Any]]] = {}
        for other in intent.referring(self._account, self._container):
            try:
                found[other] = intent.under_way(self._account, other)
            except exceptions.ObjectMissing:
                found[other] = []  # it has been removed since, with all its points
        return found

    def _referring(self, others: Dict[str, List[Dict[str, Any]]]) -> Set[str]:
        live: Set[str] = set()
        for other, announced in others.items():
            mine = {name for container, name in intent.inherited(announced)
                    if container == self._container}
            try:
                for point in self._points(other):
                    mine |= {segment.name for segment in point.segments
                             if segment.container == self._container}
            except exceptions.ObjectMissing:
                if presence.container_exists(self._account, other):
                    raise
            if mine:
                live |= mine | {names.reference(other)}
        return live

    def _listing(self) -> Dict[str, Dict[str, Any]]:
        for _attempt in range(3):
            count = _count(self._account, self._container)
            rows = {row["name"]: row for row in self._account.listing(self._container)}
            # Less than before if some were deleted meanwhile; else the listing was cut short.
            if len(rows) >= min(count, _count(self._account, self._container)):
                return rows
        raise exceptions.StoreError(
            "the listing of container %s has %d objects, the container says it has %d: %s"
            % (self._container, len(rows), count, _STALE))

    def _points(self, container: str) -> Iterator[Point]:
        rows: Any = (self._rows.values() if container == self._container
                     else self._account.listing(container, names.POINTS))
        keys = [(container, row["name"], row["hash"]) for row in rows
                if _split(row["name"])[1] == names.POINT]
        for point in parallel.each(self._pool, self._read_once, keys):
            if point is not None:
                yield point

    def _read_once(self, key: Tuple[str, str, str]) -> Optional[Point]:
        container, name, _etag = key
        known = self._known.get(key)
        if known is not None:
            return known if presence.exists(self._account, container, name) else None
        with contextlib.suppress(exceptions.ObjectMissing):  # deleted since it was listed
            known = self._known[key] = self._point(container, name)
        return known

    def _point(self, container: str, name: str) -> Point:
        try:
            return Point.parse(self._account.get_json(container, name))
        except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
            raise exceptions.PointInvalid(
                "%s/%s cannot be read, so what it leads to is not known and nothing is "
                "condemned: %s; make it anew with `swift-vhd store rebuild`, or if the point is "
                "not wanted, delete that object" % (container, name, error)) from error

    def _check_points(self, expected: Set[str], listed: Set[str]) -> None:
        """Ask for the points that the listing should have and lacks.

        :raises StoreError: one is there.
        """
        wanted = {names.of_point(image_id, part) for image_id in expected - listed
                  for part in (names.POINT, names.ISO_VIEW)}
        for name in sorted(wanted):
            if presence.exists(self._account, self._container, name):
                raise exceptions.StoreError(
                    "container %s has %s, and its listing lacks it: %s"
                    % (self._container, name, _STALE))

    def _image_of(self, closing_name: str) -> Optional[str]:
        try:
            return closing.parse(self._account.get(self._container, closing_name))[0].image_id
        except exceptions.ObjectMissing:
            return None
        except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
            LOG.info("%s/%s tells nothing: %s", self._container, closing_name, error)
            return None

    def _of_point(self, point: Point) -> Set[str]:
        live = {segment.name for segment in point.segments
                if segment.container == self._container}
        live.add(names.closing(point.upload_id))
        for ref in point.regions:
            live.add(ref.table)
            live.update(part["name"] for part in ref.parts)
        return live

    def _of_view(self, image_id: str, part: str) -> Set[str]:
        """Return what the object *part* of a complete point keeps alive, itself included."""
        name = names.of_point(image_id, part)
        if "/" in part:
            return set()  # a part of a view: it is for the view to name it
        if part not in _VIEWS:
            return {name}
        parts = names.view_parts(image_id, part)
        if part == names.ISO_VIEW or any(other.startswith(parts) for other in self._rows):
            return {name} | self._named(name, parts)
        return {name}

    def _named(self, name: str, parts: str) -> Set[str]:
        """Return the objects of this container that a stitched object names, however deep."""
        try:
            if self._account.headers(self._container, name, follow=False).get(
                    "x-static-large-object", "").lower() != "true":
                return set()
            entries = self._account.manifest(self._container, name)
        except exceptions.ObjectMissing:
            return set()
        found: Set[str] = set()
        start = "/%s/" % self._container
        for entry in entries:
            if entry.path is not None and entry.path.startswith(start):
                found.add(entry.path[len(start):])
        for part in sorted(found):
            if part.startswith(parts):
                found |= self._named(part, parts)
        return found


def _split(name: str) -> Tuple[str, str]:
    """Return image id and part of an object below a point; empty ones of any other."""
    if not name.startswith(names.POINTS):
        return "", ""
    image_id, _, part = name[len(names.POINTS):].partition("/")
    return image_id, part


def _count(account: Account, container: str) -> int:
    return int(account.head_container(container).get("x-container-object-count", 0))


def _uploads(account: Account, container: str) -> Set[str]:
    """Return the names of the announcements in *container* but for those of sweeps."""
    return {each["name"] for each in intent.under_way(account, container)
            if not each["name"].startswith(names.SWEEPS)}
