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

"""``swift-vhd doctor``: what is right, what is wrong, and what mends it."""

from __future__ import annotations

import argparse
from typing import Any, List, Tuple

from nova_swift_handler.cli import base, ending, exit_codes
from nova_swift_handler.doctor import check, checks
from nova_swift_handler.doctor.site import Site

AREAS = tuple(dict.fromkeys(each.area for each in checks.ALL))


class Doctor(base.Lister):
    """Look at the whole installation: a line for each thing, and the command that mends it.

    States: ok; warning, which works but costs something or will not work for long; wrong; not
    checked, with the reason.  The exit code is 10 if anything is wrong, else 0.

    Some checks try things out in Swift and Glance, with objects and an image made for that and
    removed again: among them whether Glance's Swift user could destroy what images share.
    --read-only leaves those out.  On a compute node run it as the user and with the Python that
    nova-compute has.
    """

    wrong = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--read-only", action="store_true",
                            help="Leave out the checks that write.")
        parser.add_argument("--only", action="append", choices=AREAS, metavar="AREA",
                            help="Check this part: %s. Can be repeated." % ", ".join(AREAS))
        parser.add_argument("--problems", action="store_true",
                            help="Show only what is wrong or worth a warning.")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run it; return ``exit_codes.UNHEALTHY`` if something is wrong."""
        code = int(super().run(parsed_args) or 0)
        return code or (exit_codes.UNHEALTHY if self.wrong else 0)

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        wanted = [each for each in checks.ALL
                  if not parsed_args.only or each.area in parsed_args.only]
        with ending.terminable(), Site(self.conf) as site:
            rows = list(check.examine(site, wanted, parsed_args.read_only))
        self.wrong = any(row.finding.state == check.WRONG for row in rows)
        return ("State", "Area", "Looked At", "Found", "What To Do"), [
            (row.finding.state, row.area, row.finding.what, row.finding.found, row.finding.mend)
            for row in rows
            if not parsed_args.problems or row.finding.state in (check.WARNING, check.WRONG)]
