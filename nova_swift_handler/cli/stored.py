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

import abc
import argparse
from typing import Any, Dict, List, Tuple

from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.cli import base, services

VISIBILITIES = ("private", "shared", "community", "public")


class Create(base.ShowOne):
    """Stores a file and registers it in Glance."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="What it is to be called.")
        self.add_source(parser)
        group = parser.add_mutually_exclusive_group()
        for name in VISIBILITIES:
            group.add_argument("--" + name, dest="visibility", action="store_const", const=name,
                               help="Who sees the image in Glance; private by default.")
        parser.set_defaults(visibility="private")
        parser.add_argument("--property", dest="properties", metavar="KEY=VALUE", action="append",
                            default=[], type=pair,
                            help="Set a property of the Glance image. Can be repeated.")
        return parser

    def add_source(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that say what is stored."""
        parser.add_argument("--from", dest="path", metavar="FILE", required=True,
                            help="The file to store.")

    def show(self, values: Dict[str, str]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
        """Return *values* as cliff takes them."""
        return tuple(values), tuple(values.values())


class Listing(base.Lister, abc.ABC):
    """Lists what a container has."""

    columns: Tuple[str, ...] = ()

    @abc.abstractmethod
    def container(self, names: Containers) -> str:
        """Return the container that is listed."""

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        reached = services.of(self)
        found = properties.each(reached.account(), self.container(reached.containers))
        return (tuple(column.replace("_", " ").title() for column in self.columns),
                [tuple(values.get(column, "") for column in self.columns) for values in found])


def pair(text: str) -> Tuple[str, str]:
    """Return key and value of *text*.

    :raises ArgumentTypeError: it has none.
    """
    key, found, value = text.partition("=")
    if not found or not key:
        raise argparse.ArgumentTypeError("%r is not KEY=VALUE" % text)
    return key, value
