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
from typing import ContextManager

from nova_swift_handler.catalog import properties
from nova_swift_handler.catalog.audit import headers
from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.cli import ending, given, offering, progress, services, stored, verify
from nova_swift_handler.cli.columns import Shown, shown, size
from nova_swift_handler.images import named, template
from nova_swift_handler.transfer import restore
from nova_swift_handler.transfer.sources import formats
from nova_swift_handler.volumes import volume


class Create(stored.Create):
    """Store a disk as a template and register it in Glance.

    Of files: a VHD (dynamic or fixed), all VHDs of a chain in any order, a raw disk (a block
    device too), a qcow2 image (read by qemu-img), an ovf tgz of VHDs as Nova's stock handlers
    make; compressed by gzip or xz too.  What it is, its bytes tell.  Those of a raw disk may be
    anything: a guest can write the beginning of another format to its disk, so of disks that
    others had, say --format raw.  Of the image of a snapshot, an export or another template that
    is stored here: that moves no data, and what becomes of it later is nothing to the template.
    Of a VDI: a snapshot of it is stored.

    Interrupted and said again, the command sends what is missing.
    """

    conflict_handler = "resolve"
    """Here ``--format`` is the disk's; how the answer is shown, ``-f`` says."""

    def add_source(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that say what is stored."""
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--from", dest="paths", nargs="+", metavar="FILE",
                           help="A file with a disk, or the VHDs of a chain; - is the standard "
                                "input, which is first copied to staging_dir.")
        group.add_argument("--from-image", type=given.name, metavar="ID",
                           help="Id of the image of a disk that is stored here.")
        group.add_argument("--from-vdi", type=given.name, metavar="UUID",
                           help="A VDI of the host's pool.")
        parser.add_argument("--format", dest="disk_format", choices=formats.FORMATS,
                            help="What the file is, whatever its bytes look like; raw takes them "
                                 "as they are.")

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        source: ContextManager[template.Source]
        if parsed_args.from_vdi:
            reached = services.with_host(self)
            source = volume.frozen(reached, parsed_args.from_vdi)
        else:
            reached = services.of(self)
            source = (
                formats.opened(parsed_args.paths, parsed_args.disk_format, reached.transfer)
                if parsed_args.paths else contextlib.nullcontext(
                    template.of_image(reached, parsed_args.from_image)))
        with ending.terminable(), progress.bar(parsed_args.name) as bar:
            return shown(template.create(
                reached, parsed_args.name, source, attributes=offering.chosen(parsed_args),
                progress=bar))


class List(stored.Listing):
    """List the templates."""

    kind = TEMPLATE
    columns = ("name", "id", "size", "virtual_size", "created_at")


class Show(stored.Show):
    """Show a template, and what differs in Glance from what is kept beside its data."""

    kind = TEMPLATE


class Set(stored.Set):
    """Change what a template is called and how it is offered, here and in Glance.

    Whatever else differs in Glance from what is kept beside the data is brought into line too.
    """

    kind = TEMPLATE


class Delete(stored.Delete):
    """Delete templates in Glance, and what is stored of them; protected ones are refused.

    Instances made of them stay, as do snapshots and templates that share blocks with them.  Space
    comes back by housekeeping.
    """

    kind = TEMPLATE


class Download(stored.Download):
    """Write a template's disk into a file, which is there only when all of it is proven."""

    kind = TEMPLATE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--format", dest="disk_format", choices=restore.FORMATS,
                            default=restore.VHD,
                            help="A dynamic VHD, or a raw disk with holes (default: %(default)s).")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        item = named.find(account, reached.containers, self.kind, parsed_args.wanted)
        point = named.point_of(account, reached.containers, item)
        with ending.terminable(), progress.bar(item.name) as bar:
            written = restore.to_file(
                account, point, parsed_args.path, parsed_args.disk_format,
                threads=reached.transfer.download_threads, force=parsed_args.force, progress=bar)
        self.app.stdout.write("%s: %s as %s, a disk of %s, proven by its checksum %s\n" % (
            parsed_args.path, size(written), parsed_args.disk_format, size(point.virtual_size),
            properties.checksum(point)))


class Verify(stored.Kind, verify.Verify):
    """Verify a template: its objects, what is in them, and what its properties say."""

    kind = TEMPLATE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        self.add_wanted(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> verify.Table:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        item = named.find(account, reached.containers, self.kind, parsed_args.wanted)
        point = named.point_of(account, reached.containers, item)
        return self.verified(
            parsed_args, [item.container], [item.image_id],
            headers.misdescribed(point, item.values) if item.values else ())
