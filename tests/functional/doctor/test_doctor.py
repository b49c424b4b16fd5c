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

"""What is right is called right, what is broken is called wrong, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.cli import config
from nova_swift_handler.doctor import glance as glance_checks
from nova_swift_handler.doctor import swift as swift_checks
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.doctor.throwaway import ThrowAway
from tests.functional.doctor.conftest import Clinic
from tests.functional.glance.side import Side
from tests.functional.handler.bench import eventually

pytest.importorskip("nova.virt.xenapi")

_KEY = "X-Account-Meta-Temp-URL-Key"


def test_all_is_well_and_nothing_is_left(whole: Clinic) -> None:
    before = whole.traces()
    lines = whole.examine()
    bad = [line for line in lines if line.state not in ("ok", "not checked")]
    assert not bad
    # What Glance tells nobody.
    assert [line.what for line in lines if line.state == "not checked"] == [
        "Glance's image_size_cap"]
    assert {line.area for line in lines} == {
        "options", "nova", "keystone", "swift", "glance", "xapi", "clock"}
    assert len(lines) > 35
    assert whole.traces() == before == ([], [], [])


def test_before_anything_is_set_up(empty: Clinic) -> None:
    lines = empty.examine("--only", "swift", "--only", "glance")
    missing = [line for line in lines if line.state == "wrong"]
    assert {line.what for line in missing} == {
        "container %s-%s" % (empty.prefix, kind)
        for kind in ("index", "images", "templates", "isos")}
    assert {line.mend for line in missing} == {"swift-vhd setup"}
    assert empty.containers() == []


def test_problems_alone(clinic: Clinic) -> None:
    assert clinic.examine("--problems", "--only", "swift") == []


def test_what_writes_can_be_left_out(clinic: Clinic) -> None:
    left_out = [line for line in clinic.examine("--read-only") if "--read-only" in line.found]
    assert {line.what for line in left_out} == {
        "static large objects", "what Glance's Swift user could destroy",
        "registration by location"}


# Section, options to change, area, beginning of the line, state, what its fields hold.
_BROKEN: Dict[str, Any] = {
    "another handler": ("xenserver", {"image_handler": "direct_vhd"}, "nova",
                        "[xenserver] image_handler", "wrong", "direct_vhd",
                        "image_handler = swift_vhd"),
    "no handler named": ("xenserver", {"image_handler": None}, "nova",
                         "[xenserver] image_handler", "wrong", "direct_vhd",
                         "image_handler = swift_vhd"),
    "no compute node": ("DEFAULT", {"compute_driver": None}, "nova", "[xenserver] image_handler",
                        "not checked", "no nova-compute", "compute node"),
    "signatures and a cache": ("glance", {"verify_glance_signatures": "true"}, "nova",
                               "signatures", "warning", "cache", "cache_images = none"),
    "a misspelt option": ("swift_vhd", {"sweep_grase": "3"}, "options", "names of options",
                          "warning", "sweep_grase", "sweep_grace"),
    "an option out of range": ("swift_vhd", {"segment_size": "1"}, "options",
                               "options of what is stored", "wrong", "segment_size", "Correct"),
    "no auth_url": ("swift_vhd", {"auth_url": None}, "options", "the service account's options",
                    "wrong", "auth_url", "auth_url = http"),
    "little room to stage": ("swift_vhd", {"staging_limit": "1000000"}, "options", "staging_dir",
                             "warning", "are free", "staging_limit"),
    "a wrong password": ("swift_vhd", {"password": "guess"}, "keystone",
                         "login of the service account", "wrong", "refuses", "password"),
    "a Keystone that is not there": ("swift_vhd", {"auth_url": "http://127.0.0.1:1/v3"},
                                     "keystone", "login of the service account", "wrong",
                                     "no token", "auth_url"),
    "a Swift that is not there": ("swift_vhd", {"endpoint_override": "http://127.0.0.1:1/v1/A"},
                                  "swift", "the service account's rights", "wrong",
                                  "connection", "proxy"),
    "a Glance that is not there": ("swift_vhd", {"glance_api_servers": "http://127.0.0.1:1"},
                                   "glance", "Glance's API", "wrong", "no Glance endpoint",
                                   "glance-api"),
    "a wrong key of Glance's": ("swift_vhd", {"glance_store_key": "guess"}, "glance",
                                "login of Glance's Swift user", "wrong", "refused",
                                "glance_store_key"),
    "no Swift user of Glance's": ("swift_vhd", {
        "glance_store_user": None, "glance_store_key": None, "glance_store_auth_address": None},
        "glance", "login of Glance's Swift user", "warning", "by location", "glance-api.conf"),
    "a wrong password of XAPI": ("xenserver", {"connection_password": "guess"}, "xapi",
                                 "login to XAPI", "wrong", "SESSION_AUTHENTICATION_FAILED",
                                 "connection_password"),
    "a host that is not there": ("xenserver", {"connection_url": "http://127.0.0.1:1"}, "xapi",
                                 "login to XAPI", "wrong", "127.0.0.1:1", "connection_url"),
}


@pytest.mark.parametrize("name", list(_BROKEN))
def test_what_is_broken_is_told(clinic: Clinic, name: str) -> None:
    section, options, area, what, state, found, mend = _BROKEN[name]
    clinic.set(section, **options)
    line = clinic.one(what, "--only", area)
    assert line.state == state, line
    assert found in line.found
    assert mend in line.mend
    assert "guess" not in str(line)


def test_one_service_that_is_out_stops_no_other_check(clinic: Clinic) -> None:
    clinic.set("xenserver", connection_url="http://127.0.0.1:1")
    clinic.set("swift_vhd", glance_api_servers="http://127.0.0.1:1")
    lines = clinic.examine()
    assert {line.area for line in lines if line.state == "wrong"} == {"xapi", "glance"}
    assert [line.state for line in lines if line.what == "clock of Swift"] == ["ok"]
    assert [line.state for line in lines if line.what == "clock of the XAPI host"] == [
        "not checked"]


@pytest.mark.parametrize("kind, header, mine, state", [
    ("templates", "X-Container-Read", ".r:*", "wrong"),
    ("index", "X-Container-Read", "ff:ff", "wrong"),
    ("images", "X-Container-Write", "{own},ff:ff", "wrong"),
    ("isos", "X-Container-Write", "{own}", "wrong"),
    ("images", "X-Container-Read", "", "wrong"),
])
def test_acls_that_let_others_in_or_glance_not(clinic: Clinic, kind: str, header: str, mine: str,
                                               state: str) -> None:
    container = "%s-%s" % (clinic.prefix, kind)
    clinic.swift("POST", container,
                 headers={header: mine.format(own=clinic.env["glance_store_acl"])})
    line = clinic.one("container " + container, "--only", "swift", "--read-only")
    assert line.state == state
    assert "swift-vhd setup" in line.mend
    clinic.set_up()
    assert clinic.one("container " + container, "--only", "swift", "--read-only").state == "ok"


def test_a_volume_that_others_may_write_to(clinic: Clinic) -> None:
    container = clinic.prefix + "-volume-1"
    clinic.swift("PUT", container, headers={
        "X-Container-Read": clinic.env["glance_store_acl"], "X-Container-Write": "ff:ff"})
    line = clinic.one("containers of volumes", "--only", "swift", "--read-only")
    assert (line.state, container in line.found) == ("wrong", True)
    clinic.set_up()
    assert clinic.one("containers of volumes", "--only", "swift", "--read-only").state == "ok"


def test_an_account_without_a_key(clinic: Clinic) -> None:
    before = clinic.swift("HEAD", "").headers[_KEY]
    clinic.swift("POST", "", headers={_KEY: ""})
    try:
        line = clinic.one("key for TempURLs", "--only", "swift", "--read-only")
    finally:
        clinic.swift("POST", "", headers={_KEY: before})
    assert (line.state, line.mend) == ("wrong", "swift-vhd setup")


def _as(clinic: Clinic, name: str) -> None:
    """Let another user be Glance's Swift user, its ACL being everywhere."""
    user = clinic.env["users"][name]
    clinic.set("swift_vhd", glance_store_user="%s:%s" % (user["project"], name),
               glance_store_key=user["password"])


