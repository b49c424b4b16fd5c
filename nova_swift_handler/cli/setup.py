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

"""``swift-vhd setup``: make the containers, and give Glance's Swift user its rights."""

from __future__ import annotations

import argparse
from typing import Any, List, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import containers
from nova_swift_handler.cli import base, services
from nova_swift_handler.glance import store_user


class Setup(base.Lister):
    """Make the containers in Swift, their rights and the key for TempURLs; safe to repeat.

    Glance's Swift user gets to write the images container and to read templates, ISOs and
    volumes, and nothing else.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--dry-run", action="store_true",
                            help="Show what would be done, and do nothing.")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        reached = services.of(self)
        acl = reached.store.reader_acl or store_user.acl_element(reached.glance)
        if not acl:
            raise exceptions.ConfigError(
                "Setting up: who Glance's Swift user is, is not known. Set glance_store_user, "
                "glance_store_key and glance_store_auth_address in [swift_vhd], or "
                "glance_store_acl = <project id>:<user id>.")
        account = reached.account()
        rows = [("(the account)", containers.apply_key(account, parsed_args.dry_run),
                 "a key for TempURLs", "")]
        for want in containers.wanted(reached.containers, acl):
            what = containers.apply(account, want, reached.store.storage_policy,
                                    parsed_args.dry_run)
            rows.append((want.name, what, want.read or "", want.write or ""))
        return ("Container", "State", "Readers", "Writers"), rows
