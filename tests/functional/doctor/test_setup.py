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

"""``swift-vhd setup`` on a Keystone that knows nobody yet, and on one that does."""

from __future__ import annotations

import json
import uuid
from typing import Any, Dict, Iterator, List

import pytest

from tests.functional.doctor.conftest import Clinic


class Newcomers:
    """A project and two users that are in the configuration alone."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        mark = uuid.uuid4().hex[:8]
        self.project, self.service, self.store = (
            "disks-" + mark, "handler-" + mark, "store-" + mark)
        self.role = "role-" + mark
        clinic.set("swift_vhd", username=self.service, password="service-secret",
                   project_name=self.project, glance_store_user="%s:%s" % (
                       self.project, self.store), glance_store_key="store-secret")

    def setup(self, *options: str, code: int = 0) -> List[Dict[str, Any]]:
        got, out, err = self.clinic.run("setup", "--store-role", self.role, *options, "-f", "json")
        assert got == code, err
        assert "secret" not in out + err
        return list(json.loads(out)) if not code else [{"error": err}]

    def known(self) -> List[str]:
        """Return which of the names Keystone knows."""
        admin, url = self.clinic.cloud.session("admin"), self.clinic.env["keystone_url"]
        return [kind for kind, name in (
            ("project", self.project), ("user", self.service), ("user", self.store),
            ("role", self.role))
            if admin.get("%s/%ss?name=%s" % (url, kind, name)).json()[kind + "s"]]

    def forget(self) -> None:
        admin, url = self.clinic.cloud.session("admin"), self.clinic.env["keystone_url"]
        for kind, name in (("user", self.service), ("user", self.store),
                           ("project", self.project), ("role", self.role)):
            for row in admin.get("%s/%ss?name=%s" % (url, kind, name)).json()[kind + "s"]:
                admin.delete("%s/%ss/%s" % (url, kind, row["id"]))


@pytest.fixture
def newcomers(empty: Clinic) -> Iterator[Newcomers]:
    made = Newcomers(empty)
    yield made
    made.forget()


@pytest.fixture
def admin(empty: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that an admin's openrc file makes."""
    known = empty.env["users"]["admin"]
    for name, value in (("AUTH_URL", empty.env["keystone_url"]), ("USERNAME", known["name"]),
                        ("PASSWORD", known["password"]), ("PROJECT_NAME", known["project"]),
                        ("USER_DOMAIN_NAME", "Default"), ("PROJECT_DOMAIN_ID", "default")):
        monkeypatch.setenv("OS_" + name, value)


def states(rows: List[Dict[str, Any]]) -> List[str]:
    return sorted({row["State"] for row in rows})


@pytest.mark.usefixtures("admin")
def test_all_is_made_and_then_found(newcomers: Newcomers) -> None:
    planned = newcomers.setup("--keystone", "--dry-run")
    assert "to be created" in states(planned)
    assert "created" not in states(planned)
    assert newcomers.known() == []
    assert newcomers.clinic.containers() == []
    first = newcomers.setup("--keystone")
    assert newcomers.known() == ["project", "user", "user", "role"]
    assert "created" in states(first)
    again = newcomers.setup("--keystone")
    assert states(again) == ["present"]
    assert [row["Name"] for row in first] == [row["Name"] for row in again]
    assert not any(row["What To Do"] for row in again)
    lines = newcomers.clinic.examine("--only", "keystone", "--only", "swift")
    assert {line.state for line in lines} == {"ok"}
    line = newcomers.clinic.one("what Glance's Swift user could destroy", "--only", "glance")
    assert line.state == "ok"


@pytest.mark.usefixtures("admin")
def test_addresses_without_a_version_are_as_good(newcomers: Newcomers,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    url = newcomers.clinic.env["keystone_url"]
    assert url.endswith("/v3")
    monkeypatch.setenv("OS_AUTH_URL", url[:-len("/v3")])
    newcomers.clinic.set("swift_vhd", auth_url=url[:-len("/v3")])
    newcomers.setup("--keystone")
    assert newcomers.known() == ["project", "user", "user", "role"]
    lines = newcomers.clinic.examine("--only", "keystone")
    assert {line.state for line in lines} == {"ok"}


@pytest.mark.usefixtures("admin")
def test_a_password_that_is_there_stays(newcomers: Newcomers) -> None:
    newcomers.setup("--keystone")
    newcomers.clinic.set("swift_vhd", glance_store_key="another-secret")
    newcomers.clinic.set("swift_vhd", glance_store_acl="0:0")
    row = [row for row in newcomers.setup("--keystone")
           if row["Name"].startswith("Glance's Swift user")]
    assert [each["State"] for each in row] == ["missing, or has another password"]


def test_who_is_not_there_yet_is_told_how_to_be_made(newcomers: Newcomers) -> None:
    error = newcomers.setup(code=3)[0]["error"]
    assert newcomers.store in error
    assert "swift-vhd setup --keystone" in error


def test_without_an_admin_nothing_is_made_in_keystone(newcomers: Newcomers,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_PASSWORD", raising=False)
    error = newcomers.setup("--keystone", code=3)[0]["error"]
    assert "OS_PASSWORD" in error
    assert "openrc" in error
    assert newcomers.known() == []


@pytest.mark.usefixtures("admin")
def test_one_who_is_no_admin(newcomers: Newcomers, monkeypatch: pytest.MonkeyPatch) -> None:
    known = newcomers.clinic.env["users"]["bob"]
    for name, value in (("USERNAME", "bob"), ("PASSWORD", known["password"]),
                        ("PROJECT_NAME", known["project"])):
        monkeypatch.setenv("OS_" + name, value)
    assert "admin's openrc" in newcomers.setup("--keystone", code=3)[0]["error"]
    assert newcomers.known() == []


def test_roles_that_lack_are_told_with_the_command(clinic: Clinic) -> None:
    user = clinic.env["users"]["alice"]
    clinic.set("swift_vhd", username="alice", password=user["password"],
               project_name=user["project"])
    code, out, err = clinic.run("setup", "--dry-run", "-f", "json")
    assert code == 0, err
    row = next(row for row in json.loads(out) if row["Name"] == "service account alice")
    assert row["State"] == "lacks rights"
    for role in ("admin", "service"):
        assert "openstack role add --user alice" in row["What To Do"]
        assert row["What To Do"].count(" " + role) >= 1


def test_a_swift_user_of_glances_with_too_many_rights(clinic: Clinic) -> None:
    user = clinic.env["users"]["swift-vhd"]
    clinic.set("swift_vhd", glance_store_user="%s:swift-vhd" % user["project"],
               glance_store_key=user["password"])
    code, out, err = clinic.run("setup", "-f", "json")
    assert code == 0, err
    row = next(row for row in json.loads(out) if row["Name"].startswith("Glance's Swift user"))
    assert row["State"] == "has too much"
    assert "openstack role remove" in row["What To Do"]
