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

"""What was measured, for programs (``bench.json``) and for people (a table)."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from bench import machine
from bench.scenario import LOWER, OURS, Run, Scenario

Rounds = List[Dict[str, Run]]
"""By contender, what each round gave."""


class Report:
    """Collects the results of scenarios.

    :param description: of the machine.
    """

    def __init__(self, description: Dict[str, Any], options: Dict[str, Any]) -> None:
        self._began = time.monotonic()
        self._machine = description
        self._options = options
        self.scenarios: List[Dict[str, Any]] = []
        self.failures: List[Dict[str, str]] = []

    def say(self, text: str) -> None:
        """Tell what goes on."""
        sys.stdout.write("[%6.1f s] %s\n" % (time.monotonic() - self._began, text))
        sys.stdout.flush()

    def add(self, scenario: Scenario, rounds: Rounds) -> None:
        """Take a scenario's results."""
        base_lines = sorted({name for each in rounds for name in each} - {OURS},
                            key=list(rounds[0]).index)
        ratios = {name: _ratio(name, rounds) for name in base_lines}
        self.scenarios.append({
            "name": scenario.name, "title": scenario.title, "unit": scenario.unit,
            "better": scenario.better, **_summary(OURS, rounds), "ratios": ratios,
            "targets": [{
                "base_line": name, "ratio": target,
                "reached": name in ratios and (
                    ratios[name] <= target if scenario.better == LOWER
                    else ratios[name] >= target),
            } for name, target in scenario.targets.items()],
            "base_lines": {name: _summary(name, rounds) for name in base_lines},
            "rounds": [{name: run.figures() for name, run in each.items()} for each in rounds],
        })

    def fail(self, scenario: Scenario, reason: str) -> None:
        """Take note of a scenario that gave no result."""
        self.failures.append({"name": scenario.name, "reason": reason})
        self.say("FAILED: %s: %s" % (scenario.name, reason))

    def write(self, path: Path) -> None:
        """Write ``bench.json``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "machine": self._machine, "options": self._options,
            "seconds": round(time.monotonic() - self._began, 1),
            "scenarios": self.scenarios, "failures": self.failures}, indent=1) + "\n")

    def table(self) -> str:
        """Return the results for a person."""
        lines = ["", machine.line(self._machine), "", _HEADING, "-" * len(_HEADING)]
        for scenario in self.scenarios:
            lines.append("%s: %s" % (scenario["name"], scenario["title"]))
            lines.append(_row(OURS, scenario, scenario["unit"], ""))
            for name, summary in scenario["base_lines"].items():
                lines.append(_row(name, summary, scenario["unit"],
                                  "%.2f" % scenario["ratios"][name]))
            lines += ["  %s: %.2f of %s is wanted (%s is better): %s" % (
                "reached" if each["reached"] else "MISSED", each["ratio"], each["base_line"],
                scenario["better"], "%.2f" % scenario["ratios"].get(each["base_line"], 0.0))
                for each in scenario["targets"]]
        lines += ["FAILED: %(name)s: %(reason)s" % each for each in self.failures]
        return "\n".join(lines) + "\n"


_HEADING = "%-34s %12s %19s   %6s %3s %7s %8s %8s %8s %10s" % (
    "", "median", "min - max", "ours/", "n", "CPU s", "peak MiB", "requests", "req/GiB",
    "stored MiB")


def _row(name: str, summary: Dict[str, Any], unit: str, ratio: str) -> str:
    figures = summary["figures"]
    stored, per_gib = figures.get("stored_bytes"), figures.get("requests_per_gib")
    return "  %-32s %6.1f %-5s %8.1f - %8.1f   %6s %3d %7.1f %8.0f %8.0f %8s %10s" % (
        name, summary["median"], unit, summary["min"], summary["max"], ratio, summary["n"],
        figures["cpu_seconds"], figures["peak_mib"], figures["requests"],
        "" if per_gib is None else "%.1f" % per_gib,
        "" if stored is None else "%.0f" % (stored / 2 ** 20))


def _summary(name: str, rounds: Rounds) -> Dict[str, Any]:
    """Return medians of a contender's runs."""
    runs = [each[name].figures() for each in rounds if name in each]
    values = [run["value"] for run in runs]
    return {
        "median": statistics.median(values), "min": min(values), "max": max(values),
        "n": len(values),
        "figures": {key: statistics.median(run[key] for run in runs)
                    for key in runs[0] if key != "value"},
    }


def _ratio(name: str, rounds: Rounds) -> float:
    """Return the median of our value to the base line's in the same round.

    What slows the machine down for a while slows both.
    """
    return statistics.median(each[OURS].value / each[name].value for each in rounds
                             if name in each)
