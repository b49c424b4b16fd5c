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

"""``swift-vhd image convert|relocate``: what Glance has an image's bytes by."""

from __future__ import annotations

import argparse
from typing import Any, List, Optional, Tuple

from nova_swift_handler.cli import base, ending, exit_codes, given, progress, services
from nova_swift_handler.cli.columns import Bytes
from nova_swift_handler.cli.export import seconds
from nova_swift_handler.images import convert, relocate


class Convert(base.ShowOne):
    """Make an image that hosts with stock handlers boot of one that they do not.

    The disk is uploaded to Glance as an archive (container format ovf), a copy that needs nothing
    of what is stored in Swift.  It is a new image, with the name, owner, visibility and properties
    of the original, which stays.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("id", type=given.name, metavar="ID", help="Id of the image.")
        parser.add_argument("--to", choices=[convert.OVF], required=True,
                            help="ovf: a gzipped tar of one VHD, as direct_vhd and "
                                 "vdi_remote_stream make and boot it.")
        parser.add_argument("--replace", action="store_true",
                            help="Delete the original in Glance when the copy is active. "
                                 "Instances that were booted from it cannot be rebuilt or rescued "
                                 "by its id any more.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...],
                                                                    Tuple[Any, ...]]:
        """Do it."""
        with ending.terminable(), progress.bar(parsed_args.id) as bar:
            values = convert.convert(services.of(self), parsed_args.id,
                                     replace=parsed_args.replace, progress=bar)
        for name in ("size", "virtual_size"):
            values[name] = Bytes(values[name])
        return tuple(values), tuple(values.values())


class Relocate(base.Lister):
    """Give Glance the locations of images anew: with another key, or before their TempURLs expire.

    For images that were registered by location or http.  The key is that of glance_store_key.
    Done by the glance-api of glance_internal_api_servers; safe to repeat, as from a timer.
    """

    failure: Optional[int] = None

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("ids", type=given.name, metavar="ID", nargs="*", default=[],
                           help="Ids of images.")
        which.add_argument("--all", action="store_true", help="All images.")
        parser.add_argument("--within", type=seconds, default="30d", metavar="TIME",
                            help="Renew TempURLs that expire within this time: a number and s, m, "
                                 "h, d or w (default: %(default)s).")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be done.")
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run it; return another exit code than 0 if an image could not be relocated."""
        code = int(super().run(parsed_args) or 0)
        return code or self.failure or 0

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        outcomes = list(relocate.relocate(services.of(self), parsed_args.ids,
                                          within=parsed_args.within, dry_run=parsed_args.dry_run))
        if any(each.state == relocate.FAILED for each in outcomes):
            self.failure = exit_codes.GLANCE
        return ("ID", "Name", "Form", "State", "Detail"), [
            (each.image_id, each.name, each.form, each.state, each.detail) for each in outcomes]
