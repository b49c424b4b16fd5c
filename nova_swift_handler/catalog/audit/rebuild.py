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

"""Make anew what was lost beside the data: tables, regions, views, ``point.json``, index entries,
properties of templates.

An upload's segments and its closing, below ``data/``, say all that the rest says.  Nothing is
written before the blocks' digests, which the segments' trailers have, add up to the point's.

A closing without a ``point.json`` may be of a point that was lost, of an upload that was killed
just before it was complete, or of a deletion that was killed just before its end.  So such a point
is made only if the index still has it, if Glance has its image active, or if told to.
"""

from __future__ import annotations

import contextlib
import functools
import uuid
from typing import ContextManager, Dict, Iterator, List, NamedTuple, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import closing, finding, inheritance, lookup, names, readable
from nova_swift_handler.catalog.audit import headers
from nova_swift_handler.catalog.audit.remake import Maker
from nova_swift_handler.catalog.blockmap import BlockMap
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.intent import Intent
from nova_swift_handler.catalog.point import RANGES, TEMPLATE, Point
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account

MADE, TO_MAKE, CANDIDATE, LOST = "made", "to make", "candidate", "lost"

_WORKERS = 8


class Outcome(NamedTuple):
    """What became of a point's lost objects.

    :ivar state: ``MADE``; ``TO_MAKE`` in a dry run; ``CANDIDATE`` for a point that is made only
        if told to; ``LOST`` for what cannot be made.
    :ivar what: kinds of objects, see ``finding``.
    :ivar why: how that is known, or why it cannot be.
    """

    image_id: str
    container: str
    state: str
    what: Tuple[str, ...]
    why: str


def rebuild(account: Account, containers: names.Containers, abilities: Abilities,
            container: str, *, dry_run: bool = False, everything: bool = False,
            active: headers.Wanted = lambda image_id: False,
            for_glance: headers.Wanted = lambda image_id: False) -> List[Outcome]:
    """Make anew what the points of *container* lack.

    :param everything: make points of all closings, whatever became of them.
    :param active: tells whether Glance has an image active.
    :param for_glance: tells whether Glance reads it in place.
    :raises StoreError: Swift failed; doing it again goes on.
    """
    work = _Rebuild(account, containers, abilities, container, dry_run, for_glance)
    announced: ContextManager[object] = contextlib.nullcontext() if dry_run else Intent(
        account, container, str(uuid.uuid4()), "")
    made: List[Outcome] = []
    with announced:
        while True:
            found = [*work.points(everything, active), *work.objects()]
            news = [each for each in found if each.state == MADE and each not in made]
            made += news
            # What was made may be what another point's lacked to be made, or to be looked at: a
            # delta.vhd needs the tables of two points, and leads through those to its blocks.
            if not news:
                return made + [each for each in found if each.state != MADE]


