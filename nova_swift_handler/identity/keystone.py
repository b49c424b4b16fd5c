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

"""Make users, projects and roles, with an admin's credential that was given for it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

from nova_swift_handler import exceptions
from nova_swift_handler.identity import address
from nova_swift_handler.identity.rights import Domain, User

PRESENT, CREATED = "present", "created"
_NEEDED = ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")


def admin_session(environ: Mapping[str, str], **kwargs: Any) -> ks_session.Session:
    """Return a session of the admin whom the ``OS_*`` variables name, as of an openrc file.

    :param kwargs: passed on to keystoneauth's session.
    :raises ConfigError: a variable is missing.
    """
    lacking = [name for name in _NEEDED if not environ.get(name)]
    if lacking:
        raise exceptions.ConfigError(
            "Logging in to Keystone as its admin: %s not in the environment; source the admin's "
            "openrc file first" % ", ".join(lacking))

    def domain(what: str) -> Dict[str, Any]:
        for suffix in ("id", "name"):
            value = environ.get("OS_%s_DOMAIN_%s" % (what.upper(), suffix.upper()))
            if value:
                return {"%s_domain_%s" % (what, suffix): value}
        return {"%s_domain_id" % what: environ.get("OS_DEFAULT_DOMAIN", "default")}

    return ks_session.Session(auth=v3.Password(
        auth_url=environ["OS_AUTH_URL"], username=environ["OS_USERNAME"],
        password=environ["OS_PASSWORD"], project_name=environ["OS_PROJECT_NAME"],
        **domain("user"), **domain("project")), **kwargs)


class Registrar:
    """Makes what is missing; changes no password and takes no role away."""

    def __init__(self, session: ks_session.Session, dry_run: bool) -> None:
        self._session = session
        self._dry_run = dry_run

    def make(self, user: User) -> Dict[str, str]:
        """Bring a user about; return what was done to each part of it, by its name.

        :raises ConfigError: Keystone refuses the admin.
        :raises StoreUnreachable: it does not answer.
        """
        done: Dict[str, str] = {}
        project = self._ensure(done, "project", user.project, user.project_domain)
        found = self._ensure(done, "user", user.name, user.domain, password=user.password)
        for role in user.roles:
            role_id = self._ensure(done, "role", role)
            path = "/projects/%s/users/%s/roles/%s" % (project, found, role_id)
            known = None not in (project, found, role_id)
            if known and self._ask("HEAD", path, (204, 404)).status_code == 204:
                done["role %s of %s" % (role, user.name)] = PRESENT
                continue
            done["role %s of %s" % (role, user.name)] = CREATED
            if not self._dry_run:
                self._ask("PUT", path, (204,))
        return done

    def _ensure(self, done: Dict[str, str], kind: str, name: str,
                domain: Optional[Domain] = None, **values: str) -> Optional[str]:
        """Return the id of what has this name; None if it would be made by a run that is dry."""
        filters, domain_id = {"name": name}, None
        if domain is not None:
            domain_id = self._domain_id(domain)
            filters["domain_id"] = domain_id
        rows: List[Any] = self._ask("GET", "/%ss" % kind, (200,), params=filters).json()[
            "%ss" % kind]
        if rows:
            done["%s %s" % (kind, name)] = PRESENT
            return str(rows[0]["id"])
        done["%s %s" % (kind, name)] = CREATED
        if self._dry_run:
            return None
        body = {"name": name, **values, **({"domain_id": domain_id} if domain_id else {})}
        return str(self._ask("POST", "/%ss" % kind, (201,), json={kind: body}).json()[kind]["id"])

    def _domain_id(self, domain: Domain) -> str:
        if domain.id or not domain.name:
            return domain.id or "default"
        rows = self._ask("GET", "/domains", (200,), params={"name": domain.name}).json()["domains"]
        if not rows:
            raise exceptions.ConfigError(
                "Looking up domain %s in Keystone: there is none; correct *_domain_name in "
                "[swift_vhd]" % domain.name)
        return str(rows[0]["id"])

    def _ask(self, method: str, path: str, expected: Any, **kwargs: Any) -> Any:
        doing = "%s of %s in Keystone" % (method, path)
        try:
            # log=False: keystoneauth would write passwords to the log.
            answer = self._session.request(address.of(self._session) + path, method,
                                           raise_exc=False, log=False, **kwargs)
        except ks_exceptions.Unauthorized as error:
            raise exceptions.ConfigError(
                "%s: the admin of the OS_* variables is refused; source the right openrc file"
                % doing) from error
        except ks_exceptions.ClientException as error:
            raise exceptions.StoreUnreachable("%s: %s" % (doing, error)) from error
        if answer.status_code in expected:
            return answer
        if answer.status_code in (401, 403):
            raise exceptions.ConfigError(
                "%s: the user of the OS_* variables may not do it; source an admin's openrc file"
                % doing)
        raise exceptions.StoreError("%s: Keystone answered HTTP %d" % (doing, answer.status_code))
