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

"""``swift-vhd snapshot verify``, ``swift-vhd store verify|rebuild``: is it all there, and mend it.
"""

from __future__ import annotations

import argparse
import logging
from typing import Any, Iterable, List, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import places
from nova_swift_handler.catalog.audit import rebuild, record, verify
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.cli import base, exit_codes, given, monitor, progress, services
from nova_swift_handler.cli.images import Images
from nova_swift_handler.store import presence, probe

LOG = logging.getLogger(__name__)

Table = Tuple[Tuple[str, ...], List[Any]]


class Judging(base.Lister):
    """A command whose exit code tells whether something is bad."""

    bad = 0
    """How much is."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run it; return ``exit_codes.BAD_DATA`` if something is bad."""
        code = int(super().run(parsed_args) or 0)
        return code or (exit_codes.BAD_DATA if self.bad else 0)

    def judged(self, found: Iterable[Finding]) -> Table:
        """Return what is wrong, as it is shown; if anything is, the exit code will tell."""
        rows = [(each.kind, "%s/%s" % (each.container, each.name), each.problem,
                 list(each.blocks), list(each.points), each.what_to_do) for each in found]
        self.bad = len(rows)
        return ("Kind", "Object", "Problem", "Blocks", "Points", "What To Do"), rows


class Verify(Judging):
    """Verifies containers, or a point."""

    default_level = verify.HEADERS

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both commands."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--level", choices=verify.LEVELS, default=self.default_level,
                            help="headers: every object that a point lives on is there and what "
                                 "it was, and every view leads to the right blocks. sample: some "
                                 "blocks are read and hashed too. all: every block (default: "
                                 "%(default)s).")
        parser.add_argument("--sample", type=_share, default=0.02, metavar="PERCENT",
                            help="How much of the blocks a sample has (default: 2).")
        parser.add_argument("--seed", type=int, default=0, metavar="N",
                            help="Choose the sample by this number (default: %(default)s).")
        parser.add_argument("--glance", action="store_true",
                            help="Ask Glance which images it reads in place, so that missing "
                                 "objects of those are noticed.")
        return parser

    def verified(self, parsed_args: argparse.Namespace, wanted: Iterable[str],
                 only: Iterable[str] = (), more: Iterable[Finding] = ()) -> Table:
        """Verify the containers *wanted*, in them the points *only*; return what is wrong.

        :param more: what is known to be wrong besides.
        """
        reached = services.of(self)
        account = reached.account()
        images = Images(reached, parsed_args.glance)
        how = verify.How(parsed_args.level, parsed_args.sample, parsed_args.seed,
                         reached.transfer.download_threads)
        unit = " checks" if how.level == verify.HEADERS else "B"
        rows: List[Finding] = list(more)
        for container in wanted:
            with progress.bar(container, unit) as shown:
                try:
                    verdict = verify.verify(
                        account, reached.containers, container, how, only, images.in_place, shown)
                except exceptions.ObjectMissing:
                    LOG.info("There is no container %s", container)
                    continue
            if verdict.points:
                record.keep(account, verdict, how)
            LOG.info("%s: %d points, %d blocks read, %d findings", container,
                     len(verdict.points), verdict.blocks, len(verdict.findings))
            rows += verdict.findings
        return self.judged(rows)


class SnapshotVerify(Verify):
    """Verify one point, or all of a volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("id", type=given.name, metavar="ID", nargs="?",
                          help="Id of the point's Glance image.")
        what.add_argument("--volume", type=given.name, metavar="VOLUME",
                          help="All points of this volume.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        if parsed_args.volume:
            return self.verified(parsed_args, [
                places.volume(account, reached.containers, parsed_args.volume)])
        point = places.wanted(account, reached.containers, parsed_args.id)
        return self.verified(parsed_args, [point.container], [point.image_id])


class StoreVerify(Verify):
    """Verify all points of all volumes, and all templates."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run it; return ``exit_codes.BAD_DATA`` if something is bad."""
        with monitor.recorded(self, "verify") as told:
            told.code = super().run(parsed_args)
            told.problems = self.bad
            return told.code

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        return self.verified(parsed_args, places.everywhere(reached.account(),
                                                            reached.containers))


class Rebuild(Judging):
    """Make anew what was lost beside the data: index, views, regions, tables, points.

    A closing of an upload whose point is nowhere mentioned is only shown: it may be of an upload
    or of a deletion that was killed.  --all makes points of those too.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--volume", type=given.name, metavar="VOLUME",
                            help="Only this volume.")
        parser.add_argument("--dry-run", action="store_true",
                            help="Show what would be done, and do nothing.")
        parser.add_argument("--all", dest="everything", action="store_true",
                            help="Make points of all closings.")
        parser.add_argument("--no-glance", action="store_true",
                            help="Do not ask Glance which images it has active.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        account, containers = reached.account(), reached.containers
        images = Images(reached, not parsed_args.no_glance)
        wanted = ([places.volume(account, containers, parsed_args.volume)] if parsed_args.volume
                  else places.everywhere(account, containers))
        abilities = probe.abilities(account, containers.index)
        rows = []
        for container in wanted:
            if not parsed_args.volume and not presence.container_exists(account, container):
                continue  # the account lists for a while what housekeeping has removed
            for each in rebuild.rebuild(
                    account, containers, abilities, container, dry_run=parsed_args.dry_run,
                    everything=parsed_args.everything, active=images.active,
                    for_glance=images.in_place):
                rows.append((each.image_id, each.container, each.state, list(each.what),
                             each.why))
                self.bad += each.state == rebuild.LOST
        return ("ID", "Container", "State", "What", "Why"), rows


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError("%s is not between 0 and 100" % text)
    return value / 100
