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

"""Whether the views of a point are stitched of what they should be."""

from __future__ import annotations

import uuid
from typing import Dict, Iterator, List

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import changes, finding, lookup, names, readable, views
from nova_swift_handler.catalog.audit import viewcheck
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.point import WHOLE, Point
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account


def check(account: Account, point: Point, known: Dict[str, Point]) -> Iterator[Finding]:
    """Yield what is wrong with the views of *point*.

    :param known: points of its container, by image id; others are read if one is needed.
    """
    try:
        blocks, stored = lookup.blocks(account, point)
    except (exceptions.ObjectMissing, exceptions.PointInvalid, exceptions.StoreCorrupt):
        # Said of the table already, but for what only the whole of them shows.
        if all(_table_is_whole(account, point, ref.table) for ref in point.regions):
            yield Finding(finding.POINT, point.container,
                          names.of_point(point.image_id, names.POINT),
                          "its tables do not add up to its digest", (point.image_id,))
        return
    whole = _whole_disk(point, blocks, stored)
    # Where only whole segments can be stitched, some views cannot be.
    problem = _problem(account, point, names.DISK_VIEW, whole) if point.vhd_size else ""
    if point.vhd_size and not problem:
        size = account.head(point.container, names.of_point(
            point.image_id, names.DISK_VIEW)).size
        problem = "" if size == point.vhd_size else "it has %d bytes, not %d" % (
            size, point.vhd_size)
    if problem:
        yield _of_view(point, finding.DISK, names.DISK_VIEW, problem)
    problem = _delta_problem(account, point, known, whole)
    if problem:
        yield _of_view(point, finding.DELTA, names.DELTA_VIEW, problem)
    try:
        size = account.head(point.container, names.of_point(point.image_id, names.RAW_VIEW)).size
        if size != point.virtual_size:
            yield _of_view(point, finding.RAW, names.RAW_VIEW, "it has %d bytes, not %d"
                           % (size, point.virtual_size))
    except exceptions.ObjectMissing:
        pass  # it is made on demand


def _whole_disk(point: Point, blocks: BlockMap, stored: List[Segment]) -> viewcheck.Expected:
    """Return what a view of the whole disk of *point* should be."""
    def target(number: int) -> viewcheck.Target:
        place = blocks.get(number)
        assert place is not None
        return viewcheck.Target(stored[place.segment], place.slot)

    return viewcheck.Expected(point.virtual_size, uuid.UUID(point.image_id).bytes, None,
                              blocks.order, target)


def _delta_problem(account: Account, point: Point, known: Dict[str, Point],
                   whole: viewcheck.Expected) -> str:
    try:
        parent_id = views.parent_of(account, point.container, point.image_id)
        if parent_id is None:
            return _problem(account, point, names.DELTA_VIEW, whole)
        parent = known.get(parent_id) or readable.read(
            account, point.container, names.of_point(parent_id, names.POINT))
    except exceptions.ObjectMissing:
        if point.stitching == WHOLE:
            return ""
        return "it, or the point that it refers to, is not there"
    except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
        return "the point that it refers to cannot be read: %s" % error
    if parent.sequence >= point.sequence:
        return "it refers to point %s, which is not older" % parent_id
    try:
        differing = changes.between(account, parent, point)
    except (exceptions.ObjectMissing, exceptions.PointInvalid, exceptions.StoreCorrupt):
        return ""  # said of the parent's tables
    for name in names.ZEROS if any(each.segment is None for each in differing) else ():
        try:
            if not viewcheck.zeros_are_zero(account, point.container, name):
                return "%s, which it names, is not zero" % name
        except exceptions.ObjectMissing:
            return "%s, which it names, is not there" % name
    return _problem(account, point, names.DELTA_VIEW, viewcheck.Expected(
        point.virtual_size, uuid.UUID(point.image_id).bytes, uuid.UUID(parent_id).bytes,
        differing.numbers,
        lambda number: viewcheck.Target(*differing.target(number))))


def _problem(account: Account, point: Point, view: str, expected: viewcheck.Expected) -> str:
    try:
        return viewcheck.problem(account, point.container, names.of_point(
            point.image_id, view), expected) or ""
    except exceptions.ObjectMissing as error:
        return "it, or something it is stitched from, is not there: %s" % error
    except exceptions.StoreError as error:
        # A stitched object whose parts are damaged is refused by 409, or makes Swift fail by 500.
        presence.refuse_outage(account, point.container)
        return "it cannot be read: %s" % error


def _of_view(point: Point, kind: str, view: str, problem: str) -> Finding:
    return Finding(kind, point.container, names.of_point(point.image_id, view), problem,
                   (point.image_id,))


def _table_is_whole(account: Account, point: Point, name: str) -> bool:
    try:
        lookup.check_table(name, account.get(point.container, name))
    except (exceptions.ObjectMissing, exceptions.PointInvalid, exceptions.StoreCorrupt):
        return False
    return True
