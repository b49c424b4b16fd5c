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

"""``swift-vhd template sync`` and ``iso sync``: bring one place in step with another."""

from __future__ import annotations

import argparse
from typing import Any, List, Sequence, Tuple

from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.cli import base, ending, exit_codes, given, plain, progress, services
from nova_swift_handler.images import named, pull, push, steps, sync

_COLUMNS = ("Action", "Name", "ID", "Why")

Table = Tuple[Tuple[str, ...], List[Any]]


class _Sync(base.Lister):
    """Shows what is done, or would be; what fails is told, and decides the exit code."""

    kind: str
    _code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--dry-run", action="store_true",
                            help="Change nothing, and show what would be done.")
        parser.add_argument("--from", dest="url", metavar="URL",
                            help="Take what another cloud's catalogue offers: the address of its "
                                 "index.json, or of the directory that is in.")
        parser.add_argument("--cafile", metavar="FILE",
                            help="Certificates to verify that catalogue's server with; those of "
                                 "the system by default.")
        parser.add_argument("--moved-from", metavar="URL",
                            help="With --from: where that catalogue was before. What was taken "
                                 "there is from it.")
        parser.add_argument("--delete-lost", action="store_true",
                            help="Delete the images and properties of what has lost its data.")
        parser.add_argument("--force", action="store_true",
                            help="Believe Glance though it may not show the service account all "
                                 "images.")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do it, show what was done, and return the exit code."""
        return int(super().run(parsed_args) or 0) or self._code

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        with ending.terminable(), progress.bar(
                self.kind, "B" if parsed_args.url else "") as shown:
            return self.table(self.act(parsed_args, shown))

    def act(self, parsed_args: argparse.Namespace, shown: Any) -> Sequence[steps.Step]:
        """Do it, and return what was done."""
        if parsed_args.url:
            return pull.sync(services.of(self), self.kind, parsed_args.url,
                             dry_run=parsed_args.dry_run, cafile=parsed_args.cafile,
                             progress=shown, moved_from=parsed_args.moved_from)
        if parsed_args.moved_from:
            raise argparse.ArgumentTypeError(
                "--moved-from is about another cloud's catalogue: name it with --from")
        return sync.sync(services.of(self), self.kind, dry_run=parsed_args.dry_run,
                         delete_lost=parsed_args.delete_lost, force=parsed_args.force,
                         progress=shown)

    def table(self, done: Sequence[steps.Step]) -> Table:
        """Return what was done as cliff takes it, and say on the terminal what failed."""
        errors = steps.failures(done)
        for error in errors:
            self.app.stderr.write("swift-vhd: %s\n" % plain.line(error))
        if errors:
            self._code = exit_codes.of(errors[0])
        return _COLUMNS, [
            (step.action, step.name, step.id,
             step.why + ("; failed" if step.error is not None else "")) for step in done]


class Templates(_Sync):
    """Bring Glance in step with the templates that are stored.

    What Glance lacks is registered again, under a new id if Glance has deleted the old one; names,
    visibility, properties and so on that differ are set as the template's properties say. Shows
    what was done, nothing if all was as it should be. Safe to repeat, and to run on several
    machines at once. Delete templates with `template delete`: those that are deleted in Glance
    alone come back, until housekeeping has deleted them here.

    With --from it takes the templates of another cloud's catalogue instead. A new version of one
    that was taken before gets its name; the former one stays, hidden, as NAME@DIGEST.
    """

    kind = TEMPLATE


class Isos(_Sync):
    """Bring Glance in step with the ISOs that are stored, or with --sr an ISO SR of a host.

    See `template sync`. With --sr, all ISOs are put on the SR, read back and compared; what was
    not put there by this program is never touched.
    """

    kind = named.ISO

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--sr", type=given.name, metavar="SR",
                            help="Uuid or name of an ISO SR.")
        parser.add_argument("--delete", action="store_true",
                            help="With --sr: remove from it what was put there by this program "
                                 "and is stored no more.")
        return parser

    def act(self, parsed_args: argparse.Namespace, shown: Any) -> Sequence[steps.Step]:
        """Do it, and return what was done."""
        if parsed_args.sr is None:
            if parsed_args.delete:
                raise argparse.ArgumentTypeError("--delete is about an SR: name one with --sr")
            return super().act(parsed_args, shown)
        if parsed_args.url:
            raise argparse.ArgumentTypeError(
                "--from and --sr are two things: first take the ISOs, then put them on the SR")
        return push.sync(services.with_host(self), parsed_args.sr, delete=parsed_args.delete,
                         dry_run=parsed_args.dry_run, progress=shown)
