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

"""Whether every object that a container's points live on is there and what it was.

Nothing of the disks is read: sizes and etags are asked for, small objects are read and compared
with what names them.
"""

from __future__ import annotations

import dataclasses
import json
from concurrent import futures
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import closing, finding, lookup, names, properties
from nova_swift_handler.catalog.audit import pointviews
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.point import RANGES, TEMPLATE, Point
from nova_swift_handler.store import lifetime, presence
from nova_swift_handler.store.account import Account

_WORKERS = 8

Wanted = Callable[[str], bool]
"""Tells of an image id whether Glance reads it in place."""


@dataclasses.dataclass
class _Object:
    """An object that points name.

    :ivar etag: as it must be; None if that is not recorded.
    :ivar size: bytes; None if that is not recorded.
    """

    kind: str
    container: str
    name: str
    etag: Optional[str]
    size: Optional[int]
    points: List[str]


def check(account: Account, containers: names.Containers, points: Iterable[Point],
          for_glance: Wanted = lambda image_id: False,
          progress: Callable[[int, int], None] = lambda done, total: None) -> List[Finding]:
    """Return what is wrong with *points*, which are of one container.

    :param for_glance: without it, Glance's objects are checked where they are there.
    :param progress: called with the checks done and to do.
    :raises StoreError: Swift could not be asked.
    """
    wanted = list(points)
    known = {point.image_id: point for point in wanted}
    tasks: List[Callable[[], Iterator[Finding]]] = [
        _bound(_object, account, each) for each in _objects(wanted)]
    for point in wanted:
        tasks += [_bound(_closing, account, point),
                  _bound(pointviews.check, account, point, known),
                  _bound(_index, account, containers, point),
                  _bound(_image, account, containers, point, for_glance)]
    found: List[Finding] = []
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        for done, result in enumerate(pool.map(lambda task: list(task()), tasks), 1):
            found += result
            progress(done, len(tasks))
    return found + list(undescribed(account, wanted))


def _bound(call: Callable[..., Iterator[Finding]], *args: Any) -> Callable[[], Iterator[Finding]]:
    return lambda: call(*args)


def _objects(points: Iterable[Point]) -> Iterable[_Object]:
    found: Dict[Tuple[str, str], _Object] = {}

    def add(point: Point, kind: str, container: str, name: str, etag: Optional[str],
            size: Optional[int]) -> None:
        each = found.setdefault((container, name), _Object(kind, container, name, etag, size, []))
        each.points.append(point.image_id)

    for point in points:
        for segment in point.segments:
            add(point, finding.SEGMENT, segment.container, segment.name, segment.etag,
                segment.size)
        if point.vhd_size:
            add(point, finding.HEAD, point.container,
                names.of_point(point.image_id, names.HEAD), point.head, None)
        for ref in point.regions:
            add(point, finding.TABLE, point.container, ref.table, None, None)
            for part in ref.parts:
                add(point, finding.PART, point.container, part["name"], part["etag"],
                    part["size"])
    return found.values()


def _object(account: Account, each: _Object) -> Iterator[Finding]:
    def bad(problem: str, advice: str = "") -> Finding:
        return Finding(each.kind, each.container, each.name, problem, tuple(each.points),
                       advice=advice)

    try:
        headers = account.headers(each.container, each.name)
        if each.kind == finding.TABLE:
            lookup.check_table(each.name, account.get(each.container, each.name))
    except exceptions.ObjectMissing:
        yield bad(finding.ABSENT)
        return
    except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
        yield bad(str(error))
        return
    except exceptions.StoreUnreachable as error:
        presence.refuse_outage(account, each.container)
        yield bad("it cannot be read: %s" % error)
        return
    etag, size = headers["etag"].strip('"'), int(headers["content-length"])
    if each.size is not None and size != each.size:
        yield bad("it has %d bytes, not %d" % (size, each.size))
    elif each.etag is not None and etag != each.etag:
        yield bad("it has etag %s, not %s: other bytes are there" % (etag, each.etag))
    if lifetime.DELETE_AT in headers:
        yield bad("Swift is to delete it at %s (seconds since 1970)"
                  % headers[lifetime.DELETE_AT],
                  "run `swift-vhd store sweep` now, which takes that back")


