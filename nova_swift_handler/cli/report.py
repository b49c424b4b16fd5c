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

"""``swift-vhd report``: what is stored, as a page."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import Any, Iterable, Tuple

from nova_swift_handler.catalog.remembered import Remembered
from nova_swift_handler.cli import app, base, services
from nova_swift_handler.cli.columns import Bytes
from nova_swift_handler.files import newfile
from nova_swift_handler.report import figures, page
from nova_swift_handler.upkeep import inventory


class Report(base.ShowOne):
    """Write a page of what is stored: volumes and their chains, space, verifications, orphans.

    The page is one file that fetches nothing, for a browser or a printer.  Nothing in Swift or
    Glance is changed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--html", metavar="FILE", required=True,
                            help="The file to write; one that is there is replaced.")
        parser.add_argument("--no-glance", action="store_true",
                            help="Do not ask Glance for names, projects and what has no image.")
        parser.add_argument("--cache", metavar="CACHE",
                            help="A file that keeps what never changes, so that the next report "
                                 "with it reads what is new. It is believed only where Swift's "
                                 "listings prove it.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        with contextlib.ExitStack() as stack:
            known = (stack.enter_context(Remembered(parsed_args.cache))
                     if parsed_args.cache else None)
            found = inventory.take(services.of(self), not parsed_args.no_glance, known)
        written = write(parsed_args.html, page.render(found, app.version()))
        totals = figures.totals(found)
        return ("file", "size", "volumes", "points", "templates", "isos", "logical", "stored",
                "unknown"), (
            parsed_args.html, Bytes(written), totals.volumes, totals.points, totals.templates,
            totals.isos, Bytes(totals.logical), Bytes(totals.stored), found.unknown)


def write(path: str, pieces: Iterable[str]) -> int:
    """Write *pieces* to a file that is replaced when all is written; return its bytes.

    :raises NameRefused: what is there is no file.
    :raises TransferFailed: it cannot be written.
    """
    with newfile.written(path, force=True) as descriptor:
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.writelines(pieces)
        # As open() would have made it: web servers are to read it.
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)
        return os.fstat(descriptor).st_size
