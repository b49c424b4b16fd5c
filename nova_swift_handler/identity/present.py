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

"""What the users have, seen with their own credentials alone."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Set

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions
from nova_swift_handler.identity.rights import User


class Standing(NamedTuple):
    """How a user stands.

    :ivar state: ``present``, ``lacking`` roles, ``missing``, or having ``too much``.
    :ivar commands: what an admin types to put it right.
    """

    user: User
    state: str
    roles: str
    commands: List[str]


def look(user: User, session: ks_session.Session, may_own: bool,
         owns: Optional[bool] = None) -> Standing:
    """Log in as *user* and return how it stands.

    :param may_own: whether it is to own the account in Swift.
    :param owns: whether it does, if that was asked.
    :raises StoreUnreachable: Keystone does not answer.
    """
    try:
        access = session.auth.get_access(session)  # type: ignore[union-attr]
    except ks_exceptions.Unauthorized:
        # One that is there with another password looks the same.
        return Standing(user, "missing, or has another password", "", user.commands())
    except ks_exceptions.ClientException as error:
        raise exceptions.StoreUnreachable(
            "Logging in to Keystone as the %s: %s" % (user.who, error)) from error
    held: Set[str] = set(access.role_names)
    shown = ", ".join(sorted(held))
    if owns and not may_own:
        # If it has no other, the role that was chosen for it is one of Swift's operator_roles.
        return Standing(user, "has too much", shown, [
            "openstack role remove --user %s --project %s %s" % (
                access.user_id, access.project_id, role)
            for role in sorted(held - set(user.roles)) or sorted(held)])
    # Any role that Swift takes for an owner's will do, and any other for who is to be none.
    needed = user.roles[1:] if owns or not may_own else user.roles
    lacking = tuple(role for role in needed if role not in held)
    if lacking:
        return Standing(user, "lacks rights", shown, user.commands(lacking))
    return Standing(user, "present", shown, [])
