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

"""``swift-vhd snapshot restore`` and ``swift-vhd store drill``: disks out of Swift."""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
from typing import Any, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import places
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.cli import base, ending, given, monitor, progress, services
from nova_swift_handler.cli.columns import Bytes, size
from nova_swift_handler.transfer import restore
from nova_swift_handler.upkeep import drill

LOG = logging.getLogger(__name__)

Shown = Tuple[Tuple[str, ...], Tuple[Any, ...]]


class Restore(base.Command):
    """Write a point's disk into a file, which is there only when all of it is proven."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("id", type=given.name, metavar="ID",
                            help="Id of the point's Glance image.")
        parser.add_argument("path", metavar="FILE", help="The file to write.")
        parser.add_argument("--format", dest="disk_format", choices=restore.FORMATS,
                            default=restore.VHD,
                            help="A dynamic VHD, or a raw disk with holes (default: %(default)s).")
        parser.add_argument("--force", action="store_true", help="Replace FILE if it is there.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        point = places.wanted(account, reached.containers, parsed_args.id)
        with ending.terminable(), progress.bar(parsed_args.id) as shown:
            written = restore.to_file(
                account, point, parsed_args.path, parsed_args.disk_format,
                threads=reached.transfer.download_threads, force=parsed_args.force,
                progress=shown)
        self.app.stdout.write("%s: %s as %s, a disk of %s, proven by its digest %s\n" % (
            parsed_args.path, size(written), parsed_args.disk_format, size(point.virtual_size),
            point.digest))


class Drill(base.ShowOne):
    """Restore a point chosen at random to a temporary file, and compare it; meant for cron.

    It is compared with the digest that was recorded when it was stored, and with what a plain
    download of its disk.vhd gives.  The exit code is not 0 when anything differs or fails.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--id", type=given.name, metavar="ID",
                            help="This point, not one at random.")
        parser.add_argument("--seed", type=int, metavar="N",
                            help="Choose as the drill that showed this number did.")
        parser.add_argument("--directory", metavar="DIR",
                            help="Where the file goes; staging_dir by default.")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do it, and return the exit code."""
        with monitor.recorded(self, "drill") as self._told:
            self._told.code = int(super().run(parsed_args) or 0)
            return self._told.code

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        reached = services.of(self)
        account, containers = reached.account(), reached.containers
        seed = parsed_args.seed
        if seed is None:
            # Any will do: it is shown to be repeated, not kept secret.
            seed = random.randrange(2 ** 32)  # noqa: S311
        point = (places.wanted(account, containers, parsed_args.id) if parsed_args.id
                 else places.any_of(account, containers, seed))
        LOG.info("Restoring point %s for practice (seed %d)", point.path, seed)
        try:
            with ending.terminable(), progress.bar(point.image_id) as shown:
                done = drill.drill(
                    account, point, parsed_args.directory or reached.transfer.staging_dir,
                    reached.transfer.download_threads, shown)
        except (exceptions.StoreCorrupt, exceptions.PointInvalid,
                exceptions.ObjectMissing) as error:
            self._told.problems = 1
            with contextlib.suppress(exceptions.StoreError):
                record.keep_drill(account, point.container, point.image_id, [str(error)])
            raise
        self._told.problems = 0
        record.keep_drill(account, point.container, point.image_id)
        return ("id", "container", "seed", "virtual_size", "bytes_read", "seconds",
                "mb_per_second", "seconds_compared"), (
            point.image_id, point.container, seed, Bytes(point.virtual_size),
            Bytes(done.bytes_read), round(done.seconds, 3), round(done.speed, 1),
            round(done.seconds_compared, 3))
