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

"""``swift-vhd setup``: make users' rights, containers and keys, as far as they are lacking."""

from __future__ import annotations

import argparse
import os
from typing import Any, Dict, List, Tuple

from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import containers, places
from nova_swift_handler.cli import base, services
from nova_swift_handler.glance import store_user
from nova_swift_handler.identity import keystone, present, rights
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

_COLUMNS = ("Name", "State", "Readers", "Writers", "What To Do")
_DONE = (keystone.CREATED, containers.CREATED, containers.CHANGED)
Row = Tuple[str, str, str, str, str]


class Setup(base.Lister):
    """Make the containers in Swift, their rights and the key for TempURLs; safe to repeat.

    Glance's Swift user gets to write the images container and to read templates, ISOs and
    volumes, and nothing else.

    Users and roles are an admin's business: how the two users stand is looked at with their own
    passwords, and the openstack commands for what they lack are shown.  With --keystone they are
    made, with the credential of the environment (OS_AUTH_URL, OS_USERNAME, ..., as an admin's
    openrc file sets them): the project, both users with the passwords of the configuration, and
    their roles.  A user that is there keeps its password, and every role that it has.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add this command's options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--dry-run", action="store_true",
                            help="Show what would be done, and do nothing.")
        parser.add_argument("--keystone", action="store_true",
                            help="Make users, project and roles as well, as the admin whom the "
                                 "environment's OS_* variables name.")
        parser.add_argument("--operator-role", default="member", metavar="ROLE",
                            help="One of operator_roles in Swift's proxy-server.conf, for the "
                                 "service account (default: %(default)s).")
        parser.add_argument("--store-role", default="image-store", metavar="ROLE",
                            help="A role that Swift gives no rights to, for Glance's Swift user "
                                 "(default: %(default)s).")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Tuple[Tuple[str, ...], List[Any]]:
        """Do it."""
        reached = services.of(self)
        rows: List[Row] = []
        if parsed_args.keystone:
            rows = _registered(reached, parsed_args)
            if parsed_args.dry_run and any(row[1] == keystone.CREATED for row in rows):
                return _COLUMNS, _planned(rows)  # who is not there yet cannot be asked for more
        acl = _acl(reached)
        if not acl:
            raise exceptions.ConfigError(
                "Setting up: who Glance's Swift user is, is not known. Set glance_store_user, "
                "glance_store_key and glance_store_auth_address in [swift_vhd], or "
                "glance_store_acl = <project id>:<user id>.")
        account = reached.account()
        rows.append(("(the account)", containers.apply_key(account, parsed_args.dry_run),
                     "a key for TempURLs", "", ""))
        wanted = containers.wanted(reached.containers, acl)
        wanted += [containers.Wanted(name, acl, "")
                   for name in places.volumes(account, reached.containers)]
        for want in wanted:
            what = containers.apply(account, want, reached.store.storage_policy,
                                    parsed_args.dry_run)
            rows.append((want.name, what, want.read, want.write, ""))
        if parsed_args.dry_run:
            rows = _planned(rows)
        return _COLUMNS, rows + _standing(reached, account, parsed_args)


def _acl(reached: Services) -> str:
    try:
        return reached.store.reader_acl or store_user.acl_element(reached.glance)
    except exceptions.ConfigError as error:
        raise exceptions.ConfigError(
            "%s If there is no such user yet, `swift-vhd setup --keystone` makes it." % error
            ) from error


def _planned(rows: List[Row]) -> List[Row]:
    """Return *rows* of a dry run, in which nothing was done yet."""
    return [(name, "to be " + state if state in _DONE else state,
             readers, writers, advice) for name, state, readers, writers, advice in rows]


def _registered(reached: Services, parsed_args: argparse.Namespace) -> List[Row]:
    own = reached.credentials
    registrar = keystone.Registrar(
        keystone.admin_session(os.environ, verify=own.verify, timeout=own.timeout),
        parsed_args.dry_run)
    done: Dict[str, str] = {}
    for user in rights.wanted(own, reached.glance, parsed_args.operator_role,
                              parsed_args.store_role):
        # What both have in common is made for the first.
        for name, state in registrar.make(user).items():
            done.setdefault(name, state)
    return [(name, state, "", "", "") for name, state in done.items()]


def _standing(reached: Services, account: Account,
              parsed_args: argparse.Namespace) -> List[Row]:
    """Return how the users stand in Keystone."""
    try:
        users = rights.wanted(reached.credentials, reached.glance, parsed_args.operator_role,
                              parsed_args.store_role)
    except exceptions.ConfigError as error:
        return [("(users)", "not checked", "", "", str(error))]
    rows = []
    for user in users:
        own = user is users[0]
        session = (reached.credentials.session() if own
                   else store_user.session(reached.glance))
        found = present.look(user, session, own, own or _owns(session, account.url))
        rows.append(("%s %s" % (user.who, user.name), found.state, found.roles, "",
                     "; ".join(found.commands)))
    return rows


def _owns(session: Any, url: str) -> bool:
    try:
        answer = session.head(url, raise_exc=False, log=False)
    except ks_exceptions.ClientException:
        return False
    return bool(answer.status_code < 300)
