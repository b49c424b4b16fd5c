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

"""Uploads announce themselves, so that no sweep takes what they are about to name.

``intents/<upload id>`` is there while an upload is under way.  It is written anew again and
again: its Last-Modified, by the cluster's clock, is its heartbeat, and it vanishes by itself some
hours after the last one.  A deletion's is ``intents/delete-<image id>-<id>``, so that who brings
that image back sees it.  ``references/<container>`` says for good that points of another
container name segments of this one.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

HEARTBEAT = 300.0
"""Seconds between two heartbeats."""

LIFETIME = 6 * 3600
"""Seconds after the last heartbeat for which an upload must still be reckoned with."""

UPLOAD, DELETE, RAW = "upload", "delete", "raw"


class Intent:
    """The announcement of an upload, or of what else writes views, there while the context is.

    :param container: where it writes.
    :param inherits: segments of *other* containers that its point may name.
    :param kind: ``UPLOAD``, ``DELETE`` or ``RAW``: a sweep holds off for each.
    :raises StoreError: it cannot be announced, so it must not begin.
    """

    def __init__(self, account: Account, container: str, upload_id: str, image_id: str,
                 inherits: Iterable[Segment] = (), kind: str = UPLOAD) -> None:
        self._account = account
        self._container = container
        self._name = (names.deletion(image_id, upload_id) if kind == DELETE
                      else names.intent(upload_id))
        self._value: Dict[str, Any] = {
            "format": 1, "kind": kind, "image_id": image_id,
            "inherits": sorted({(segment.container, segment.name) for segment in inherits
                                if segment.container != container})}
        self._ended = threading.Event()
        self._lapsed = False
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Intent:
        self.refer()
        self.write()
        self._beating.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._ended.set()
        self._beating.join()
        try:
            self._account.delete(self._container, self._name)
        except exceptions.StoreError as failure:
            LOG.info("%s/%s stays until it expires: %s", self._container, self._name, failure)

    def refer(self) -> None:
        """Write the references.

        Again when the point is complete, which keeps them from then on: they are swept when they
        have no use, and may have seemed so if this was stopped for hours.
        """
        for source in sorted({container for container, _name in self._value["inherits"]}):
            self._account.put_json(source, names.reference(self._container),
                                   {"format": 1, "container": self._container})

    def write(self) -> None:
        """Write the announcement, be it for the first time."""
        self._account.put_json(self._container, self._name, self._value,
                               headers={"X-Delete-After": str(LIFETIME)})

    def lapsed(self) -> bool:
        """Tell whether it has expired at any time: this machine, or Swift, was stopped for hours.

        Whoever swept then did not know of what was written and named under it.
        """
        self._lapsed = self._lapsed or not presence.exists(
            self._account, self._container, self._name)
        return self._lapsed

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            try:
                self.lapsed()  # asked before it is there again
                self.write()
            except exceptions.StoreError as error:
                LOG.warning("The heartbeat of an upload could not be written: %s", error)


def under_way(account: Account, container: str) -> List[Dict[str, Any]]:
    """Return the announcements in *container*, each with the ``name`` of its object.

    Those of uploads that died are among them until they expire.
    """
    found = []
    for row in account.listing(container, names.INTENTS):
        try:
            found.append({**account.get_json(container, row["name"]), "name": row["name"]})
        except exceptions.ObjectMissing:
            continue  # it ended since, or expired
    return found


def storing(account: Account, container: str) -> Set[str]:
    """Return the images that are being stored into *container* just now."""
    return {each["image_id"] for each in under_way(account, container)
            if each.get("kind") == UPLOAD}


def deleting(account: Account, container: str, image_id: str) -> Optional[str]:
    """Return the name of an announcement that what is image *image_id*'s is being deleted."""
    for row in account.listing(container, names.deletion(image_id)):
        return str(row["name"])
    return None


def sweeping(account: Account, point: Point) -> bool:
    """Tell whether a sweep is under way, or was killed, where *point* and its segments lie."""
    places = {point.container} | {segment.container for segment in point.segments}
    return any(next(account.listing(container, names.SWEEPS), None) is not None
               for container in sorted(places))


def referring(account: Account, container: str) -> List[str]:
    """Return the containers whose points may name segments of *container*."""
    return [row["name"][len(names.REFERENCES):]
            for row in account.listing(container, names.REFERENCES)]


def inherited(intents: Iterable[Dict[str, Any]]) -> Iterable[Tuple[str, str]]:
    """Yield (container, name) of the segments that *intents* may come to name elsewhere."""
    for intent in intents:
        yield from ((container, name) for container, name in intent.get("inherits", ()))
