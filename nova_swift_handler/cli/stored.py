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

"""What ``template`` and ``iso`` commands share."""

from __future__ import annotations

import argparse
from typing import Any, Dict, List, Tuple

from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.attributes import Attributes
from nova_swift_handler.cli import base, given, offering, services
from nova_swift_handler.cli.columns import Shown, shown, typed
from nova_swift_handler.images import named
from nova_swift_handler.transfer.jobs import Services

Table = Tuple[Tuple[str, ...], List[Any]]


class Kind:
    """Mixed into a command about templates, or about ISOs.

    :cvar kind: which, one of ``named.KINDS``.
    """

    kind: str

    def container(self, reached: Services) -> str:
        """Return the container that holds them."""
        return named.container_of(reached.containers, self.kind)

    def add_wanted(self, parser: argparse.ArgumentParser, **more: Any) -> None:
        """Add the argument that says which one is meant."""
        parser.add_argument("wanted", type=given.name, metavar="NAME",
                            help="Its name, or the id of its image.", **more)


class Create(base.ShowOne):
    """Stores a file and registers it in Glance."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", type=given.name, metavar="NAME",
                            help="What it is to be called.")
        self.add_source(parser)
        offering.add_options(parser)
        parser.set_defaults(visibility="private")
        return parser

    def add_source(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that say what is stored."""
        parser.add_argument("--from", dest="path", metavar="FILE", required=True,
                            help="The file to store.")


class Listing(Kind, base.Lister):
    """Lists what a container has."""

    columns: Tuple[str, ...] = ()

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        found = properties.each(reached.account(), self.container(reached))
        return (tuple(column.replace("_", " ").title() if column != "id" else "ID"
                      for column in self.columns),
                [tuple(typed(column, values.get(column)) for column in self.columns)
                 for values in found])


class Show(Kind, base.ShowOne):
    """Shows one, and what Glance says of it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self.add_wanted(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        reached = services.of(self)
        ours = reached.credentials.session()
        account, images = reached.account(ours), reached.images(None, ours)
        item = named.find(account, reached.containers, self.kind, parsed_args.wanted)
        found = named.image_of(images, item)
        values: Dict[str, Any] = {"name": item.name, "id": item.image_id, **item.values}
        values["container"] = item.container
        values["image_status"] = found.status if found else "missing"
        values["differs_in_glance"] = [] if found is None else sorted({
            change["path"].lstrip("/") for change in found.changes(
                Attributes.parse(item.values).image(item.name))})
        return shown(values)


class Set(Kind, base.ShowOne):
    """Changes what the image is called and how it is offered, here and in Glance.

    Whatever differs in Glance from what is kept beside the data is brought into line as well.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self.add_wanted(parser)
        parser.add_argument("--name", type=given.name, metavar="NEW",
                            help="What it is to be called from now on.")
        offering.add_options(parser)
        parser.add_argument("--unset", metavar="KEY", action="append", default=[],
                            type=offering.key,
                            help="Remove a property of the image. Can be repeated.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        return shown(named.change(
            services.of(self), self.kind, parsed_args.wanted, offering.chosen(parsed_args),
            parsed_args.unset, parsed_args.name))


class Delete(Kind, base.Lister):
    """Deletes images in Glance, and what is stored of them.

    Instances made of them stay, as do snapshots and templates that share blocks with them. Space
    comes back by housekeeping.  What is protected is not deleted.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self.add_wanted(parser, nargs="+")
        parser.add_argument("--dry-run", action="store_true",
                            help="Show what would be deleted, and do nothing.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        reached = services.of(self)
        rows = []
        for wanted in parsed_args.wanted:
            done = named.delete(reached, self.kind, wanted, parsed_args.dry_run)
            rows.append((done.item.name, done.item.image_id, done.item.container,
                         "to delete" if parsed_args.dry_run else "deleted",
                         done.image, done.objects))
        return ("Name", "ID", "Container", "Verdict", "Had Image", "Objects Removed"), rows


class Download(Kind, base.Command):
    """Writes one into a file, which is there only when all of it is proven."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self.add_wanted(parser)
        parser.add_argument("path", metavar="FILE", help="The file to write.")
        parser.add_argument("--force", action="store_true", help="Replace FILE if it is there.")
        return parser
