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

"""Give the space back that nothing needs any more: condemn what is dead, pardon what lives.

A sweep deletes nothing.  It sets a date of expiry, a grace from now, on what no complete point
leads to, and takes it away from what one leads to.  Nothing is locked:

1. It announces itself, so that an upload that ends meanwhile looks after its segments itself.
2. It reads who else is at work, then all points, here and in the containers that refer here.  If
   an upload or a deletion is under way here, nothing is condemned.
3. It condemns what is dead, some objects at a time, and stops if somebody begins.
4. It reads all that again, and pardons what lives by then; everything it condemned, if somebody
   is at work by then.
5. It remembers which points there were, and removes its announcement.

So nothing that lives when a sweep ends is condemned.  One that is killed between 3 and 4 may
leave something condemned that came to life just then; the next sweep that ends pardons it, and
has the whole grace for it.
"""

from __future__ import annotations

import calendar
import dataclasses
import email.utils
import itertools
import logging
import time
import uuid
from concurrent import futures
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Set

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import intent, names
from nova_swift_handler.catalog.living import Reader, Reading
from nova_swift_handler.store import lifetime, parallel
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

STATE = "sweep.json"
"""The object in each container that says which points the last sweep has seen."""

LEAST_GRACE = 2 * intent.LIFETIME
"""Seconds; an upload that died must be over long before what it used expires."""

_LONGEST = 3600
"""Seconds by the cluster's clock for which one sweep condemns; the next one does the rest."""

_BATCH = 64


@dataclasses.dataclass
class Swept:
    """What a sweep of a container found and did.

    :ivar live: objects that must stay.
    :ivar condemned: objects that will be deleted for this sweep.
    :ivar waiting: objects that were condemned before.
    :ivar spared: dead objects that were left alone: too young, or somebody is at work here.
    :ivar pardoned: objects that were condemned and live.
    :ivar lost: objects that live, and are not there.
    :ivar bytes: bytes of data that condemning gives back, in time.
    """

    container: str
    live: int = 0
    condemned: int = 0
    waiting: int = 0
    spared: int = 0
    pardoned: int = 0
    lost: int = 0
    bytes: int = 0

    def as_json(self) -> Dict[str, Any]:
        """Return it as a value for JSON."""
        return dataclasses.asdict(self)


def sweep(account: Account, container: str, grace: int, *, dry_run: bool = False,
          young: int = intent.LIFETIME, pool: Optional[futures.Executor] = None,
          progress: Callable[[int, int], None] = lambda done, total: None) -> Swept:
    """Sweep *container*, one of a volume, or that of the templates or the ISOs.

    :param grace: seconds from now until what is condemned is deleted.
    :param dry_run: change nothing, and tell what would be done.
    :param young: seconds; what is not older is not condemned, for who writes unannounced; data
        are whatever their age.
    :param pool: makes requests, many at a time; None makes one after another.
    :param progress: called with the objects done so far and how many there are to do.
    :raises ConfigError: the grace is too short.
    :raises StoreError: a listing failed or may lack something, or Swift failed.
    :raises PointInvalid: a point cannot be read, so what lives is not known.

    After an error nothing that lives is condemned, but if the error says so.
    """
    if grace < LEAST_GRACE:
        raise exceptions.ConfigError(
            "the grace of a sweep cannot be %d seconds: uploads are reckoned with for %d, so it "
            "must be %d at least" % (grace, intent.LIFETIME, LEAST_GRACE))
    made = _Sweep(account, container, grace, young, pool, progress)
    return made.look() if dry_run else made.run()


