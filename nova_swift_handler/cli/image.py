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

"""``swift-vhd image list|show``: Glance's images and what is stored, side by side."""

from __future__ import annotations

import argparse
from typing import Any, List, Tuple

from nova_swift_handler.cli import base, given, plain, services
from nova_swift_handler.cli.columns import Bytes, moment, typed
from nova_swift_handler.images import listing, particulars
from nova_swift_handler.images.listing import Row

_COLUMNS = ("ID", "Name", "Kind", "Status", "Virtual Size", "Stored", "Depth", "Orphan")
_LONG = ("ID", "Name", "Kind", "Project", "Status", "Visibility", "Form", "Virtual Size",
         "Logical", "Stored", "Depth", "Parent", "Base", "Volume", "Container", "Sequence",
         "Stored At", "Orphan")
_SIZES = ("virtual_size", "logical", "stored")


class Listing(base.Lister):
    """List images, and disks that are stored, wherever they are known: in Glance, in Swift.

    Kinds: template, snapshot, iso, export (stored to be downloaded, without an image) and foreign
    (known to Glance alone).  Logical: bytes of a disk's blocks that are not zero.  Stored: what of
    them had to be stored for it.  Depth: points above it in the chain of delta.vhd files.  Orphan:
    what an image or a disk lacks.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true",
                            help="Show all columns; for programs (-f json) all are shown anyway.")
        parser.add_argument("--kind", choices=listing.KINDS, help="Only this kind.")
        parser.add_argument("--project", type=given.name, metavar="ID",
                            help="Only images of this project.")
        parser.add_argument("--status", type=given.name, metavar="STATUS",
                            help="Only images of this status in Glance, such as active; missing "
                                 "for what has no image.")
        parser.add_argument("--volume", type=given.name, metavar="VOLUME",
                            help="Only points of this volume: the uuid of a Nova instance, or of "
                                 "a VDI that Nova does not run.")
        parser.add_argument("--name", type=given.name, metavar="PATTERN",
                            help="Only images whose name is like this: * stands for anything, ? "
                                 "for one character.")
        parser.add_argument("--orphans", action="store_true",
                            help="Only what lacks its counterpart. Looks into every container for "
                                 "that, and asks Glance for what it may have lost.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        found = listing.rows(services.of(self), listing.Wanted(
            kind=parsed_args.kind, project=parsed_args.project, status=parsed_args.status,
            volume=parsed_args.volume, name=parsed_args.name, orphans=parsed_args.orphans))
        columns = (_LONG if parsed_args.long or parsed_args.columns
                   or parsed_args.formatter != "table" else _COLUMNS)
        return columns, [tuple(_value(row, column) for column in columns) for row in found]


def _value(row: Row, column: str) -> Any:
    name = {"ID": "image_id"}.get(column, column.lower().replace(" ", "_"))
    value = getattr(row, name)
    if name in _SIZES:
        return Bytes(value)
    if name == "stored_at":
        return moment(value)
    return value


class Show(base.ShowOne):
    """Show what Glance and Swift have of an image, and whether they agree."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("id", type=given.name, metavar="ID",
                            help="Id of the image, or of an export.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        values = {name: typed(name, value) for name, value in particulars.show(
            services.of(self), parsed_args.id).items()}
        if parsed_args.formatter == "table":
            values["problems"] = "\n".join(values["problems"])
            for name in ("properties", "origin"):
                values[name] = "\n".join(plain.text("%s=%s" % pair)
                                         for pair in sorted(values.get(name, {}).items()))
        return tuple(values), tuple(values.values())
