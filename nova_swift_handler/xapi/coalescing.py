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

"""Have an SR coalesce, and watch it until there is nothing left that it could do.

The collector is the SR's own and decides itself what it does, and when: SR.scan is what starts it
(SM waits up to 300 s before the first run after a boot, so that VMs can start).
"""

from __future__ import annotations

import logging
import time
from typing import Callable, Collection, List, NamedTuple, Optional, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import collectable, errors, repository, tree
from nova_swift_handler.xapi import session as sessions

LOG = logging.getLogger(__name__)

PATIENCE = 1800.0
"""Seconds in which something is to change, where XAPI shows no collector at work."""

_TASK = "Garbage Collection"  # sm, cleanup.py
_POLL = 2.0
_KICK = 60.0


class Outcome(NamedTuple):
    """What came of watching.

    :ivar removed: how many VHDs are gone.
    :ivar left: what the collector will not do, and why.
    """

    removed: int
    left: List[collectable.Work]


def start(session: sessions.Session, sr_ref: str) -> None:
    """Start an SR's collector.

    :raises XapiError: the SR cannot be scanned.
    """
    # It lists all volumes, and waits for whatever holds the SR's lock.
    session.call("SR.scan", sr_ref, read_timeout=session.settings.finish_timeout,
                 doing="scanning an SR, so that its collector starts")


def trigger(session: sessions.Session, sr_ref: str) -> None:
    """Start an SR's collector when something has become collectable; failure is only logged.

    Nothing depends on it, since SM starts it sooner or later.
    """
    try:
        start(session, sr_ref)
    except exceptions.XapiError as error:
        LOG.warning("%s", error)


def watch(session: sessions.Session, sr_ref: str,
          progress: Callable[[int, int], None] = lambda done, total: None,
          patience: float = PATIENCE, of_vdis: Optional[Collection[str]] = None,
          poll: float = _POLL) -> Outcome:
    """Start an SR's collector and wait until it has done all that it can.

    Leaving this early changes nothing: the collector goes on.

    :param progress: called with how many VHDs are gone, and will be as far as can be seen now.
    :param patience: seconds in which something is to change.  A merge shows nothing until it is
        done, except where XAPI has a task for the collector.
    :param of_vdis: wait for the chains of these VDIs (uuids); None is for all.
    :param poll: seconds between two looks.
    :raises XapiError: the collector is switched off and there is something to do, or nothing
        changed in time.
    """
    removed = 0
    before: Set[str] = set()
    shape: Set[Tuple[str, Optional[str]]] = set()
    changed = kicked = time.monotonic()
    start(session, sr_ref)
    while True:
        where, forest = repository.read(session, sr_ref), tree.read(session, sr_ref)
        left = collectable.work(forest, where)
        if of_vdis is not None:
            left = _within(left, forest, of_vdis)
        off = collectable.switched_off(where)
        if off and left:
            raise exceptions.XapiError(
                f"coalescing {where} failed: {len(left)} VHDs could be removed, but {off}")
        todo = {work.vanishing for work in left if work.hindrance is None}
        removed += sum(uuid not in forest.vdis for uuid in before)
        progress(removed, removed + len(todo))
        if not todo:
            return Outcome(removed, left)
        now = time.monotonic()
        seen = {(vdi.uuid, vdi.parent) for vdi in forest.vdis.values()}
        if seen != shape or _at_work(session):
            changed = now
        if now - changed >= patience:
            raise exceptions.XapiError(
                f"coalescing {where} does not come to its end: {len(todo)} VHDs could be removed,"
                f" but nothing has changed for {patience:g} s; look into /var/log/SMlog of the"
                " SR's master, where the collector is SMGC")
        before, shape = todo, seen
        if now - kicked >= _KICK:
            start(session, sr_ref)
            kicked = now
        time.sleep(poll)


def _within(left: List[collectable.Work], forest: tree.Forest,
            of_vdis: Collection[str]) -> List[collectable.Work]:
    chains = {vdi.uuid for uuid in of_vdis for vdi in forest.chain(uuid)}
    return [work for work in left if work.vdi.uuid in chains]


def _at_work(session: sessions.Session) -> bool:
    for task in session.call("task.get_by_name_label", _TASK):
        try:
            if session.call("task.get_status", task) == "pending":
                return True
        except exceptions.XapiError as error:
            if error.code not in errors.ABSENT:
                raise
    return False
