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

"""Who exists in the sandbox's Keystone: projects, users, and the least roles they need.

All under the services' default policies.  Passwords are no secret: the sandbox listens on loopback
and is for tests.
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

DOMAIN_ID = "default"

# Roles that Keystone's own bootstrap makes.
ADMIN = "admin"
MEMBER = "member"
READER = "reader"
SERVICE = "service"
# Glance's user in the images project: known to Swift by ACLs alone, so it may be no operator role.
IMAGE_STORE = "image-store"

# With one of these a user owns the Swift account of the project.  Members own theirs, as on most
# clouds.
SWIFT_OPERATOR_ROLES = [ADMIN, MEMBER]

ADMIN_PROJECT = "admin"
SERVICE_PROJECT = "service"
# Owns the Swift account that holds all disks.
IMAGES_PROJECT = "images"


class User(NamedTuple):
    """A user and its roles in its one project."""

    name: str
    project: str
    roles: Tuple[str, ...]

    @property
    def password(self) -> str:
        return f"{self.name}-password"


ADMIN_USER = User("admin", ADMIN_PROJECT, (ADMIN,))

# The users by which services check tokens and call each other.  `service` makes their tokens
# service tokens.  Placement's policies of this release know only `admin`, which Nova thus needs.
SERVICE_USERS = [
    User("swift", SERVICE_PROJECT, (SERVICE,)),
    User("glance", SERVICE_PROJECT, (SERVICE,)),
    User("nova", SERVICE_PROJECT, (SERVICE, ADMIN)),
    User("placement", SERVICE_PROJECT, (SERVICE,)),
]

# This package's account.  `member` makes it Swift operator and image owner in its project,
# `service` keeps users' tokens accepted (X-Service-Token), `admin` lets it add a location to an
# image of another project, and publish templates (see nova_swift_handler.glance.location).
HANDLER_USER = User("swift-vhd", IMAGES_PROJECT, (MEMBER, SERVICE, ADMIN))
GLANCE_STORE_USER = User("glance-store", IMAGES_PROJECT, (IMAGE_STORE,))

ORDINARY_USERS = [
    User("alice", "alice-project", (MEMBER,)),
    User("bob", "bob-project", (MEMBER,)),
]

USERS: List[User] = [ADMIN_USER, *SERVICE_USERS, HANDLER_USER, GLANCE_STORE_USER, *ORDINARY_USERS]
BY_NAME: Dict[str, User] = {user.name: user for user in USERS}
PROJECTS: List[str] = sorted({user.project for user in USERS})
ROLES: List[str] = sorted({role for user in USERS for role in user.roles})


def password_options(user: User, auth_url: str) -> Dict[str, str]:
    """Return keystoneauth's options by which a service logs in as this user."""
    return {
        "auth_type": "password",
        "auth_url": auth_url,
        "username": user.name,
        "password": user.password,
        "project_name": user.project,
        "user_domain_id": DOMAIN_ID,
        "project_domain_id": DOMAIN_ID,
    }
