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

"""When records were made, changed and deleted: what events are told from.

Every change has a number, greater than all before, also than those before a restart.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from typing import Deque, Dict, Iterator, Tuple

#: Deletions remembered.  Whoever asks after more of them finds out by the counts of records.
_MOST_DELETIONS = 10000


@dataclasses.dataclass(frozen=True)
class Change:
    """What became of a record since a number: ``operation`` is add, mod or del."""

    operation: str
    cls: str
    ref: str
    number: int


class Changes:
    """Guarded by the database's lock, which ``arrived`` is a condition of."""

    def __init__(self, lock: threading.RLock):
        self.arrived = threading.Condition(lock)
        self.last = time.time_ns() // 1000
        #: (class, ref) -> numbers of its creation and its last change
        self._rows: Dict[Tuple[str, str], Tuple[int, int]] = {}
        self._gone: Deque[Tuple[Tuple[str, str], int, int]] = collections.deque(
            maxlen=_MOST_DELETIONS)

    def created(self, cls: str, ref: str) -> None:
        number = self._next()
        self._rows[(cls, ref)] = (number, number)

    def modified(self, cls: str, ref: str) -> None:
        made, _ = self._rows[(cls, ref)]
        self._rows[(cls, ref)] = (made, self._next())

    def deleted(self, cls: str, ref: str) -> None:
        made, _ = self._rows.pop((cls, ref))
        self._gone.append(((cls, ref), made, self._next()))

    def _next(self) -> int:
        self.last += 1
        self.arrived.notify_all()
        return self.last

    def since(self, number: int) -> Iterator[Change]:
        """What happened after ``number``, as event.from tells it: once a record, adds first.

        A record that came and went in between is not told of.
        """
        modified = []
        for (cls, ref), (made, changed) in self._rows.items():
            if made > number:
                yield Change("add", cls, ref, made)
            elif changed > number:
                modified.append(Change("mod", cls, ref, changed))
        yield from modified
        for (cls, ref), made, number_gone in self._gone:
            if number_gone > number >= made:
                yield Change("del", cls, ref, number_gone)
