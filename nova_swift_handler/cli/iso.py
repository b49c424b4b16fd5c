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

"""``swift-vhd iso``: CD images."""

from __future__ import annotations

import argparse

from nova_swift_handler.catalog.audit import isocheck
from nova_swift_handler.catalog.audit.verify import ALL, HEADERS
from nova_swift_handler.cli import ending, offering, progress, services, stored, verify
from nova_swift_handler.cli.columns import Shown, shown, size
from nova_swift_handler.images import iso, isofile, named


class Create(stored.Create):
    """Store an ISO 9660 file and register it in Glance."""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        """Do it."""
        with ending.terminable(), progress.bar(parsed_args.name) as bar:
            return shown(iso.create(
                services.of(self), parsed_args.name, parsed_args.path,
                attributes=offering.chosen(parsed_args), progress=bar))


class List(stored.Listing):
    """List the ISOs."""

    kind = named.ISO
    columns = ("name", "id", "size", "created_at")


class Show(stored.Show):
    """Show an ISO, and what differs in Glance from what is kept beside its data."""

    kind = named.ISO


class Set(stored.Set):
    """Change what an ISO is called and how it is offered, here and in Glance.

    Whatever else differs in Glance from what is kept beside the data is brought into line too.
    """

    kind = named.ISO


class Delete(stored.Delete):
    """Delete ISOs in Glance, and what is stored of them; protected ones are refused.

    What an ISO SR has of them stays there.
    """

    kind = named.ISO


class Download(stored.Download):
    """Write an ISO into a file, which is there only when all of it is proven."""

    kind = named.ISO

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        item = named.find(account, reached.containers, self.kind, parsed_args.wanted)
        with ending.terminable(), progress.bar(item.name) as bar:
            written = isofile.to_file(account, item.container, item.described(), parsed_args.path,
                                      force=parsed_args.force, progress=bar)
        self.app.stdout.write("%s: %s, proven by its checksum %s\n" % (
            parsed_args.path, size(written), item.values["checksum"]))


class Verify(stored.Kind, verify.Judging):
    """Verify an ISO: that its objects are what they were, and its bytes what was stored."""

    kind = named.ISO

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self.add_wanted(parser)
        parser.add_argument("--level", choices=(HEADERS, ALL), default=ALL,
                            help="headers: only sizes and etags are asked for. all: it is read "
                                 "and hashed (default: %(default)s).")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> verify.Table:
        """Do it."""
        reached = services.of(self)
        account = reached.account()
        item = named.find(account, reached.containers, self.kind, parsed_args.wanted)
        with progress.bar(item.name) as bar:
            return self.judged(isocheck.check(
                account, reached.containers, item.described(), parsed_args.level == ALL, bar))