class _Rebuild:
    def __init__(self, account: Account, containers: names.Containers, abilities: Abilities,
                 container: str, dry_run: bool, for_glance: headers.Wanted) -> None:
        self._account = account
        self._containers = containers
        self._container = container
        self._dry_run = dry_run
        self._for_glance = for_glance
        self._maker = Maker(account, containers, abilities, container)

    # -- whole points -------------------------------------------------------------------------

    def points(self, everything: bool, active: headers.Wanted) -> Iterator[Outcome]:
        """Make the points that have no ``point.json`` they can be read from."""
        whole, damaged = readable.points(self._account, self._container)
        known = {point.image_id for point in whole}
        uploads = {point.upload_id for point in whole}
        unread = {image_id for each in damaged for image_id in each.points}
        lost: List[Point] = []
        for row in list(self._account.listing(self._container, names.DATA)):
            upload_id, _, part = row["name"][len(names.DATA):].partition("/")
            if part != names.CLOSING or upload_id in uploads:
                continue
            try:
                point, _runs = closing.parse(self._account.get(self._container, row["name"]))
            except exceptions.ObjectMissing:
                continue
            except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
                yield Outcome("", self._container, LOST, (finding.POINT,),
                              "%s: %s" % (row["name"], error))
                continue
            if point.image_id not in known and point.container == self._container:
                lost.append(point)
        for point in sorted(lost, key=lambda each: (each.sequence, each.image_id)):
            unread.discard(point.image_id)
            yield self._point(point, self._reason(point, everything, active))
        for image_id in sorted(unread):
            yield Outcome(image_id, self._container, LOST, (finding.POINT,),
                          "its point.json cannot be read, and there is no closing of it that can")

    def _reason(self, point: Point, everything: bool, active: headers.Wanted) -> str:
        """Return why *point* is to be made; nothing if it is not known to have been lost."""
        try:
            self._account.head(point.container, names.of_point(point.image_id, names.POINT))
            return "its point.json is damaged"
        except exceptions.ObjectMissing:
            pass
        try:
            entry = self._account.get_json(self._containers.index, point.image_id)
            if entry["container"] == point.container:
                return "the index has it"
        except (exceptions.ObjectMissing, exceptions.StoreCorrupt, KeyError, TypeError):
            pass
        if active(point.image_id):
            return "Glance has its image active"
        return "all were asked for" if everything else ""

    def _point(self, point: Point, reason: str) -> Outcome:
        outcome = functools.partial(Outcome, point.image_id, point.container)
        if not reason:
            return outcome(CANDIDATE, (finding.POINT,),
                           "there is a closing and no point: an upload or a deletion was killed, "
                           "or the point was lost; --all makes it")
        try:
            self._refuse_lost(point, set())
            blocks, stored = self._maker.salvaged(point)
            if not self._dry_run:
                self._make(point, blocks, stored)
        except (exceptions.PointInvalid, exceptions.StoreError) as error:
            return outcome(LOST, (finding.POINT,), _why(error))
        return outcome(self._state, (finding.POINT,), reason)

    @property
    def _state(self) -> str:
        return TO_MAKE if self._dry_run else MADE

    def _make(self, point: Point, blocks: BlockMap, stored: List[Segment]) -> None:
        self._maker.regions(point, blocks, stored)
        self._maker.disk(point, blocks, stored)
        self._maker.delta(point)
        # As it was, with fields that a newer release may have written.
        self._account.put_json(
            point.container, names.of_point(point.image_id, names.POINT),
            closing.document(self._account.get(point.container,
                                               names.closing(point.upload_id))))
        self._maker.enter(point)
        if point.kind == TEMPLATE and next(headers.undescribed(self._account, [point]), None):
            self._maker.describe(point)
        if point.stitching == RANGES and self._for_glance(point.image_id):
            self._maker.offer(point)

    # -- single objects -----------------------------------------------------------------------

    def objects(self) -> Iterator[Outcome]:
        """Make what points lack that have their ``point.json``."""
        points, _damaged = readable.points(self._account, self._container)
        found = headers.check(self._account, self._containers, points, self._for_glance)
        wanted = [(point, _of(found, point)) for point in sorted(
            points, key=lambda each: (each.sequence, each.image_id))]
        wanted = [(point, its) for point, its in wanted if its]
        failed: Dict[str, str] = {}
        # First all tables, since one point's delta.vhd needs those of two.
        for step in (self._refuse_lost, self._mend_regions, self._mend_rest):
            for point, its in wanted:
                try:
                    if point.image_id not in failed:
                        step(point, {each.kind for each in its})
                except (exceptions.PointInvalid, exceptions.StoreError) as error:
                    failed[point.image_id] = _why(error)
        for point, its in wanted:
            why = failed.get(point.image_id, "; ".join(
                "%s: %s" % (each.name, each.problem) for each in its))
            yield Outcome(point.image_id, point.container,
                          LOST if point.image_id in failed else self._state,
                          tuple(sorted({each.kind for each in its})), why)

    def _refuse_lost(self, point: Point, _kinds: Set[str]) -> None:
        """Refuse a point whose data are not there: nothing is made that leads nowhere."""
        gone = inheritance.missing(self._account, point.segments, pardon=not self._dry_run)
        if gone:
            raise exceptions.ObjectMissing(
                "segments it lives on are gone, or not what they were: %s" % ", ".join(
                    sorted(segment.path for segment in gone)))

    def _mend_regions(self, point: Point, kinds: Set[str]) -> None:
        if kinds & {finding.TABLE, finding.PART}:
            blocks, stored = self._maker.salvaged(point)
            if not self._dry_run:
                self._maker.regions(point, blocks, stored)

    def _mend_rest(self, point: Point, kinds: Set[str]) -> None:
        if self._dry_run:
            return
        # Tables that were looked at were mended by now, and views seen only through them.
        if kinds & {finding.TABLE, finding.PART, finding.HEAD, finding.DISK, finding.CLOSING}:
            blocks, stored = lookup.blocks(self._account, point)
            if kinds & {finding.HEAD, finding.DISK}:
                self._maker.disk(point, blocks, stored)
            if finding.CLOSING in kinds:
                self._account.put(point.container, names.closing(point.upload_id),
                                  closing.pack(point, blocks, stored))
        if finding.DELTA in kinds:
            self._maker.delta(point)
        if finding.INDEX in kinds:
            self._maker.enter(point)
        if finding.PROPERTIES in kinds:
            self._maker.describe(point)
        if finding.IMAGE in kinds:
            self._maker.offer(point)


def _of(found: List[Finding], point: Point) -> List[Finding]:
    return [each for each in found
            if each.kind in finding.REBUILT and point.image_id in each.points]


def _why(error: Exception) -> str:
    """Return why something cannot be made, unless it was only that Swift could not be asked."""
    if isinstance(error, (exceptions.StoreUnreachable, exceptions.StoreAuthFailed)):
        raise error
    return str(error)
