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

"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, Dict, Iterator

import tqdm


@contextlib.contextmanager
def bar(label: str, unit: str = "B") -> Iterator[Callable[[int, int], None]]:
    """Give a function that takes how many bytes, or what *unit* says, are done and there are."""
    with tqdm.tqdm(desc=label, unit=unit, unit_scale=True, unit_divisor=1024,
                   disable=not sys.stderr.isatty(), file=sys.stderr) as shown:
        def update(done: int, total: int) -> None:
            shown.total = total
            shown.update(min(done, total) - shown.n)

        yield update


def events(update: Callable[[int, int], None]) -> Callable[[Dict[str, Any]], None]:
    """Return what takes the events of a transfer's report, and shows those about progress."""
    def take(event: Dict[str, Any]) -> None:
        if event["event"] == "progress":
            update(event["done"], event["total"])

    return take
