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

"""Many requests at a time, or one after another for whoever must know in which order."""

from __future__ import annotations

from concurrent import futures
from typing import Callable, Iterable, Iterator, Optional, TypeVar

A = TypeVar("A")
R = TypeVar("R")

REQUESTS = 16
"""Requests that a command makes at a time."""

CONTAINERS = 8
"""Containers that it works on at a time."""


def each(pool: Optional[futures.Executor], act: Callable[[A], R],
         wanted: Iterable[A]) -> Iterator[R]:
    """Yield what *act* returns for each of *wanted*, in their order.

    :param pool: does it; None does it here, one when the one before was taken.  Its threads each
        keep a connection, so whoever asks much has one for all.
    """
    return map(act, wanted) if pool is None else pool.map(act, wanted)
