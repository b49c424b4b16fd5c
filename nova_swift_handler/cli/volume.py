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

"""``swift-vhd volume``: the host's disks, whoever runs them."""

from __future__ import annotations

import argparse
from typing import Any, List, Tuple

from nova_swift_handler.cli import base, ending, given, offering, progress, services
from nova_swift_handler.cli.columns import Blank, Bytes, Names, Shown, shown
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.volumes import disks, volume


class Listing(base.Lister):
    """List the disks of the host's pool, and what is stored of each.

    Points counts what `volume snapshot` stored.  What Nova's snapshots of a disk stored is in the
    volume of the instance: see `snapshot list --volume INSTANCE`.  That a disk belongs to an
    instance is what it says itself; clones of it say the same.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--sr", type=given.name, metavar="SR",
                            help="Only this SR: its uuid or name.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        return ("ID", "Name", "SR", "Virtual Size", "VMs", "Instance", "Points", "Newest"), [
            (each.uuid, each.name, each.sr, Bytes(each.virtual_size), Names(each.vms),
             each.instance, each.points, Blank(each.newest or None))
            for each in disks.listing(services.with_host(self), parsed_args.sr)]


class Snapshot(base.ShowOne):
    """Store a disk as a point of its own volume, and make an image of it.

    A snapshot is made on the SR for the time, so the disk may be in use.  The first is stored in
    full, later ones store what has changed.  The image is private.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("vdi", type=given.name, metavar="VDI", help="Its uuid.")
        parser.add_argument("--name", default="", help="The image's name; the VDI's by default.")
        parser.add_argument("--image-property", dest="properties", metavar="KEY=VALUE",
                            action="append", default=[], type=offering.pair,
                            help="Set a property of the Glance image. Can be repeated.")
        parser.add_argument("--owner", type=given.name, metavar="PROJECT",
                            help="Id of the project that is to own the image; the service "
                                 "account's by default.")
        parser.add_argument("--wait", action="store_true",
                            help="Wait until the SR has coalesced what the snapshot left.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        with ending.terminable(), progress.bar(parsed_args.vdi) as bar:
            return shown(volume.store(
                services.with_host(self), parsed_args.vdi, Report(progress.events(bar)),
                name=parsed_args.name, owner=parsed_args.owner,
                image_properties=dict(parsed_args.properties), wait=parsed_args.wait))


class Create(base.ShowOne):
    """Make a VDI of an image, of what is stored here, or of VHD files."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--from", dest="source", nargs="+", required=True, type=given.name,
                            metavar="SOURCE",
                            help="The id of an image or export; or a VHD file, or all VHD files "
                                 "of a chain in any order.")
        parser.add_argument("--sr", type=given.name, metavar="SR",
                            help="The SR's uuid or name; the pool's default SR by default.")
        parser.add_argument("--name", required=True, help="The VDI's name.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        with ending.terminable(), progress.bar(parsed_args.name) as bar:
            return shown(volume.create(
                services.with_host(self), parsed_args.source, parsed_args.sr, parsed_args.name,
                Report(progress.events(bar))))
