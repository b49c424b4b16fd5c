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

"""Give a name to one of several who want it at the same time.

A name is taken by its properties object, and Swift cannot be told to write that only if it is not
there.  So who is about to look and write queues for it, as in Lamport's bakery ("A New Solution of
Dijkstra's Concurrent Programming Problem", 1974): it draws a number greater than all that it sees,
and waits for those who have a smaller one or are just drawing.  That needs no more of Swift than
that a listing names what was put before, as sweeps need it too.

``taking/<name>/choosing-<id>`` is there while somebody draws, ``taking/<name>/<number>-<id>``
until it has looked and written, which takes requests and no transfer.  What a command that was
killed has left is passed over on its machine, and vanishes some minutes later for the others.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from typing import Iterator, List, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, properties
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import alive
from nova_swift_handler.transfer.jobs import operator, transfer_id

LOG = logging.getLogger(__name__)

LIFETIME = 900
"""Seconds after which what was left in the queue is gone."""

_TURN = LIFETIME / 2
"""Seconds after which one that came to its turn does not write any more."""

_PATIENCE = 60.0
_PAUSE = 0.05
_CHOOSING = "choosing"

Place = Tuple[str, str]
"""A number, as text of equal length, and who has drawn it."""


class Turn:
    """The right to give a name away, or to take it.

    :param began: when the number was asked for, by the monotonic clock.
    """

    def __init__(self, what: str, began: float) -> None:
        self._what = what
        self._began = began

    def check(self) -> None:
        """See that the turn is not over; call it before each write.

        :raises TransferFailed: it is: this process was stopped for long, or Swift slow.
        """
        if time.monotonic() - self._began > _TURN:
            raise exceptions.TransferFailed(
                "%s was not given away: it took longer than %d s to come to it; say the command "
                "again" % (self._what, _TURN))


@contextlib.contextmanager
def turn(account: Account, container: str, name: str) -> Iterator[Turn]:
    """Wait until nobody else gives away *name* in *container*, and keep others waiting meanwhile.

    :raises NameRefused: somebody does, and does not come to an end.
    :raises StoreError: Swift failed.
    """
    queue = names.taking(name)
    mark = transfer_id(operator())
    own = str(uuid.uuid4())
    began = time.monotonic()
    with alive.announced(mark), contextlib.ExitStack() as left:
        def put(number: str) -> str:
            entry = "%s%s-%s" % (queue, number, own)
            left.callback(_leave, account, container, entry)
            account.put_json(container, entry, {"format": 1, "by": mark},
                             headers={"X-Delete-After": str(LIFETIME)})
            return entry

        choosing = put(_CHOOSING)
        greatest = max([int(number) for number, _who in _queue(account, container, queue)
                        if number != _CHOOSING], default=0)
        place = ("%010d" % (greatest + 1), own)
        put(place[0])
        account.delete(container, choosing)
        _wait(account, container, queue, name, place)
        yield Turn("the name %r in %s" % (name, container), began)


def _wait(account: Account, container: str, queue: str, name: str, place: Place) -> None:
    began = time.monotonic()
    gone: List[Place] = []
    while True:
        before = [each for each in _queue(account, container, queue)
                  if each[1] != place[1] and each not in gone
                  and (each[0] == _CHOOSING or each < place)]
        if not before:
            return
        entry = "%s%s-%s" % (queue, *before[0])
        try:
            by = str(account.get_json(container, entry).get("by"))
        except exceptions.ObjectMissing:
            by = ""  # a listing may be late
        if not by or _is_dead(by):
            gone.append(before[0])
            continue
        if time.monotonic() - began > _PATIENCE:
            raise exceptions.NameRefused(
                "%r in %s is being given to something else by %s; try again. If that was killed, "
                "its announcement %s/%s vanishes within %d minutes, or delete it"
                % (name, container, by.partition("/")[0], container, entry, LIFETIME // 60))
        time.sleep(_PAUSE)


def _queue(account: Account, container: str, queue: str) -> List[Place]:
    found = []
    for row in account.listing(container, queue):
        number, _, who = row["name"][len(queue):].partition("-")
        if number == _CHOOSING or number.isdigit():
            found.append((number, who))
    return sorted(found)


def _is_dead(mark: str) -> bool:
    """Tell whether who made *mark* was killed; of another machine nobody here knows."""
    return mark.startswith(operator() + "/") and not alive.is_alive(mark)


def _leave(account: Account, container: str, entry: str) -> None:
    try:
        account.delete(container, entry)
    except exceptions.StoreError as error:
        LOG.info("%s/%s stays until it expires: %s", container, entry, error)


def give_back(account: Account, container: str, name: str, image_id: str) -> None:
    """Remove the properties of *name*, if they are still image *image_id*'s.

    What fails is logged: the caller has an error of its own to tell.
    """
    try:
        if (properties.read(account, container, name) or {}).get("id") == image_id:
            account.delete(container, properties.object_name(name))
    except exceptions.StoreError as error:
        LOG.warning("%s/%s is left over: %s", container, properties.object_name(name), error)