def test_a_swift_user_of_glances_that_owns_the_account(clinic: Clinic) -> None:
    """As most sites have it: it deletes the segments of all others with one image."""
    _as(clinic, "swift-vhd")
    clinic.set_up()
    before = clinic.left()
    line = clinic.one("what Glance's Swift user could destroy", "--only", "glance")
    assert line.state == "wrong"
    for damage in ("owns the whole account", "segments of stitched objects",
                   "deletes objects in %s-index" % clinic.prefix,
                   "deletes objects in %s-templates" % clinic.prefix,
                   "overwrites objects in", "changes the rights of containers"):
        assert damage in line.found
    assert "openstack role remove" in line.mend
    assert clinic.left() == before


def test_a_swift_user_of_glances_that_may_write_to_volumes(clinic: Clinic) -> None:
    """Not by a role but by an ACL somebody has set; the volume itself is not touched."""
    container = clinic.prefix + "-volume-1"
    clinic.swift("PUT", container, headers={
        "X-Container-Read": clinic.env["glance_store_acl"],
        "X-Container-Write": clinic.env["glance_store_acl"]})
    clinic.swift("PUT", container + "/data/1/000000", data=b"precious")
    line = clinic.one("what Glance's Swift user could destroy", "--only", "glance")
    assert line.state == "wrong"
    assert "deletes objects in " + container in line.found
    assert "owns" not in line.found
    assert clinic.swift("GET", container + "/data/1/000000").content == b"precious"


def test_a_swift_user_of_glances_in_another_project(clinic: Clinic) -> None:
    _as(clinic, "bob")
    line = clinic.one("login of Glance's Swift user", "--only", "glance", "--read-only")
    assert (line.state, "another Swift account" in line.found) == ("wrong", True)


