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

"""``swift-vhd template``: disks to boot instances from."""

from __future__ import annotations

import argparse
import contextlib
from typing import ContextManager, Tuple

from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.cli import ending, progress, services, stored
from nova_swift_handler.transfer import template, volume
from nova_swift_handler.transfer.source import FileSource


class Create(stored.Create):
    """Store a disk as a template and register it in Glance.

    Of files: one VHD (dynamic or fixed), or all VHDs of a chain in any order.  Of the image of a
    snapshot, an export or another template that is stored here: that moves no data, and what
    becomes of it later is nothing to the template.  Of a VDI: a snapshot of it is stored.
    """

    def add_source(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that say what is stored."""
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--from", dest="paths", nargs="+", metavar="FILE",
                           help="A VHD, or the VHDs of a chain.")
        group.add_argument("--from-image", metavar="ID",
                           help="Id of the image of a disk that is stored here.")
        group.add_argument("--from-vdi", metavar="UUID", help="A VDI of the host's pool.")

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[str, ...]]:
        """Do it."""
        source: ContextManager[template.Source]
        if parsed_args.from_vdi:
            reached = services.with_host(self)
            source = volume.frozen(reached, parsed_args.from_vdi)
        else:
            reached = services.of(self)
            source = contextlib.nullcontext(
                FileSource(*parsed_args.paths) if parsed_args.paths
                else template.of_image(reached, parsed_args.from_image))
        with ending.terminable(), progress.bar(parsed_args.name) as shown:
            return self.show(template.create(
                reached, parsed_args.name, source, visibility=parsed_args.visibility,
                image_properties=dict(parsed_args.properties), progress=shown))


class List(stored.Listing):
    """List the templates."""

    columns = ("name", "id", "size", "virtual_size", "created_at")

    def container(self, names: Containers) -> str:
        """Return the container that is listed."""
        return names.templates
