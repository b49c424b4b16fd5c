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

"""The two users, their project and their roles, as the configuration names them."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any, Dict, List, Optional, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings

SERVICE_ROLES = ("admin", "service")
"""What the service account needs besides a role that Swift takes for an owner's."""

_PASSWORD_TYPES = ("password", "v3password")


@dataclasses.dataclass(frozen=True)
class Domain:
    """A domain of Keystone's, by id or else by name."""

    id: Optional[str]
    name: Optional[str]

    def __str__(self) -> str:
        return self.id or self.name or "default"


@dataclasses.dataclass(frozen=True)
class User:
    """A user as it should be.

    :ivar who: what it is, for people.
    :ivar project: name of the project in which it has its roles.
    :ivar password: never shown.
    """

    who: str
    name: str
    domain: Domain
    project: str
    project_domain: Domain
    password: str = dataclasses.field(repr=False)
    roles: Tuple[str, ...]

    def commands(self, missing_roles: Optional[Tuple[str, ...]] = None) -> List[str]:
        """Return the ``openstack`` commands that make it, or only give it *missing_roles*."""
        user, project, domain, project_domain = (shlex.quote(str(each)) for each in (
            self.name, self.project, self.domain, self.project_domain))
        grants = ["openstack role add --user %s --user-domain %s --project %s --project-domain %s"
                  " %s" % (user, domain, project, project_domain, shlex.quote(role))
                  for role in (self.roles if missing_roles is None else missing_roles)]
        if missing_roles is not None:
            return grants
        return ["openstack project create --or-show --domain %s %s" % (project_domain, project),
                "openstack user create --or-show --domain %s --password-prompt %s" % (
                    domain, user),
                *["openstack role create --or-show %s" % shlex.quote(role)
                  for role in self.roles], *grants]


def wanted(credentials: Credentials, glance: GlanceSettings, operator_role: str,
           store_role: str) -> List[User]:
    """Return the service account and, if it is configured, Glance's Swift user.

    :param operator_role: one of the ``operator_roles`` in Swift's proxy-server.conf.
    :param store_role: a role that Swift and Glance give no rights to.
    :raises ConfigError: the configuration names users by id, or no password: such are made by
        hand.
    """
    options = credentials.options
    lacking = [name for name in ("username", "password", "project_name") if not options.get(name)]
    if credentials.auth_type not in _PASSWORD_TYPES or lacking:
        raise exceptions.ConfigError(
            "Looking for who the service account is: users can be made only of auth_type = "
            "password with username, password and project_name in [swift_vhd]%s; make them by "
            "hand" % (" (%s not set)" % ", ".join(lacking) if lacking else ""))
    found = [User(
        "service account", options["username"], _domain(options, "user"),
        options["project_name"], _domain(options, "project"), options["password"],
        (operator_role, *(role for role in SERVICE_ROLES if role != operator_role)))]
    if glance.store_user and glance.store_key:
        project, _colon, name = glance.store_user.partition(":")
        found.append(User(
            "Glance's Swift user", name, Domain(glance.store_user_domain_id, None), project,
            Domain(glance.store_project_domain_id, None), glance.store_key, (store_role,)))
    return found


def _domain(options: Dict[str, Any], what: str) -> Domain:
    identity = options.get(what + "_domain_id") or options.get("default_domain_id")
    name = options.get(what + "_domain_name") or options.get("default_domain_name")
    return Domain(identity, None if identity else name)
