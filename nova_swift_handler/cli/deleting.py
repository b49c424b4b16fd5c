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

"""``swift-vhd snapshot delete`` and ``snapshot prune``."""

from __future__ import annotations

import argparse
import functools
import time
from typing import Any, List, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, places
from nova_swift_handler.catalog.point import EXPORT
from nova_swift_handler.cli import base, given, services, upkeep
from nova_swift_handler.cli.columns import Names
from nova_swift_handler.store import probe
from nova_swift_handler.upkeep import census, prune


class Delete(base.Lister):
    """Delete snapshots or templates, whichever and in whatever order; all others stay whole.

    No data is moved: what the next snapshot of the volume needs of it stays.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("images", nargs="+", type=given.name, metavar="IMAGE",
                            help="Ids of their images.")
        parser.add_argument("--with-image", action="store_true",
                            help="Delete the image in Glance too, if it is there; without, it "
                                 "must be gone.")
        parser.add_argument("--force", action="store_true",
                            help="Do it though a snapshot whose delta.vhd refers to it is too "
                                 "damaged to refer to another: that one keeps what is whole of "
                                 "it, and loses its delta.vhd until `swift-vhd store rebuild` "
                                 "has mended it.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        reached = services.of(self)
        ours = reached.credentials.session()
        account, images = reached.account(ours), reached.images(None, ours)
        abilities = probe.abilities(account, reached.containers.index)
        rows = []
        for image_id in parsed_args.images:
            point = deletion.find(account, reached.containers, image_id)
            if point is None:
                raise exceptions.NotThere(
                    "Deleting %s: no snapshot or template of that image is stored; "
                    "`swift-vhd snapshot list` and `template list` show what is" % image_id)
            known = census.image_of(images, point) is not None
            if known and not parsed_args.with_image:
                raise exceptions.GlanceError(
                    "Deleting %s: Glance still has the image, which would lose its bytes. "
                    "Delete it there first, or say --with-image." % image_id)
            if not (known or parsed_args.with_image or point.kind == EXPORT or images.sees_all()):
                raise exceptions.GlanceError(
                    "Deleting %s: whether Glance still has the image is not known, as the service "
                    "account has not the role 'admin', and may not see it. Give it that role, or "
                    "say --with-image if the image is gone or may lose its bytes." % image_id)
            done = deletion.delete(
                account, reached.containers, abilities, point, parsed_args.force,
                functools.partial(images.delete, image_id) if known
                else functools.partial(census.check_gone, account, reached.containers, images,
                                       point))
            rows.append((image_id, point.container, done.removed, Names(done.relinked),
                         Names(done.unlinked)))
        return ("Image", "Container", "Objects Removed", "Relinked", "Unlinked"), rows


class Prune(base.Lister):
    """Show which snapshots of each volume a policy keeps; with --yes delete the others."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        upkeep.add_policy(parser)
        parser.add_argument("--volume", type=given.name, metavar="ID",
                            help="Of this volume only: of a Nova instance's root disk, the "
                                 "instance's id.")
        parser.add_argument("--force", action="store_true",
                            help="Believe Glance though it lacks most or all of the images, or "
                                 "may not show the service account all of them.")
        parser.add_argument("--yes", action="store_true", help="Do delete them.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        rules = upkeep.policy(parsed_args)
        if rules is None:
            raise argparse.ArgumentTypeError(
                "Pruning: say what to keep, with --keep-last, --keep-daily, --keep-weekly or "
                "--keep-monthly")
        reached = services.of(self)
        ours = reached.credentials.session()
        account, images = reached.account(ours), reached.images(None, ours)
        where = reached.containers
        if parsed_args.volume:
            places.volume(account, where, parsed_args.volume)
        abilities = probe.abilities(account, where.index)
        taken = census.take(account, where, images, parsed_args.force)
        verdicts = prune.plan(taken, rules, parsed_args.with_images, parsed_args.volume)
        for verdict in verdicts if parsed_args.yes else []:
            if not verdict.keep:
                prune.delete(account, where, abilities, images, taken, verdict.point.image_id)
        if not parsed_args.yes and not all(verdict.keep for verdict in verdicts):
            self.app.stderr.write("swift-vhd: nothing was deleted; say --yes to do it\n")
        gone = "deleted" if parsed_args.yes else "to delete"
        return ("Volume", "Image", "Stored", "Verdict", "Why"), [
            (verdict.point.volume, verdict.point.image_id,
             time.strftime("%Y-%m-%dT%H:%M:%SZ", verdict.point.stored.timetuple()),
             "keep" if verdict.keep else gone, verdict.why) for verdict in verdicts]