def _closing(account: Account, point: Point) -> Iterator[Finding]:
    name = names.closing(point.upload_id)
    try:
        told, _runs = closing.parse(account.get(point.container, name))
        problem = "" if told == point else "it tells of another point, or otherwise of this one"
    except exceptions.ObjectMissing:
        problem = finding.ABSENT
    except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
        problem = str(error)
    if problem:
        yield Finding(finding.CLOSING, point.container, name, problem, (point.image_id,))


def _index(account: Account, containers: names.Containers, point: Point) -> Iterator[Finding]:
    try:
        entry = account.get_json(containers.index, point.image_id)
        found = (entry["container"], entry["view"], entry["kind"])
        problem = "" if found == (point.container, names.of_point(
            point.image_id, names.DISK_VIEW), point.kind) else "it leads elsewhere: %s" % (found,)
    except exceptions.ObjectMissing:
        problem = "it is not there, so no boot finds the image"
    except (exceptions.StoreCorrupt, KeyError, TypeError) as error:
        problem = "it is damaged: %r" % error
    if problem:
        yield Finding(finding.INDEX, containers.index, point.image_id, problem,
                      (point.image_id,))


def _image(account: Account, containers: names.Containers, point: Point,
           for_glance: Wanted) -> Iterator[Finding]:
    # A view of whole segments may hold what is on other disks: Glance may have got a copy.
    def wanted() -> bool:
        return point.stitching == RANGES and for_glance(point.image_id)

    problem = ""
    try:
        headers = account.headers(containers.images, point.image_id)
        stitched = headers.get("x-static-large-object", "").lower() == "true"
        # Glance's own uploads lie there as well, and are none of ours.
        entries = account.manifest(containers.images, point.image_id) if stitched else []
        ours = "/%s/%s" % (point.container, names.of_point(point.image_id, names.DISK_VIEW))
        if len(entries) == 1 and entries[0].path == ours:
            size = int(headers["content-length"])
            if size != point.vhd_size:
                problem = "it gives Glance %d bytes, not %d" % (size, point.vhd_size)
        elif wanted():
            problem = "it is not what Glance is to read: %s" % ours
    except exceptions.ObjectMissing:
        if wanted():
            problem = "it is not there, and Glance has the image active"
    if problem:
        yield Finding(finding.IMAGE, containers.images, point.image_id, problem,
                      (point.image_id,))


def undescribed(account: Account, points: Iterable[Point]) -> Iterator[Finding]:
    """Yield the templates among *points* of which no properties tell."""
    templates = [point for point in points if point.kind == TEMPLATE]
    described = {values.get("id") for container in {point.container for point in templates}
                 for values in properties.each(account, container)}
    for point in templates:
        wanted = properties.of_template(point)
        if wanted and point.image_id not in described:
            yield Finding(finding.PROPERTIES, point.container,
                          properties.object_name(wanted["name"]),
                          "no properties tell of the template", (point.image_id,))


def misdescribed(point: Point, values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what the properties of a template say otherwise than its point does."""
    wanted = {"size": str(point.vhd_size), "virtual_size": str(point.virtual_size),
              "checksum": properties.checksum(point)}
    for key, value in wanted.items():
        if values.get(key) != value:
            yield Finding(
                finding.PROPERTIES, point.container, properties.object_name(values["name"]),
                "it says %s=%s, and the disk's is %s" % (key, values.get(key), value),
                (point.image_id,), advice="delete that object and run `swift-vhd store rebuild`, "
                "which writes it anew")


def sort_key(each: Finding) -> str:
    """Sort findings by object, the same each time."""
    return json.dumps([each.kind, each.container, each.name, each.problem])
