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

"""A readers/writer lock: disk I/O shares it piece by piece, structure changes own it."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator


class SharedLock:
    """Many sharers or one owner; a waiting owner goes first.  Not re-entrant."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._sharers = 0
        self._owned = False
        self._waiting = 0

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it together with other sharers."""
        with self._condition:
            while self._owned or self._waiting:
                self._condition.wait()
            self._sharers += 1
        try:
            yield
        finally:
            with self._condition:
                self._sharers -= 1
                if not self._sharers:
                    self._condition.notify_all()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold it alone."""
        with self._condition:
            self._waiting += 1
            while self._owned or self._sharers:
                self._condition.wait()
            self._waiting -= 1
            self._owned = True
        try:
            yield
        finally:
            with self._condition:
                self._owned = False
                self._condition.notify_all()
