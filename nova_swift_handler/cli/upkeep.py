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

"""``swift-vhd housekeep``, ``store sweep`` and ``store reconcile``: what a timer runs."""

from __future__ import annotations

import abc
import argparse
import dataclasses
from typing import Any, List, Optional, Tuple

from nova_swift_handler import exceptions, tally
from nova_swift_handler.catalog import containers, sweep
from nova_swift_handler.catalog.retention import Policy
from nova_swift_handler.cli import (
    base,
    exit_codes,
    given,
    monitor,
    offering,
    plain,
    progress,
    services,
)
from nova_swift_handler.cli.columns import Blank
from nova_swift_handler.store import presence
from nova_swift_handler.telemetry import metrics
from nova_swift_handler.upkeep import housekeep, reconcile

_FIGURES = tuple(field.name for field in dataclasses.fields(sweep.Swept)
                 if field.name != "container")
_COLUMNS = ("Container", "Image", "What", "Detail", *(name.capitalize() for name in _FIGURES))

Table = Tuple[Tuple[str, ...], List[Any]]


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which snapshots to keep."""
    for rule, what in (("last", "newest snapshots"), ("daily", "days"), ("weekly", "weeks"),
                       ("monthly", "months")):
        parser.add_argument(
            "--keep-" + rule, type=offering.count, default=0, metavar="N",
            help="Of each volume, keep the N %s." % what if rule == "last" else
            "Of each volume, keep the newest snapshot of each of the newest N %s that have one."
            % what)
    parser.add_argument("--with-images", action="store_true",
                        help="Delete snapshots whose image Glance still has, too, and the image "
                             "with them. Protected images, and those that are not private, stay.")


def policy(parsed_args: argparse.Namespace) -> Optional[Policy]:
    """Return the policy that the options ask for; None if they ask for none."""
    rules = (parsed_args.keep_last, parsed_args.keep_daily, parsed_args.keep_weekly,
             parsed_args.keep_monthly)
    return Policy(*rules) if any(rules) else None


def add_glance(parser: argparse.ArgumentParser) -> None:
    """Add the options of what compares the store with Glance."""
    parser.add_argument("--force", action="store_true",
                        help="Believe Glance though it lacks most or all of the images, or may "
                             "not show the service account all of them.")
    parser.add_argument("--min-age", type=int, default=reconcile.YOUNG, metavar="SECONDS",
                        help="Leave alone what was stored later than that (default: %(default)s). "
                             "What is being stored is left alone anyway.")


class _Upkeep(base.Lister, abc.ABC):
    """Does something everywhere; what fails is told, and decides the exit code."""

    _code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of all."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--dry-run", action="store_true",
                            help="Change nothing, and tell what would be done.")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do it, show what was done, and return the exit code."""
        return int(super().run(parsed_args) or 0) or self._code

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        with progress.bar("containers", unit="") as shown:
            kept = self.act(parsed_args, shown)
        for error in kept.errors:
            self.app.stderr.write("swift-vhd: %s\n" % plain.line(error))
        if kept.errors:
            self._code = exit_codes.of(kept.errors[0])
        nothing = (Blank(None),) * len(_FIGURES)
        rows: List[Any] = [(each.container, each.image_id, each.what, each.detail, *nothing)
                           for each in kept.findings]
        rows += [("", image_id, "no rule keeps it: deleted", "", *nothing)
                 for image_id in kept.pruned]
        rows += [(each.container, "", "swept", "", *(getattr(each, name) for name in _FIGURES))
                 for each in kept.swept]
        rows += [(name, "", "empty: removed", "", *nothing) for name in kept.emptied]
        return _COLUMNS, rows

    @abc.abstractmethod
    def act(self, parsed_args: argparse.Namespace, shown: Any) -> housekeep.Kept:
        """Do it, and return what was done."""


class Housekeep(_Upkeep):
    """Bring the store into line with Glance and give back the space that nothing needs.

    Safe to repeat, and to run on several machines at once; meant for a daily timer.  Containers of
    volumes that have become empty go.  Without a --keep option no snapshot is deleted that Glance
    still has, and none for its age.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told = monitor.Run()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        add_policy(parser)
        add_glance(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do it, show what was done, and return the exit code."""
        if parsed_args.dry_run:
            return super().run(parsed_args)
        with monitor.recorded(self, "housekeep") as told:
            self._told = told
            told.code = super().run(parsed_args)
            return told.code

    def act(self, parsed_args: argparse.Namespace, shown: Any) -> housekeep.Kept:
        """Do it, and return what was done."""
        kept = housekeep.run(
            services.of(self), policy=policy(parsed_args), with_images=parsed_args.with_images,
            dry_run=parsed_args.dry_run, force=parsed_args.force, young=parsed_args.min_age,
            progress=shown)
        self._told.problems = len(kept.errors)
        self._told.states.update({
            tally.key(metrics.POINTS, {"kind": kind}): count
            for kind, count in kept.held.items()})
        if kept.stored is not None:
            self._told.states[tally.key(metrics.STORED, {})] = kept.stored
        return kept


class Sweep(_Upkeep):
    """Condemn what no snapshot, template or ISO needs, and pardon what one needs again.

    Swift deletes what stays condemned for the days that sweep_grace says.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("containers", nargs="*", type=given.name, metavar="CONTAINER",
                            help="Sweep these only.")
        return parser

    def act(self, parsed_args: argparse.Namespace, shown: Any) -> housekeep.Kept:
        """Do it, and return what was done."""
        kept = housekeep.Kept()
        reached = services.of(self)
        account = reached.account()
        for name in parsed_args.containers:
            if not containers.is_holding(reached.containers, name):
                raise exceptions.NameRefused(
                    "Sweeping %s: it is no container of this installation's templates, ISOs or "
                    "volumes, so what is in it is not this program's to condemn" % name)
            if not presence.container_exists(account, name):
                raise exceptions.NotThere(
                    "Sweeping %s: there is no such container; `swift-vhd store usage` shows all "
                    "volumes" % name)
        housekeep.swept_all(
            reached, kept, parsed_args.dry_run, shown, parsed_args.containers
            or containers.holding(account, reached.containers))
        return kept


class Reconcile(_Upkeep):
    """Delete what is stored of images that Glance has no more, and mend what deleting left."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        add_glance(parser)
        return parser

    def act(self, parsed_args: argparse.Namespace, shown: Any) -> housekeep.Kept:
        """Do it, and return what was done."""
        kept = housekeep.Kept()
        housekeep.beside_glance(services.of(self), kept, None, False, parsed_args.dry_run,
                                parsed_args.force, parsed_args.min_age)
        return kept
