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

"""What the supervisor needs to know of a service, and where it writes what became of it."""

from __future__ import annotations

import dataclasses
import fcntl
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

from nova_swift_handler.sandbox import ini
from nova_swift_handler.sandbox.layout import Layout


@dataclasses.dataclass(frozen=True)
class Service:
    """One process of the sandbox.

    :ivar name: also the name of its log and pid file.
    :ivar argv: the command.
    :ivar environ: variables set besides those of the supervisor.
    :ivar wave: services of a lower wave serve those of a higher one, which end first.
    :ivar keep_output: standard output goes to a file of its own, emptied at each start, not into
        the log: for a service that announces on it that it serves.
    """

    name: str
    argv: List[str]
    environ: Dict[str, str] = dataclasses.field(default_factory=dict)
    wave: int = 0
    keep_output: bool = False


Wanted = Dict[str, Service]


def read_wanted(layout: Layout) -> Wanted:
    """Return the services that should run, by name."""
    try:
        entries: Dict[str, Any] = json.loads(layout.wanted.read_text())
    except FileNotFoundError:
        return {}
    return {name: Service(**entry) for name, entry in entries.items()}


@contextmanager
def change_wanted(layout: Layout) -> Iterator[Wanted]:
    """Change the services that should run; the supervisor follows within a moment."""
    layout.run.mkdir(parents=True, exist_ok=True)
    with _locked(layout.run / "wanted.lock"):
        wanted = read_wanted(layout)
        yield wanted
        entries = {name: dataclasses.asdict(service) for name, service in wanted.items()}
        ini.write_text(layout.wanted, json.dumps(entries, indent=1) + "\n")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
