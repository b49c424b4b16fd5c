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

"""Everything that keeps an installation tidy, in one run: safe to repeat, on several machines.

First what Glance has deleted goes, then what the policy does not keep, then each container is
swept, and those of volumes that are empty by then go.  What fails is told at the end, and keeps
nothing else from being done.
"""

from __future__ import annotations

import dataclasses
import logging
from concurrent import futures
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Union

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import containers, emptied, sweep
from nova_swift_handler.catalog.point import EXPORT, SNAPSHOT, TEMPLATE
from nova_swift_handler.catalog.retention import Policy
from nova_swift_handler.store import parallel, presence, probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.upkeep import census as censuses
from nova_swift_handler.upkeep import prune, reconcile

LOG = logging.getLogger(__name__)

ISO = "iso"


@dataclasses.dataclass
class Kept:
    """What was done.

    :ivar findings: what did not agree with Glance.
    :ivar pruned: image ids of the snapshots that went because of the policy.
    :ivar swept: figures of each container.
    :ivar emptied: containers of volumes that were removed.
    :ivar held: how many there are of each kind of what is stored: those of points, and ``iso``;
        empty if that could not be told.
    :ivar stored: bytes of all objects in the containers that were swept; None if that could not be
        told.
    :ivar errors: what failed.
    """

    findings: List[reconcile.Finding] = dataclasses.field(default_factory=list)
    pruned: List[str] = dataclasses.field(default_factory=list)
    swept: List[sweep.Swept] = dataclasses.field(default_factory=list)
    emptied: List[str] = dataclasses.field(default_factory=list)
    held: Dict[str, int] = dataclasses.field(default_factory=dict)
    stored: Optional[int] = None
    errors: List[Exception] = dataclasses.field(default_factory=list)

    def as_json(self) -> Dict[str, Any]:
        """Return it as a value for JSON."""
        return {"findings": [dataclasses.asdict(each) for each in self.findings],
                "pruned": self.pruned, "swept": [each.as_json() for each in self.swept],
                "emptied": self.emptied, "held": self.held, "stored": self.stored,
                "errors": [str(error) for error in self.errors]}


def run(services: Services, *, policy: Optional[Policy] = None, with_images: bool = False,
        dry_run: bool = False, force: bool = False, young: int = reconcile.YOUNG,
        progress: Callable[[int, int], None] = lambda done, total: None) -> Kept:
    """Do it all.

    :param policy: which snapshots to keep; None keeps all.
    :param with_images: see ``prune.plan``.
    :param force: see ``census.take``.
    :param young: see ``reconcile.YOUNG``.
    :param progress: called with the containers swept so far and how many there are.
    """
    kept = Kept()
    beside_glance(services, kept, policy, with_images, dry_run, force, young)
    try:
        holding = containers.holding(services.account(), services.containers)
    except exceptions.SwiftVhdError as error:
        kept.errors.append(error)
    else:
        swept_all(services, kept, dry_run, progress, holding)
        _remove_emptied(services, kept, dry_run)
        _measure(services, kept)
    return kept


def swept_all(services: Services, kept: Kept, dry_run: bool,
              progress: Callable[[int, int], None], holding: Sequence[str]) -> None:
    """Sweep the containers *holding*, some at a time; add what comes of it to *kept*."""
    account = services.account()

    def swept(container: str) -> Union[sweep.Swept, exceptions.SwiftVhdError, None]:
        try:
            return sweep.sweep(account, container, services.store.sweep_grace, dry_run=dry_run,
                               pool=requests)
        except exceptions.SwiftVhdError as error:
            if isinstance(error, exceptions.ObjectMissing) and _is_gone(account, container):
                return None
            LOG.warning("Not swept: %s: %s", container, error)
            return error

    # Two pools: a sweep waits for its requests, and must not keep them from being made.
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as requests, \
            futures.ThreadPoolExecutor(parallel.CONTAINERS) as pool:
        for number, done in enumerate(pool.map(swept, holding)):
            if isinstance(done, sweep.Swept):
                kept.swept.append(done)
            elif done is not None:
                kept.errors.append(done)
            progress(number + 1, len(holding))


def _remove_emptied(services: Services, kept: Kept, dry_run: bool) -> None:
    account, where = services.account(), services.containers
    for each in kept.swept:
        # Removed a grace after it was made at the earliest: the longest that anybody may take
        # between looking for a container and writing to it, and far more.
        try:
            if not each.live and each.container.startswith(where.volume("")) and emptied.remove(
                    account, each.container, services.store.sweep_grace, dry_run):
                kept.emptied.append(each.container)
        except exceptions.SwiftVhdError as error:
            LOG.warning("Not removed: container %s: %s", each.container, error)
            kept.errors.append(error)


def _measure(services: Services, kept: Kept) -> None:
    account = services.account()

    def used(container: str) -> int:
        try:
            return int(account.head_container(container)["x-container-bytes-used"])
        except exceptions.ObjectMissing:
            return 0

    try:
        with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
            kept.stored = sum(pool.map(used, (each.container for each in kept.swept
                                              if each.container not in kept.emptied)))
    except exceptions.StoreError as error:
        kept.errors.append(error)


def _is_gone(account: Account, container: str) -> bool:
    try:
        return not presence.container_exists(account, container)
    except exceptions.StoreError:
        return False


def beside_glance(services: Services, kept: Kept, policy: Optional[Policy], with_images: bool,
                  dry_run: bool, force: bool, young: int) -> None:
    """Delete what Glance has no more and what the policy does not keep; add that to *kept*."""
    try:
        ours = services.credentials.session()
        account, images = services.account(ours), services.images(None, ours)
        where = services.containers
        abilities = probe.abilities(account, where.index)
        census = censuses.take(account, where, images, force)
        kept.findings = reconcile.reconcile(account, where, abilities, images, census,
                                            dry_run=dry_run, young=young)
        kept.errors += [exceptions.SwiftVhdError("%s/%s: %s" % (
            each.container, each.image_id, each.detail))
            for each in kept.findings if each.what == reconcile.FAILED]
        went = {each.image_id for each in kept.findings if each.what == reconcile.DELETED}
        for verdict in prune.plan(census, policy, with_images) if policy else []:
            image_id = verdict.point.image_id
            if not verdict.keep and image_id not in went:
                _prune(kept, lambda: prune.delete(
                    account, where, abilities, images, census,
                    image_id), image_id, dry_run)  # noqa: B023  (called at once)
        kept.held = _count(each for each in census.held.values() if dry_run
                           or each.image_id not in {*went, *kept.pruned})
    except exceptions.SwiftVhdError as error:
        LOG.warning("Not compared with Glance: %s", error)
        kept.errors.append(error)


def _count(held: Iterable[censuses.Held]) -> Dict[str, int]:
    counts = dict.fromkeys((SNAPSHOT, TEMPLATE, EXPORT, ISO), 0)
    for each in held:
        counts[each.point.kind if each.point is not None else ISO] += 1
    return counts


def _prune(kept: Kept, delete: Callable[[], None], image_id: str, dry_run: bool) -> None:
    try:
        if not dry_run:
            delete()
        kept.pruned.append(image_id)
    except exceptions.SwiftVhdError as error:
        kept.errors.append(error)
