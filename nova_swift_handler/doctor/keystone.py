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

"""Who the service account is, what roles it has, and who else is in its project."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Optional

from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler import exceptions
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.glance.settings import LOCATION, UPLOAD
from nova_swift_handler.identity import address

_LOGIN = "login of the service account"
_ROLES = (
    ("admin", "images of other projects cannot be given their location, so each becomes a full "
     "copy, and templates cannot be made public"),
    ("service", "a user's token that expires during a transfer is refused by Glance"),
)


def login(site: Site) -> Iterator[Finding]:
    """Log in."""
    try:
        access = site.access
    except exceptions.ConfigError:
        raise
    except exceptions.SwiftVhdError as error:
        yield Finding(WRONG, _LOGIN, str(error),
                      "correct auth_url, username, password and project_name in [swift_vhd]")
        return
    yield Finding(OK, _LOGIN, "%s in project %s" % (access.username, access.project_name))


def roles(site: Site) -> Iterator[Finding]:
    """Look for the roles that Glance's policies ask for."""
    access = site.access
    for role, lack in _ROLES:
        what = "role %s of the service account" % role
        if role in access.role_names:
            yield Finding(OK, what, "it has it")
        elif site.glance.registration == UPLOAD and role == "admin":
            yield Finding(OK, what, "it has it not, and needs it not for registration by upload")
        else:
            yield Finding(
                WRONG if site.glance.registration == LOCATION else WARNING, what,
                "it has it not: %s" % lack, grant(role, access.user_id, access.project_id))


def grant(role: str, user: str, project: str) -> str:
    """Return the command that gives a user a role."""
    return "openstack role add --user %s --project %s %s" % (user, project, role)


def others(site: Site) -> Iterator[Finding]:
    """Look for people in the project: its Swift account and Glance's tasks are open to them."""
    what = "who else is in the service account's project"
    own = site.access
    known = {own.user_id}
    with contextlib.suppress(exceptions.SwiftVhdError):
        # Told elsewhere; then that user is listed as well.
        known.add(site.store_session.get_user_id())
    rows = _assignments(site, own.project_id)
    if rows is None:
        yield Finding(NOT_CHECKED, what, "Keystone tells it to admins only",
                      "openstack role assignment list --project %s --names --effective"
                      % own.project_id)
        return
    strangers = sorted({
        "%s (%s)" % (row["user"].get("name", row["user"]["id"]), row["role"].get("name", "?"))
        for row in rows if "user" in row and row["user"]["id"] not in known})
    if strangers:
        yield Finding(
            WARNING, what, "%s: whoever owns the project's Swift account can read and delete all "
            "disks" % ", ".join(strangers),
            "openstack role remove --user USER --project %s ROLE; or give the disks a project of "
            "their own" % own.project_id)
    else:
        yield Finding(OK, what, "nobody but Glance's Swift user")


def _assignments(site: Site, project_id: str) -> Optional[List[Dict[str, Any]]]:
    try:
        answer = site.session.get(
            "%s/role_assignments?scope.project.id=%s&effective&include_names" % (
                address.of(site.session), project_id), raise_exc=False, log=False)
    except ks_exceptions.ClientException as error:
        raise exceptions.StoreUnreachable("Keystone did not answer: %s" % error) from error
    if answer.status_code != 200:
        return None
    return list(answer.json()["role_assignments"])
