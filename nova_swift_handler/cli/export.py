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

"""``swift-vhd volume export`` and ``snapshot url``: addresses that give a disk to who has them."""

from __future__ import annotations

import argparse
import re

from nova_swift_handler.cli import base, ending, given, progress, services
from nova_swift_handler.cli.columns import Shown, shown
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.volumes import export

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def seconds(text: str) -> int:
    """Return how long *text* says, such as ``90m`` or ``7d``.

    :raises ArgumentTypeError: it says nothing of the kind.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    if not match:
        raise argparse.ArgumentTypeError(
            "%r is no time; write a number and s, m, h, d or w, such as 7d" % text)
    return int(match[1]) * _UNITS[match[2]]


def _file_name(text: str) -> str:
    if not text or "/" in text or not text.isprintable():
        raise argparse.ArgumentTypeError("%r is no name of a file" % text)
    return text


class _Address(base.ShowOne):
    conflict_handler = "resolve"
    """Here ``--format`` is the disk's; how the answer is shown, ``-f`` says."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--format", dest="disk_format", choices=export.FORMATS,
                            default=export.VHD,
                            help="A dynamic VHD, or the disk's bytes alone (default: "
                                 "%(default)s).")
        parser.add_argument("--expires", type=seconds, default="7d", metavar="TIME",
                            help="How long the address is good: a number and s, m, h, d or w "
                                 "(default: %(default)s).")
        parser.add_argument("--file-name", type=_file_name, metavar="NAME",
                            help="What the downloaded file is to be called.")
        return parser


class Export(_Address):
    """Store a disk as it is now, and print an address to download it from.

    Whoever has the address can read the disk until it expires; it is printed here and noted
    nowhere.  Downloads can be resumed (`curl -C -`).  Only what other points of the volume lack is
    stored, and housekeeping deletes it after the time.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("vdi", type=given.name, metavar="VDI", help="Its uuid.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        with ending.terminable(), progress.bar(parsed_args.vdi) as bar:
            return shown(export.export(
                services.with_host(self), parsed_args.vdi, parsed_args.disk_format,
                parsed_args.expires, Report(progress.events(bar)),
                parsed_args.file_name or ""))


class Address(_Address):
    """Print an address to download a stored disk from; nothing is copied.

    Whoever has it can read the disk until it expires or the disk is deleted; it is printed here
    and noted nowhere.  Downloads can be resumed (`curl -C -`).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("id", type=given.name, metavar="ID",
                            help="Id of the image of a snapshot or template, or of an export.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        return shown(export.url(services.of(self), parsed_args.id, parsed_args.disk_format,
                                parsed_args.expires, parsed_args.file_name or ""))
