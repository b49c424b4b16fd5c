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

"""Delete points, any of them and in any order.

To delete a point is to merge its delta into its children: each ``delta.vhd`` that refers to it is
stitched anew of the blocks that differ from an older point.  That moves manifests and no data.
Points of other containers that share segments with it need nothing: they name the segments
themselves, and what still is named stays.  Segments and regions are the sweep's to take.

Every step may be repeated, so a deletion that was killed is finished by doing it again.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from concurrent import futures
from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import (
    containers,
    lookup,
    names,
    offered,
    properties,
    readable,
    relink,
    views,
)
from nova_swift_handler.catalog.intent import DELETE, Intent
from nova_swift_handler.catalog.point import RANGES, TEMPLATE, Point
from nova_swift_handler.catalog.views import Views
from nova_swift_handler.store import parallel, presence
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)


class Deleted(NamedTuple):
    """What became of a point.

    :ivar relinked: image ids of the points whose ``delta.vhd`` refers to another one now.
    :ivar removed: how many objects below the point were removed.
    :ivar unlinked: image ids of the points that have no ``delta.vhd`` any more: they are damaged,
        and it was told to go on.
    """

    relinked: List[str]
    removed: int
    unlinked: List[str]


def delete(account: Account, where: names.Containers, abilities: Abilities, point: Point,
           force: bool = False, withdraw: Callable[[], None] = lambda: None,
           texts: Optional[properties.Texts] = None) -> Deleted:
    """Delete *point*; it may be gone already, in part or in whole.

    What made it visible goes first, then ``point.json``, and at that moment the point is gone.
    Its children are looked for before, so that their chain is whole at any moment, and after:
    an upload that was compared with it may have been completed in between.

    :param force: go on though a child is so damaged that it cannot be relinked.  What is whole of
        that needs no other point, but for its ``delta.vhd``, which would be half a disk that
        looks like one: it is removed, and made anew when the child is mended.
    :param withdraw: takes it from those who know of it elsewhere, or sees once more that nobody
        does: once this is announced, and it is sure that no child stands in the way.  What it
        raises ends this, and nothing is deleted.
    :param texts: see ``properties.every``.
    :raises PointInvalid: a child cannot be relinked; nothing is deleted.
    :raises StoreError: Swift failed; delete it again.
    """
    container = point.container
    with Intent(account, container, str(uuid.uuid4()), point.image_id, kind=DELETE):
        links = _Links(account, abilities, point, force)
        links.mend()
        withdraw()
        _hide(account, where, point.image_id)
        if point.kind == TEMPLATE:
            properties.remove(account, container, point.image_id, texts=texts)
        account.delete(container, names.of_point(point.image_id, names.POINT))
        account.delete(container, names.closing(point.upload_id))
        removed = _remove_below(account, container, point.image_id)
        links.mend()
    return Deleted(links.relinked, removed, links.unlinked)


def find(account: Account, where: names.Containers, image_id: str) -> Optional[Point]:
    """Return the complete point of an image, though the index may have lost it.

    A deletion that was killed may have left the point without its entry.

    :raises PointInvalid: it cannot be read.
    """
    point = lookup.find(account, where, image_id)
    if point is not None or not names.is_id(image_id):
        return point
    for container in containers.holding(account, where):
        with contextlib.suppress(exceptions.ObjectMissing):
            return Point.parse(account.get_json(
                container, names.of_point(image_id, names.POINT)))
    return None


def delete_iso(account: Account, where: names.Containers, image_id: str,
               withdraw: Callable[[], None] = lambda: None) -> Deleted:
    """Delete an ISO; it may be gone already, in part or in whole.

    :param withdraw: see :func:`delete`.
    :raises StoreError: Swift failed; delete it again.
    """
    return delete_named(account, where, where.isos, image_id, withdraw)


def delete_named(account: Account, where: names.Containers, container: str, image_id: str,
                 withdraw: Callable[[], None] = lambda: None,
                 texts: Optional[properties.Texts] = None) -> Deleted:
    """Delete an ISO, or what is left of a template that has no point any more.

    :param withdraw, texts: see :func:`delete`.
    :raises StoreError: Swift failed; delete it again.
    """
    with Intent(account, container, str(uuid.uuid4()), image_id, kind=DELETE):
        withdraw()
        _hide(account, where, image_id)
        properties.remove(account, container, image_id, texts=texts)
        account.delete(container, names.of_point(image_id, names.ISO_VIEW))
        return Deleted([], _remove_below(account, container, image_id), [])


def relink_broken(account: Account, abilities: Abilities, container: str,
                  dry_run: bool = False,
                  pool: Optional[futures.Executor] = None) -> List[str]:
    """Mend the points of *container* whose ``delta.vhd`` is gone or refers to a missing point.

    A deletion that was killed at its end, and never repeated, may leave such, and a forced one.

    :param pool: makes requests, many at a time; None makes one after another.
    :returns: the image ids of these points.
    :raises PointInvalid, StoreError: one cannot be mended; the others are.
    """
    there = {row["name"] for row in account.listing(container, names.POINTS)}
    ids = sorted(name.split("/")[1] for name in there if readable.is_point(name))
    suspected = [image_id for image_id, is_so in zip(ids, parallel.each(
        pool, lambda each: _may_be_broken(account, container, each, there), ids)) if is_so]
    broken = [point for point in _readable(account, container, suspected)
              if _is_broken(account, point)]
    if broken and not dry_run:
        with Intent(account, container, str(uuid.uuid4()), "", kind=DELETE):
            failed: List[exceptions.SwiftVhdError] = []
            for point in broken:
                try:
                    _relink(account, abilities, point, without=None)
                except exceptions.SwiftVhdError as error:
                    failed.append(error)
            if failed:
                raise failed[0]
    return [point.image_id for point in broken]


def _hide(account: Account, where: names.Containers, image_id: str) -> None:
    offered.remove(account, where, image_id)
    account.delete(where.index, image_id)


def _remove_below(account: Account, container: str, image_id: str) -> int:
    below = list(account.listing(container, names.of_point(image_id, "")))
    for row in below:
        account.delete(container, row["name"])
    return len(below)


class _Links:
    """What is done about the children of a point that is to go.

    :ivar relinked: image ids of those that refer to another by now.
    :ivar unlinked: image ids of those that have no ``delta.vhd`` any more.
    """

    def __init__(self, account: Account, abilities: Abilities, point: Point,
                 force: bool) -> None:
        self._account = account
        self._abilities = abilities
        self._point = point
        self._force = force
        self.relinked: List[str] = []
        self.unlinked: List[str] = []

    def mend(self) -> None:
        """Relink the children that there are.

        :raises PointInvalid: one cannot be, and it is not forced.
        :raises StoreError: Swift could not be asked.
        """
        for image_id in list(_children(self._account, self._point)):
            name = names.of_point(image_id, names.POINT)
            try:
                _relink(self._account, self._abilities, Point.parse(
                    self._account.get_json(self._point.container, name)), self._point.image_id)
            except (exceptions.StoreUnreachable, exceptions.StoreAuthFailed):
                raise
            except (exceptions.StoreError, exceptions.PointInvalid) as error:
                if presence.exists(self._account, self._point.container, name):
                    self._unlink(image_id, error)
                continue  # else it was deleted by somebody else meanwhile
            self.relinked.append(image_id)

    def _unlink(self, image_id: str, error: exceptions.SwiftVhdError) -> None:
        container = self._point.container
        if not self._force:
            raise exceptions.PointInvalid(
                "Point %s stays: the %s of point %s/points/%s refers to it, and that one is so "
                "damaged that it cannot be made to refer to another (%s). Run `swift-vhd store "
                "rebuild` or delete that one first; or `swift-vhd snapshot delete --force`, which "
                "removes that %s, as it is of no use alone"
                % (self._point.path, names.DELTA_VIEW, container, image_id, error,
                   names.DELTA_VIEW)) from error
        LOG.warning("Point %s/points/%s is damaged, and has no %s any more, which referred to "
                    "point %s: run `swift-vhd store rebuild`: %s", container, image_id,
                    names.DELTA_VIEW, self._point.image_id, error)
        self._account.delete(container, names.of_point(image_id, names.DELTA_VIEW))
        self.unlinked.append(image_id)


def _relink(account: Account, abilities: Abilities, child: Point,
            without: Optional[str]) -> None:
    writer = Views(account, child.container, abilities)
    try:
        parent = relink.to_older(account, writer, child, without)
        # Whoever deletes that one after this finds the child; who did before did not.
        while parent is not None and not lookup.complete(account, parent):
            parent = relink.to_older(account, writer, child, without)
    except (exceptions.ObjectMissing, exceptions.PointInvalid) as error:
        LOG.warning("What point %s differs in from an older one cannot be read, so its %s becomes "
                    "a whole disk: %s", child.path, names.DELTA_VIEW, error)
        relink.to(account, writer, child, None)


def _children(account: Account, point: Point) -> Iterator[str]:
    """Yield the image ids of the complete points whose ``delta.vhd`` refers to *point*."""
    if point.kind == TEMPLATE:
        return  # a volume of its own, among thousands
    for row in account.listing(point.container, names.POINTS):
        image_id, _, part = row["name"][len(names.POINTS):].partition("/")
        if part != names.POINT or image_id == point.image_id:
            continue
        with contextlib.suppress(exceptions.ObjectMissing):
            if views.parent_of(account, point.container, image_id) == point.image_id:
                yield image_id


def _may_be_broken(account: Account, container: str, image_id: str, there: Set[str]) -> bool:
    """Tell whether :func:`_is_broken` may say so, which is sure and asks for more."""
    try:
        parent = views.parent_of(account, container, image_id)
    except exceptions.ObjectMissing:
        return True
    return parent is not None and names.of_point(parent, names.POINT) not in there


def _readable(account: Account, container: str, ids: Iterable[str]) -> Iterator[Point]:
    for image_id in ids:
        try:
            yield readable.read(account, container, names.of_point(image_id, names.POINT))
        except exceptions.ObjectMissing:
            continue  # a listing may still name what was deleted since
        except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
            LOG.warning("Passing over %s/points/%s: %s", container, image_id, error)


def _is_broken(account: Account, point: Point) -> bool:
    try:
        parent = views.parent_of(account, point.container, point.image_id)
    except exceptions.ObjectMissing:
        # Where views are stitched of whole segments, some points cannot have one.
        return point.stitching == RANGES and lookup.complete(account, point)
    return parent is not None and not presence.exists(
        account, point.container, names.of_point(parent, names.POINT))
