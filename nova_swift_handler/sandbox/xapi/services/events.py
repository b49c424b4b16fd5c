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

"""Events: what has happened to records, asked for with a token or as a subscriber.

After xen-api's xapi_event.ml.  Reading all records for every question is quick enough here.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Sequence, Tuple

from nova_swift_handler.sandbox.xapi.errors import ApiError
from nova_swift_handler.sandbox.xapi.records.changes import Change
from nova_swift_handler.sandbox.xapi.records.database import Values
from nova_swift_handler.sandbox.xapi.rpc.values import Int32

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool

#: Classes whose records make no events.
_SILENT = ("session",)
_DAY = 24 * 3600.0
#: How often a waiting call looks whether its session is still good, seconds.
_GLANCE = 1.0


@dataclasses.dataclass
class _Subscriber:
    """A session that calls event.next: what it wants, and the last change it was told of."""

    classes: List[str]
    last: int


class Events:
    def __init__(self, pool: Pool):
        self._pool = pool
        self._subscribers: Dict[str, _Subscriber] = {}

    def since(self, session: str, classes: Sequence[str], token: str, timeout: float) -> Values:
        """event.from: wait up to ``timeout`` seconds for something to tell.

        Raises EVENT_FROM_TOKEN_PARSE_FAILURE, EVENT_SUBSCRIPTION_PARSE_FAILURE.
        """
        number = _number(token)
        wanted = _filter(classes)
        db = self._pool.db
        with db.lock:
            events, last = self._wait(session, wanted, number, timeout)
            return {
                "events": events,
                "valid_ref_counts": {
                    cls.lower(): Int32(len(db.refs(cls))) for cls in db.schemas},
                "token": "%020d,%020d" % (last, 0),
            }

    def _wait(
        self, session: str, wanted: Callable[[Change], bool], number: int, timeout: float,
    ) -> Tuple[List[Values], int]:
        """Events after ``number``, and the number to ask from next; the database is locked."""
        changes = self._pool.db.changes
        deadline = time.monotonic() + (timeout if 0 <= timeout < _DAY else _DAY)
        while True:
            found = [change for change in changes.since(number) if wanted(change)]
            left = deadline - time.monotonic()
            if found or left <= 0:
                return [self._event(change) for change in found], changes.last
            number = changes.last
            changes.arrived.wait(min(left, _GLANCE))
            self._pool.sessions.check_quietly(session)

    def _event(self, change: Change) -> Values:
        event: Dict[str, Any] = {
            "id": str(change.number), "timestamp": "0.0", "class": change.cls.lower(),
            "operation": change.operation, "ref": change.ref}
        if change.operation != "del":
            event["snapshot"] = self._pool.db.record(change.cls, change.ref)
        return event

    # -- the older way

    def register(self, session: str, classes: Sequence[str]) -> None:
        """event.register: from now on event.next tells this session of these classes."""
        _filter(classes)
        with self._pool.db.lock:
            known = self._subscribers.setdefault(
                session, _Subscriber([], self._pool.db.changes.last))
            known.classes = [*classes, *known.classes]

    def unregister(self, session: str, classes: Sequence[str]) -> None:
        with self._pool.db.lock:
            known = self._subscriber(session)
            known.classes = [item for item in known.classes if item not in classes]

    def next(self, session: str) -> List[Values]:
        """event.next: wait until there is something to tell.  Raises SESSION_NOT_REGISTERED."""
        with self._pool.db.lock:
            known = self._subscriber(session)
            events, known.last = self._wait(
                session, lambda change: _filter(known.classes)(change), known.last, _DAY)
            return events

    def _subscriber(self, session: str) -> _Subscriber:
        try:
            return self._subscribers[session]
        except KeyError:
            raise ApiError("SESSION_NOT_REGISTERED", session) from None


def _number(token: str) -> int:
    parts = token.split(",")
    if token == "":
        return 0
    if len(parts) != 2 or not all(part.lstrip("-").isdigit() for part in parts):
        raise ApiError("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
    return int(parts[0])


def _filter(classes: Sequence[str]) -> Callable[[Change], bool]:
    """What subscriptions select: ``*``, a class, or a class, a slash and a ref."""
    wanted = set()
    for text in classes:
        cls, _, ref = text.partition("/")
        if text != "*" and not cls:
            raise ApiError("EVENT_SUBSCRIPTION_PARSE_FAILURE", text)
        wanted.add((cls.lower(), ref))

    def matches(change: Change) -> bool:
        cls = change.cls.lower()
        return change.cls not in _SILENT and bool(
            wanted & {("*", ""), (cls, ""), (cls, change.ref)})
    return matches