def test_a_service_account_without_its_roles(clinic: Clinic) -> None:
    """Alice's, who owns her Swift account and nothing else."""
    user = clinic.env["users"]["alice"]
    clinic.set("swift_vhd", username="alice", password=user["password"],
               project_name=user["project"])
    for registration, state in (("auto", "warning"), ("location", "wrong")):
        clinic.set("swift_vhd", glance_registration=registration)
        lines = [line for line in clinic.examine("--only", "keystone")
                 if line.what.startswith("role ")]
        assert [line.state for line in lines] == [state, state]
        assert all("openstack role add --user %s" % user["id"] in line.mend for line in lines)


def test_somebody_else_in_the_project(clinic: Clinic) -> None:
    admin, url = clinic.cloud.session("admin"), clinic.env["keystone_url"]
    role = admin.get(url + "/roles?name=reader").json()["roles"][0]["id"]
    path = "%s/projects/%s/users/%s/roles/%s" % (
        url, clinic.env["users"]["swift-vhd"]["project_id"],
        clinic.env["users"]["alice"]["id"], role)
    admin.put(path)
    try:
        line = clinic.one("who else is in", "--only", "keystone")
    finally:
        admin.delete(path)
    assert (line.state, "alice (reader)" in line.found) == ("warning", True)
    assert clinic.one("who else is in", "--only", "keystone").state == "ok"


@pytest.mark.parametrize("option", ["show_multiple_locations", "show_image_direct_url"])
def test_a_glance_that_shows_locations(clinic: Clinic, tmp_path: Path, option: str) -> None:
    directory = tmp_path / "glance"
    directory.mkdir()
    with Side(clinic.cloud.root, directory, "glance", {
            "DEFAULT": {option: "True"},
            "swift": {"swift_store_container": clinic.prefix + "-images"}}) as other:
        clinic.set("swift_vhd", glance_api_servers=other.url)
        before = clinic.left()
        lines = clinic.examine("--only", "glance")
        assert clinic.left() == before
    shown = [line for line in lines if line.what == "what users see of locations"
             or line.what == "registration by location"]
    assert [line.state for line in shown][-1] == "wrong", shown
    assert "key" in shown[-1].found
    assert clinic.env["glance_store_key"] not in str(lines)


def test_a_glance_that_deletes_later_has_not_shown_what_it_deletes(clinic: Clinic,
                                                                   tmp_path: Path) -> None:
    directory = tmp_path / "glance"
    directory.mkdir()
    with Side(clinic.cloud.root, directory, "glance", {
            "DEFAULT": {"delayed_delete": "True"},
            "swift": {"swift_store_container": clinic.prefix + "-images"}}) as other:
        clinic.set("swift_vhd", glance_api_servers=other.url)
        line = clinic.one("deleting an image in Glance", "--only", "glance")
    assert (line.state, "delayed_delete" in line.found) == ("not checked", True)


def test_a_glance_with_another_store(clinic: Clinic) -> None:
    """The sandbox's own, whose container is not this installation's: what is registered fails."""
    line = clinic.one("registration by location", "--only", "glance")
    assert line.state == "wrong"
    assert "glance-api.conf" in line.mend


def test_objects_past_their_end(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    container = clinic.prefix + "-volume-1"
    monkeypatch.setattr(swift_checks, "_LATE", 0.0)
    clinic.cloud.sandbox.stop("swift-object-expirer")
    try:
        clinic.swift("PUT", container, headers={
            "X-Container-Read": clinic.env["glance_store_acl"]})
        clinic.swift("PUT", container + "/data/1/000000", data=b"x")
        assert clinic.one("object expirer", "--only", "swift", "--read-only").state == "ok"
        clinic.swift("PUT", container + "/data/1/000001", data=b"x",
                     headers={"X-Delete-After": "1"})
        eventually(lambda: clinic.swift(
            "HEAD", container + "/data/1/000001").status_code == 404)
        line = clinic.one("object expirer", "--only", "swift", "--read-only")
    finally:
        clinic.cloud.sandbox.start("swift-object-expirer")
    assert line.state == "warning"
    assert "1 of 2" in line.found
    assert "swift-object-expirer" in line.mend


@pytest.mark.parametrize("failure", [exceptions.StoreError("no"), KeyboardInterrupt()])
def test_what_ends_a_check_leaves_nothing(clinic: Clinic, failure: BaseException,
                                          tmp_path: Path) -> None:
    before = clinic.left()
    with pytest.raises(type(failure)), Site(
            config.read([str(tmp_path / "nova.conf")])) as site, ThrowAway(site) as made:
        made.put(made.container, "data/segment")
        made.put(site.containers.index, ".doctor/" + made.name)
        raise failure
    assert clinic.left() == before


def test_a_registration_that_is_ended_leaves_nothing(clinic: Clinic, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    before = clinic.left()

    def end(*_args: Any) -> Optional[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(glance_checks.location, "register", end)
    with Site(config.read([str(tmp_path / "nova.conf")])) as site, pytest.raises(
            KeyboardInterrupt):
        list(glance_checks.tried(site))
    assert clinic.left() == before

