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

"""Several at work on one account, each request of each when its turn comes: any order there is."""

from __future__ import annotations

import random
import threading
from typing import Any, Callable, Dict, List, Optional

from tests.unit.store.memory import MemoryAccount

from .world import Paused


class Stepper:
    """Lets threads make their requests one at a time, in an order that a seed chooses."""

    def __init__(self, account: MemoryAccount, seed: int) -> None:
        self._account = account
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._waiting: Dict[int, bool] = {}
        self._going: List[int] = []

    def run(self, *works: Callable[[MemoryAccount], Any]) -> List[Any]:
        """Do all *works* at once, each with its own way into the account.

        :returns: what each returned, or the exception that it raised.
        """
        results: List[Any] = [None] * len(works)
        self._going = list(range(len(works)))

        def do(number: int) -> None:
            try:
                results[number] = works[number](_Way(self._account, self, number))
            except Exception as error:
                results[number] = error
            finally:
                with self._changed:
                    self._going.remove(number)
                    self._changed.notify_all()

        threads = [threading.Thread(target=do, args=(number,)) for number in self._going]
        for thread in threads:
            thread.start()
        with self._changed:
            while self._going:
                # All who are at work have come to their next request.
                if len(self._waiting) == len(self._going):
                    chosen = self._random.choice(sorted(self._waiting))
                    del self._waiting[chosen]
                    self._changed.notify_all()
                assert self._changed.wait(60), "nobody makes a request any more"
        for thread in threads:
            thread.join()
        return results

    def arrive(self, number: int) -> None:
        """Wait until *number* may make its next request."""
        with self._changed:
            self._waiting[number] = True
            self._changed.notify_all()
            while number in self._waiting:
                assert self._changed.wait(60), "nobody gives turns any more"


class _Way(Paused):
    """One's way into the account; requests of threads of its own are not stepped."""

    def __init__(self, account: MemoryAccount, stepper: Stepper, number: int) -> None:
        super().__init__(account)
        self._stepper = stepper
        self._number = number
        self._thread: Optional[int] = threading.get_ident()

    def request(self, verb: str, container: str, name: str = "") -> None:
        if threading.get_ident() == self._thread:
            self._stepper.arrive(self._number)
