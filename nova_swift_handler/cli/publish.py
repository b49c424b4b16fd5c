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

"""``swift-vhd template|iso publish|unpublish``: what other clouds may take."""

from __future__ import annotations

import argparse
from typing import Any, Dict, List, Tuple

from nova_swift_handler.catalog.point import TEMPLATE
from nova_swift_handler.cli import base, given, progress, services
from nova_swift_handler.cli.columns import Bytes, moment
from nova_swift_handler.cli.export import seconds
from nova_swift_handler.images import named
from nova_swift_handler.images.publication import Publication

Table = Tuple[Tuple[str, ...], List[Any]]


class _Catalogue(base.Lister):
    """Changes the catalogue, and shows what is in it then."""

    kind: str

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options of both."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--expires", type=seconds, default="52w", metavar="TIME",
                            help="How long the addresses in the index are good: a number and s, "
                                 "m, h, d or w (default: %(default)s). Publish again, with or "
                                 "without names, to make new ones.")
        return parser

    def shown(self, publication: Publication, entries: List[Dict[str, Any]]) -> Table:
        """Return what is published as cliff takes it."""
        self.app.stderr.write("The index: %s\n" % publication.url)
        return (("Name", "Size", "SHA256", "Expires"),
                [(entry["name"], Bytes(entry["size"]), entry["sha256"], moment(entry["expires"]))
                 for entry in entries])


class _Publish(_Catalogue):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("names", nargs="*", type=given.name, metavar="NAME",
                            help="What is to be published as well.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        publication = Publication(services.of(self))
        with progress.bar(self.kind) as bar:
            entries = publication.publish(self.kind, parsed_args.names, parsed_args.expires, bar)
        return self.shown(publication, entries)


class _Unpublish(_Catalogue):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("names", nargs="+", type=given.name, metavar="NAME",
                            help="What is to be published no more.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """Do it."""
        publication = Publication(services.of(self))
        return self.shown(publication, publication.unpublish(
            self.kind, parsed_args.names, parsed_args.expires))


class PublishTemplates(_Publish):
    """Let other clouds take templates from here, by an index that anybody may read.

    Nothing is copied: each is read once for its SHA-256. Whoever has the index's address can read
    what is published and nothing else. `template sync --from ADDRESS` takes it elsewhere.
    """

    kind = TEMPLATE


class UnpublishTemplates(_Unpublish):
    """Let nobody take these templates from here any more; addresses in use end at once."""

    kind = TEMPLATE


class PublishIsos(_Publish):
    """Let other clouds take ISOs from here, by an index that anybody may read.

    Nothing is copied: each is read once and compared with its SHA-256. Whoever has the index's
    address can read what is published and nothing else. `iso sync --from ADDRESS` takes it
    elsewhere.
    """

    kind = named.ISO


class UnpublishIsos(_Unpublish):
    """Let nobody take these ISOs from here any more; addresses in use end at once."""

    kind = named.ISO