class _Sweep:
    def __init__(self, account: Account, container: str, grace: int, young: int,
                 pool: Optional[futures.Executor], progress: Callable[[int, int], None]) -> None:
        self._account = account
        self._container = container
        self._grace = grace
        self._young = young
        self._pool = pool
        self._progress = progress
        self._name = names.SWEEPS + str(uuid.uuid4())
        self._reader = Reader(account, container, pool)
        self._condemned: List[str] = []
        self._found = Swept(container)
        self._start = 0

    def look(self) -> Swept:
        """Change nothing."""
        self._start = self._now()
        reading = self._read(self._seen())
        dead = list(self._candidates(reading))
        for name, has_date in zip(dead, parallel.each(self._pool, self._has_date, dead)):
            if has_date:
                self._found.waiting += 1
            else:
                self._count(reading, name)
        self._found.pardoned = sum(parallel.each(
            self._pool, self._has_date, sorted(reading.live)))
        self._found.live = len(reading.live)
        return self._found

    def run(self) -> Swept:
        self._start = self._now()
        self._account.put_json(self._container, self._name, {"format": 1, "kind": "sweep"},
                               headers={"X-Delete-After": str(self._grace)})
        try:
            first = self._read(self._seen())
            self._condemn(first)
            second = self._read(first.points)
        except BaseException as error:
            self._take_back(error)
            raise
        if second.held:
            self._found.spared += len(self._condemned)
            self._pardon(self._condemned)
            self._found.condemned = self._found.bytes = 0
        self._found.live = len(second.live)
        self._found.pardoned = self._pardon(sorted(second.live), second)
        self._remember(second)
        for name in self._over(second):
            self._account.delete(self._container, name)
        return self._found

    def _read(self, expected: Set[str]) -> Reading:
        reading = self._reader.read(expected)
        self._reader.check_uploads(reading)
        return reading

    def _candidates(self, reading: Reading) -> Iterator[str]:
        """Yield what may be condemned; count the rest of what is dead."""
        for name in reading.dead():
            age = self._start - _modified(reading.rows[name])
            if reading.held or age < self._least_age(name):
                self._found.spared += 1
            else:
                yield name

    def _least_age(self, name: str) -> int:
        if name.startswith(names.REFERENCES):
            # Written before the announcement that tells what it is for.
            return max(self._young, intent.LIFETIME)
        # Only announced uploads write data.
        return 0 if name.startswith(names.DATA) else self._young

    def _condemn(self, reading: Reading) -> None:
        dead = list(self._candidates(reading))
        at = self._start + self._grace
        for batch in _batches(dead):
            if (self._now() - self._start > _LONGEST or self._reader.overtaken(reading)):
                LOG.info("Leaving what else is dead in %s to the next sweep: somebody is at work "
                         "there, or this one took long", self._container)
                break
            # Before it is done: the answer may be lost.
            self._condemned += batch
            done = self._each(lambda name: lifetime.condemn(
                self._account, self._container, name, at), batch)
            for name, what in done.items():
                if what:
                    self._count(reading, name)
                elif what is not None:
                    self._found.waiting += 1
                    self._condemned.remove(name)  # not by this sweep
            self._progress(len(self._condemned), len(dead))

    def _pardon(self, wanted: List[str], reading: Optional[Reading] = None) -> int:
        pardoned = 0
        for batch in _batches(wanted):
            done = self._each(lambda name: lifetime.pardon(
                self._account, self._container, name), batch)
            pardoned += sum(what is True for what in done.values())
            if reading is not None:
                for name, what in done.items():
                    if what is None and _needed(name):
                        self._found.lost += 1
                        LOG.error("%s/%s is gone, and a point needs it: run `swift-vhd store "
                                  "verify`", self._container, name)
        return pardoned

    def _each(self, act: Callable[[str], bool],
              wanted: List[str]) -> Mapping[str, Optional[bool]]:
        """Return what *act* says of each object; None of one that is gone."""
        def tried(name: str) -> Optional[bool]:
            try:
                return act(name)
            except exceptions.ObjectMissing:
                return None

        return dict(zip(wanted, parallel.each(self._pool, tried, wanted)))

    def _take_back(self, error: BaseException) -> None:
        try:
            self._pardon(self._condemned)
            self._account.delete(self._container, self._name)
        except exceptions.StoreError as failure:
            LOG.error("The sweep of %s failed (%s), and up to %d objects that it condemned stay "
                      "so until the next one (%s): have that run within %d hours",
                      self._container, error, len(self._condemned), failure,
                      self._grace // 3600)

    def _count(self, reading: Reading, name: str) -> None:
        self._found.condemned += 1
        # The listing gives what is stitched the length of what it is stitched from.
        if name.startswith(names.DATA) or name.endswith(".table"):
            self._found.bytes += reading.rows[name]["bytes"]

    def _has_date(self, name: str) -> bool:
        try:
            return lifetime.DELETE_AT in self._account.headers(self._container, name,
                                                               follow=False)
        except exceptions.ObjectMissing:
            return False

    def _seen(self) -> Set[str]:
        try:
            return set(self._account.get_json(self._container, STATE)["points"])
        except exceptions.ObjectMissing:
            return set()
        except (exceptions.StoreCorrupt, KeyError, TypeError) as error:
            LOG.warning("%s/%s is damaged, so it is not known which points there were: %s",
                        self._container, STATE, error)
            return set()

    def _remember(self, reading: Reading) -> None:
        self._account.put_json(self._container, STATE, {
            "format": 1, "points": sorted(reading.points),
            "completed": email.utils.formatdate(self._now(), usegmt=True)})

    def _over(self, reading: Reading) -> List[str]:
        """Return the announcements of this sweep and of others that condemn no more."""
        return [self._name] + [
            name for name, row in reading.rows.items() if name.startswith(names.SWEEPS)
            and self._start - _modified(row) > 2 * _LONGEST]

    def _now(self) -> int:
        return calendar.timegm(self._account.clock(self._container).utctimetuple())


def _batches(wanted: Iterable[str]) -> Iterator[List[str]]:
    left = iter(wanted)
    return iter(lambda: list(itertools.islice(left, _BATCH)), [])


def _needed(name: str) -> bool:
    return (name.startswith((names.DATA, names.REGIONS))
            and not name.endswith("/" + names.CLOSING))


def _modified(row: Mapping[str, Any]) -> int:
    """Return when a listed object was written, in seconds since 1970."""
    text = row["last_modified"].partition(".")[0].rstrip("Z")
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
