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

"""Bring what is stored into line with Glance: what was deleted there goes here as well.

So do exports, which have no image, once their time is over.

Its segments are left to the sweep, which gives their space back.
"""

from __future__ import annotations

import dataclasses
import logging
from concurrent import futures
from typing import Callable, List, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, intent, names, offered, summary
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.images import claim
from nova_swift_handler.store import parallel, presence
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account
from nova_swift_handler.upkeep import census as censuses
from nova_swift_handler.upkeep.census import Census, Held

LOG = logging.getLogger(__name__)

YOUNG = 0
"""Seconds: what was stored later than that is left alone.  None by default: an upload has an image
from its beginning, and is announced until that is active."""

DELETED, YOUNGER, EXPIRED, RELINKED, UNNAMED, LOST, FAILED = (
    "image gone: deleted", "image gone: too young to delete", "export expired: deleted",
    "chain mended", "names nothing: removed", "image active, its point lost", "failed")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that was not as it should be.

    :ivar what: one of this module's constants; in a dry run, what would be done.
    :ivar detail: why it failed.
    """

    container: str
    image_id: str
    what: str
    detail: str = ""


def reconcile(account: Account, where: names.Containers, abilities: Abilities,
              images: ImageService, census: Census, *, dry_run: bool = False,
              young: int = YOUNG) -> List[Finding]:
    """Do it; return what was found.  What fails is among that, and the rest is done.

    :param census: taken just now, see ``census.take``.
    :param young: seconds, see ``YOUNG``.
    """
    found = []
    for held in census.gone():
        found += _forget(account, where, abilities, images, census, held, dry_run, young)
    for held in census.expired():
        found.append(_expire(account, where, abilities, held, dry_run))
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as requests, \
            futures.ThreadPoolExecutor(parallel.CONTAINERS) as pool:
        for mended in pool.map(lambda each: _mend(account, abilities, each, dry_run, requests),
                               (each for each in census.containers if each != where.isos)):
            found += mended
    found += strays(account, where, images, census, dry_run, young)
    if not dry_run:
        _summarise(account, where, census)
    return found


def strays(account: Account, where: names.Containers, images: ImageService, census: Census,
           dry_run: bool, young: int = YOUNG) -> List[Finding]:
    """Look after what leads Glance, or the index, to something that is not held any more."""
    held, before = set(census.held), census.now - young
    return [*_offers(account, where, images, held, before, dry_run),
            *_index(account, where, held, before, dry_run)]


def delete(account: Account, where: names.Containers, abilities: Abilities, held: Held,
           withdraw: Callable[[], None] = lambda: None) -> None:
    """Delete what is stored, whatever it is.

    :param withdraw: see ``deletion.delete``.
    :raises SwiftVhdError: it could not be; delete it again.
    """
    if held.point is None:
        deletion.delete_iso(account, where, held.image_id, withdraw)
    else:
        deletion.delete(account, where, abilities, held.point, withdraw=withdraw)


def _forget(account: Account, where: names.Containers, abilities: Abilities,
            images: ImageService, census: Census, held: Held, dry_run: bool,
            young: int) -> List[Finding]:
    try:
        # It may have been registered again since the census, see ``sync``.  Who does so is
        # announced before the image is there, so that is asked for last.
        if images.exists(held.image_id):
            return []
        if census.now - held.stored < young or held.image_id in intent.storing(
                account, held.container):
            return [Finding(held.container, held.image_id, YOUNGER)]
        if not dry_run:
            delete(account, where, abilities, held,
                   lambda: claim.check_gone(images, held.image_id))
        return [Finding(held.container, held.image_id, DELETED)]
    except claim.Busy:
        return []
    except exceptions.SwiftVhdError as error:
        return [_failed(held.container, held.image_id, error)]


def _expire(account: Account, where: names.Containers, abilities: Abilities, held: Held,
            dry_run: bool) -> Finding:
    try:
        if not dry_run:
            delete(account, where, abilities, held)
        return Finding(held.container, held.image_id, EXPIRED)
    except exceptions.SwiftVhdError as error:
        return _failed(held.container, held.image_id, error)


def _mend(account: Account, abilities: Abilities, container: str, dry_run: bool,
          pool: futures.Executor) -> List[Finding]:
    try:
        if not presence.container_exists(account, container):
            return []  # removed, being empty
        return [Finding(container, image_id, RELINKED)
                for image_id in deletion.relink_broken(
                    account, abilities, container, dry_run, pool)]
    except exceptions.SwiftVhdError as error:
        return [_failed(container, "", error)]


def _offers(account: Account, where: names.Containers, images: ImageService, held: Set[str],
            before: int, dry_run: bool) -> List[Finding]:
    """Look at the objects through which Glance reads, but for those of what is held.

    Those that Glance itself has put there are not ours, and never touched.
    """
    found = []
    for row in list(account.listing(where.images)):
        image_id = row["name"]
        if (image_id in held or not offered.may_be_ours(row)
                or censuses.modified(row["last_modified"]) > before):
            continue
        try:
            view = offered.view(account, where, image_id)
            if view is None or presence.exists(account, *view.lstrip("/").split("/", 1)):
                continue
            if images.exists(image_id):
                found.append(Finding(where.images, image_id, LOST))
                continue
            if not dry_run:
                offered.remove(account, where, image_id)
            found.append(Finding(where.images, image_id, UNNAMED))
        except exceptions.SwiftVhdError as error:
            found.append(_failed(where.images, image_id, error))
    return found


def _index(account: Account, where: names.Containers, held: Set[str], before: int,
           dry_run: bool) -> List[Finding]:
    """Remove the index's entries that lead nowhere."""
    found = []
    for row in list(account.listing(where.index)):
        image_id = row["name"]
        if (image_id in held or image_id.startswith(".")
                or censuses.modified(row["last_modified"]) > before):
            continue
        try:
            entry = account.get_json(where.index, image_id)
            if any(presence.exists(account, entry["container"], name) for name in (
                    entry["view"], names.of_point(image_id, names.POINT))):
                continue
            if not dry_run:
                account.delete(where.index, image_id)
            found.append(Finding(where.index, image_id, UNNAMED))
        except exceptions.ObjectMissing:
            continue
        except (exceptions.SwiftVhdError, KeyError, TypeError) as error:
            found.append(_failed(where.index, image_id, error))
    return found


def _summarise(account: Account, where: names.Containers, census: Census) -> None:
    """Write down what lists need, where that was not done when a disk was stored."""
    renewed = 0
    for row in list(account.listing(where.index)):
        held, told = census.held.get(row["name"]), summary.parse(row)
        if held is None or (held.point is None and told is not None):
            continue
        try:
            wanted = (summary.of_point(held.point) if held.point is not None
                      else summary.one(account, where, held.image_id))
            if isinstance(wanted, summary.Summary) and not (told and told.agrees(wanted)):
                summary.renew(account, where, wanted)
                renewed += 1
        except exceptions.SwiftVhdError as error:
            # Lists read the disk itself, then.
            LOG.debug("%s/%s", where.index, row["name"], exc_info=error)
    if renewed:
        LOG.info("Wrote down in the index what lists need of %d disks.", renewed)


def _failed(container: str, image_id: str, error: Exception) -> Finding:
    LOG.debug("%s/%s", container, image_id, exc_info=error)
    return Finding(container, image_id, FAILED, str(error))
