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

"""What the demonstration found, as it goes and at the end."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple


class Report:
    """Collects checks and figures, and tells a person about them."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._checks: List[Dict[str, Any]] = []
        self._seconds: List[Tuple[str, float]] = []
        self.figures: Dict[str, Any] = {}

    @property
    def ok(self) -> bool:
        """Whether all checks passed, and there were any."""
        return bool(self._checks) and all(check["ok"] for check in self._checks)

    def check(self, name: str, ok: bool, detail: str = "") -> None:
        """Record what came of a check."""
        self._checks.append({"name": name, "ok": bool(ok), "detail": detail})
        mark = "ok    " if ok else "FAILED"
        self.say("  %s %s%s" % (mark, name, " (%s)" % detail if detail else ""))

    def say(self, text: str) -> None:
        """Tell what goes on."""
        sys.stdout.write("[%5.1f s] %s\n" % (time.monotonic() - self._began, text))
        sys.stdout.flush()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step, and measure it."""
        self.say(name)
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds.append((name, time.monotonic() - began))

    def write(self, path: Path) -> None:
        """Write ``demo.json``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "ok": self.ok, "checks": self._checks,
            "seconds": {name: round(seconds, 2) for name, seconds in self._seconds},
            "total_seconds": round(time.monotonic() - self._began, 2), **self.figures,
        }, indent=1) + "\n")

    def table(self) -> str:
        """Return the summary for a person."""
        width = max(len(name) for name, _seconds in self._seconds)
        lines = ["", "%-*s  %8s" % (width, "step", "seconds"), "-" * (width + 10)]
        lines += ["%-*s  %8.1f" % (width, name, seconds) for name, seconds in self._seconds]
        passed = sum(check["ok"] for check in self._checks)
        lines += ["-" * (width + 10),
                  "%d of %d checks passed" % (passed, len(self._checks))]
        lines += ["FAILED: %s (%s)" % (check["name"], check["detail"])
                  for check in self._checks if not check["ok"]]
        return "\n".join(lines) + "\n"
