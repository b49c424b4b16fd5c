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

"""Keystone: identity for every service of the sandbox."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from nova_swift_handler.sandbox import identity, ini, scripts
from nova_swift_handler.sandbox.service import Service

NAME = "keystone"
DATABASE = "keystone.db"


class Endpoint(NamedTuple):
    """Where a service is reached in a region."""

    service_type: str
    region: str
    url: str


def write_config(directory: Path) -> Path:
    """Write keystone.conf; the database and the keys lie beside it."""
    return ini.write(directory / "keystone.conf", {
        "DEFAULT": {"use_stderr": True},
        "database": ini.sqlite(directory / DATABASE),
        "token": {"provider": "fernet"},
        "fernet_tokens": {"key_repository": directory / "fernet-keys"},
        "credential": {"key_repository": directory / "credential-keys"},
        # One process, so its own memory will do.  Without, each token costs half a second of CPU.
        "cache": {"enabled": True, "backend": "oslo_cache.dict"},
        # The fewest rounds that bcrypt knows: passwords are no secret here.  It takes 72
        # characters; Keystone warns at every login when more are allowed.
        "identity": {"password_hash_rounds": 4, "max_password_length": 72},
    })


def service(python: Path, directory: Path, port: int) -> Service:
    """Return the process that serves Keystone."""
    return scripts.wsgi_service(
        NAME, python, "keystone.wsgi.api:application", port,
        {"OS_KEYSTONE_CONFIG_FILES": str(directory / "keystone.conf")})


def prepare_commands(python: Path, directory: Path) -> List[List[str]]:
    """Return the commands that make a new database and keys."""
    manage = [str(python.parent / "keystone-manage"), "--config-file",
              str(directory / "keystone.conf")]
    owner = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    return [
        [*manage, "db_sync"],
        [*manage, "fernet_setup", *owner],
        [*manage, "credential_setup", *owner],
        [*manage, "bootstrap", "--bootstrap-username", identity.ADMIN_USER.name,
         "--bootstrap-password", identity.ADMIN_USER.password,
         "--bootstrap-project-name", identity.ADMIN_USER.project],
    ]


def user_session(url: str, user: identity.User) -> session.Session:
    """Return a keystoneauth session of a user in its project."""
    auth = v3.Password(
        auth_url=url, username=user.name, password=user.password, project_name=user.project,
        user_domain_id=identity.DOMAIN_ID, project_domain_id=identity.DOMAIN_ID)
    return session.Session(auth=auth)


class Registrar:
    """Makes what is missing in a running Keystone, and changes what differs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._api = adapter.Adapter(
            user_session(url, identity.ADMIN_USER), endpoint_override=url)

    def people(self) -> None:
        """Make projects, roles, users and their assignments."""
        projects = {name: self._named("project", name, domain_id=identity.DOMAIN_ID)
                    for name in identity.PROJECTS}
        roles = {name: self._named("role", name) for name in identity.ROLES}
        for user in identity.USERS:
            user_id = self._named("user", user.name, domain_id=identity.DOMAIN_ID,
                                  password=user.password)
            for role in user.roles:
                self._api.put(
                    f"/projects/{projects[user.project]}/users/{user_id}/roles/{roles[role]}")

    def project_ids(self) -> Dict[str, str]:
        """Return the projects' ids by name."""
        return {each["name"]: each["id"] for each in self._list("project")}

    def user_ids(self) -> Dict[str, str]:
        """Return the users' ids by name."""
        return {each["name"]: each["id"] for each in self._list("user")}

    def catalog(self, endpoints: List[Endpoint]) -> None:
        """Make the service catalog hold exactly these endpoints."""
        regions = {each["id"] for each in self._list("region")}
        for region in sorted({endpoint.region for endpoint in endpoints} - regions):
            self._api.post("/regions", json={"region": {"id": region}})
        services = {each["type"]: each["id"] for each in self._list("service")}
        for kind in sorted({endpoint.service_type for endpoint in endpoints} - set(services)):
            services[kind] = self._create("service", type=kind, name=kind)
        present = {(each["service_id"], each["region_id"], each["interface"]): each
                   for each in self._list("endpoint")}
        for endpoint in endpoints:
            for interface in ("public", "internal"):
                key = (services[endpoint.service_type], endpoint.region, interface)
                self._endpoint(key, endpoint.url, present.pop(key, None))
        for stale in present.values():
            self._api.delete(f"/endpoints/{stale['id']}")

    def _endpoint(self, key: Tuple[str, str, str], url: str,
                  present: Optional[Dict[str, Any]]) -> None:
        service_id, region, interface = key
        if present is None:
            self._create("endpoint", service_id=service_id, region_id=region,
                         interface=interface, url=url)
        elif present["url"] != url:
            self._api.patch(f"/endpoints/{present['id']}", json={"endpoint": {"url": url}})

    def _list(self, kind: str) -> List[Dict[str, Any]]:
        entries: List[Dict[str, Any]] = self._api.get(f"/{kind}s").json()[f"{kind}s"]
        return entries

    def _named(self, kind: str, name: str, **values: str) -> str:
        for each in self._list(kind):
            if each["name"] == name:
                return str(each["id"])
        return self._create(kind, name=name, **values)

    def _create(self, kind: str, **values: str) -> str:
        return str(self._api.post(f"/{kind}s", json={kind: values}).json()[kind]["id"])
