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

"""Measure the package and what one would use instead, in one run.

    python -m bench --only file_to_swift --size 2G --runs 3
"""

from __future__ import annotations

import argparse
import re
import sys
import traceback
from pathlib import Path
from typing import Dict, List

from bench import machine, scenarios, site
from bench.disks import GIB, MIB
from bench.report import Report, Rounds
from bench.scenario import OURS, Options, Run, Scenario


def parse(argv: List[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=sorted(scenarios.ALL),
                        help="scenarios to run; all by default: " + ", ".join(scenarios.ALL))
    parser.add_argument("--size", type=_size, metavar="BYTES",
                        help="data on each disk, as 2G or 512M (default: 1G, and 2G where a "
                             "target is set for that)")
    parser.add_argument("--runs", type=int, default=3, metavar="N",
                        help="rounds; each runs every contender once (default: %(default)s)")
    parser.add_argument("--slow-runs", type=int, default=1, metavar="N",
                        help="rounds with the stock handler's gzip (default: %(default)s)")
    parser.add_argument("--result", type=Path, default=Path("build/bench.json"),
                        help="where to write what was found (default: %(default)s)")
    parser.add_argument("--directory", type=Path,
                        help="where to keep disks and Swift's objects while it runs "
                             "(default: a new directory in /var/tmp)")
    parser.add_argument("--sandbox", type=Path, metavar="DIR",
                        help="use the sandbox that is up there, and leave it running")
    return parser.parse_args(argv)


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]+)([MG])", text)
    if not match:
        raise argparse.ArgumentTypeError("%r is no size such as 2G or 512M" % text)
    return int(match.group(1)) * {"M": MIB, "G": GIB}[match.group(2)]


def measure(scenario: Scenario, where: site.Site, options: Options, report: Report) -> None:
    """Run all contenders of a scenario in turn, as often as was asked for."""
    report.say("%s: %s" % (scenario.name, scenario.title))
    rounds: Rounds = []
    with scenario.prepare(where, options) as contenders:
        for number in range(options.runs):
            found: Dict[str, Run] = {}
            # Every second time the other way round: no one is always the first.
            for contender in contenders[::-1 if number % 2 else 1]:
                if contender.rounds is not None and number >= contender.rounds:
                    continue
                where.settle()
                run = found[contender.name] = contender.run()
                report.say("  %d. %s: %.1f %s" % (number + 1, contender.name, run.value,
                                                  scenario.unit))
            if OURS not in found:
                break
            rounds.append({contender.name: found[contender.name] for contender in contenders
                           if contender.name in found})
    report.add(scenario, rounds)


def main(argv: List[str]) -> int:
    """Run it; return 0 if every scenario gave a result."""
    args = parse(argv)
    chosen = [scenarios.ALL[name] for name in args.only or scenarios.ALL
              if args.only or scenarios.ALL[name].by_default]
    with site.running(args.directory, args.sandbox) as where:
        report = Report(machine.describe(where.directory), {
            "size": args.size, "runs": args.runs, "slow_runs": args.slow_runs})
        for scenario in chosen:
            try:
                measure(scenario, where, Options(
                    args.size or scenario.size, args.runs, args.slow_runs), report)
            except Exception as error:  # noqa: BLE001  (told; the others may yet succeed)
                traceback.print_exc()
                report.fail(scenario, "%s: %s" % (type(error).__name__, error))
            report.write(args.result)
    sys.stdout.write(report.table())
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
