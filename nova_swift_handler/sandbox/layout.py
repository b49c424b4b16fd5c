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

"""Where everything of one sandbox lies: all of it below one directory."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Layout(NamedTuple):
    """The paths of one sandbox.

    :ivar root: the directory that holds all of it; absolute.
    """

    root: Path

    @property
    def plan(self) -> Path:
        """What was asked for: ports, hosts, options."""
        return self.root / "sandbox.json"

    @property
    def environment(self) -> Path:
        """What ``sandbox env`` prints; there while the sandbox is up."""
        return self.root / "env.json"

    @property
    def run(self) -> Path:
        """Pid files and what else changes while it runs."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def temporary(self) -> Path:
        """Where services put temporary files."""
        return self.root / "tmp"

    @property
    def wanted(self) -> Path:
        """The services that should run, read by the supervisor."""
        return self.run / "wanted.json"

    def pid(self, service: str) -> Path:
        return self.run / f"{service}.pid"

    def exit(self, service: str) -> Path:
        """How a service ended that nobody had asked to end."""
        return self.run / f"{service}.exit"

    def output(self, service: str) -> Path:
        """The standard output of a service since its last start, where that is not its log."""
        return self.run / f"{service}.out"

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def of(self, service: str) -> Path:
        """The directory of a service's configuration and data."""
        return self.root / service
