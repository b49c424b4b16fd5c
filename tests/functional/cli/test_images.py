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

"""``swift-vhd image``: disks in Swift as images in a real Glance."""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import uuid
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib import parse

import pytest
import tenacity
from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, views
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import GlanceSettings, UserToken
from nova_swift_handler.sandbox import plan
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.transfer import jobs, snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import FileSource
from tests.functional.glance.side import Side
from tests.functional.store.conftest import Site
from tests.functional.transfer.test_deltas import Disk
from tests.unit.vhd import independent

from .conftest import Terminal

ALICE = "alice"


class Shelf(Terminal):
    """A volume of two points with alice's images, and the command line's way to them.

    :ivar points: oldest first.
    :ivar disks: what is on them.
    """

    def __init__(self, site: Site, conf: pathlib.Path, directory: pathlib.Path) -> None:
        super().__init__(conf)
        self.site = site
        self.directory = directory
        self.where = names.Containers(site.env["container_prefix"])
        self.volume = str(uuid.uuid4())
        self.images = self.services().images(self.token())
        disk = Disk(6)
        disk.write(0, 1)
        disk.write(4, 2)
        self.points = [self.store(disk, "web-1", hw="kvm")]
        self.disks = [disk.raw()]
        disk.write(1, 3)
        self.points.append(self.store(disk, "web-2"))
        self.disks.append(disk.raw())

    @property
    def ids(self) -> List[str]:
        return [point.image_id for point in self.points]

    def token(self, user: str = ALICE) -> UserToken:
        known = self.site.env["users"][user]
        return UserToken(self.site.session(user).get_token(), known["id"], known["project_id"])

    def services(self, **glance: Any) -> jobs.Services:
        env = self.site.env
        return jobs.Services(
            self.site.credentials(), StoreSettings(env["container_prefix"]), TransferSettings(),
            GlanceSettings(**dict({
                "endpoints": (env["glance_url"],),
                "store_auth_address": env["glance_store_auth_address"],
                "store_user": env["glance_store_user"], "store_key": env["glance_store_key"],
                "images_container": env["images_container"], "retry_time": 5.0}, **glance)))

    def store(self, disk: Disk, name: str, images: Optional[ImageService] = None,
              **properties: str) -> Point:
        """Store a disk as the handler does."""
        images = images or self.images
        image = images.create(name, "vhd", "bare", properties)
        subject = Subject(image.id, "snapshot", self.volume, image.owner or "", image.created_at,
                          {})
        account, services = self.site.account(), self.services()
        report = Report(lambda event: None)
        with snapshot.stored(
                services, account, subject, FileSource(str(disk.vhd(self.directory / "disk.vhd"))),
                self.where.volume(self.volume), report, for_glance=True) as point:
            snapshot.register(images, image.id, snapshot.published(
                account, services, point, report))
        return point

    def rows(self, *more: str) -> Dict[str, Any]:
        return {row["ID"]: row for row in self.value("image", "list", "--volume", self.volume,
                                                     *more)}

    def glance(self, method: str, path: str, user: str = ALICE, **kwargs: Any) -> Any:
        return self.site.session(user).request(
            self.site.env["glance_url"] + "/v2/images" + path, method,
            **{"raise_exc": False, **kwargs})

    def configured(self, **options: str) -> Terminal:
        """Return a terminal with more options."""
        conf = configparser.RawConfigParser()
        conf.read(self.site.env["config_file"])
        for name, value in options.items():
            conf.set("swift_vhd", name, value)
        path = self.directory / ("%s.conf" % uuid.uuid4())
        with open(path, "w", encoding="utf-8") as file:
            conf.write(file)
        return Terminal(path)


@pytest.fixture
def shelf(site: Site, tmp_path: pathlib.Path) -> Iterator[Shelf]:
    made = Shelf(site, pathlib.Path(site.env["config_file"]), tmp_path)
    yield made
    for image_id in made.ids:
        made.images.delete(image_id)


def raw_of(data: bytes) -> bytes:
    """Return the disk of a VHD, read by a reader that is not ours."""
    disk = bytearray(independent.parse(data).size)
    independent.apply(data, disk)
    return bytes(disk)


def test_a_list_joins_glance_and_swift(shelf: Shelf) -> None:
    found = shelf.rows()
    assert list(found) == shelf.ids
    row = found[shelf.ids[1]]
    assert {name: row[name] for name in (
        "Name", "Kind", "Project", "Status", "Virtual Size", "Logical", "Stored", "Depth",
        "Parent", "Container", "Form", "Orphan")} == {
        "Name": "web-2", "Kind": "snapshot",
        "Project": shelf.site.env["users"][ALICE]["project_id"], "Status": "active",
        "Virtual Size": shelf.points[1].virtual_size, "Logical": 3 * 2 ** 21,
        "Stored": shelf.points[1].sent_bytes, "Depth": 1, "Parent": shelf.ids[0],
        "Container": shelf.where.volume(shelf.volume), "Form": "vhd/bare", "Orphan": ""}
    _code, out, _err = shelf.run("image", "list", "--name", "web-2", "--volume", shelf.volume)
    assert shelf.ids[1] in out
    assert max(map(len, out.splitlines())) < 130


def test_a_list_of_what_an_earlier_release_stored_is_the_same(shelf: Shelf) -> None:
    before = shelf.rows()
    for image_id in shelf.ids:
        shelf.site.account().post(shelf.where.index, image_id,
                                  {"Content-Type": "application/json"})
    assert shelf.rows() == before


def test_orphans_of_both_sides_are_marked(shelf: Shelf) -> None:
    account = shelf.site.account()
    assert shelf.rows("--orphans") == {}
    shelf.images.delete(shelf.ids[0])
    account.delete(shelf.where.images, shelf.ids[1])
    assert {image_id: row["Orphan"] for image_id, row in shelf.rows("--orphans").items()} == {
        shelf.ids[0]: "no image", shelf.ids[1]: "Glance cannot read its disk"}
    shown = shelf.value("image", "show", shelf.ids[1])
    assert "store rebuild" in shown["problems"][0]
    account.delete(shelf.where.index, shelf.ids[1])
    assert [row["Orphan"] for row in shelf.rows("--orphans", "--status", "active").values()] == [
        "not in the index"]


def test_an_image_is_shown(shelf: Shelf) -> None:
    shown = shelf.value("image", "show", shelf.ids[1])
    assert (shown["kind"], shown["bytes"], shown["depth"], shown["parent"]) == (
        "snapshot", "in place", 1, shelf.ids[0])
    assert (shown["problems"], shown["status"], shown["digest"]) == (
        [], "active", shelf.points[1].digest)
    assert shown["parent"] == views.parent_of(
        shelf.site.account(), shelf.points[1].container, shelf.ids[1])
    shelf.refuses(11, "no disk of it is stored", "image", "show", str(uuid.uuid4()))


Openstack = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def openstack(shelf: Shelf) -> Openstack:
    """Runs ``openstack image`` as alice."""
    env, user = shelf.site.env, shelf.site.env["users"][ALICE]
    programs = pathlib.Path(plan.load(Layout(pathlib.Path(env["root"]))).cloud_python).parent
    account = {
        "OS_AUTH_URL": env["keystone_url"], "OS_USERNAME": user["name"],
        "OS_PASSWORD": user["password"], "OS_PROJECT_NAME": user["project"],
        "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3", "OS_IMAGE_ENDPOINT_OVERRIDE": env["glance_url"]}

    def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(programs / "openstack"), "image", *argv], check=check, capture_output=True,
            text=True, timeout=240, env={**os.environ, **account})

    return run


def test_ordinary_clients_change_and_delete_them_as_any_image(
        shelf: Shelf, openstack: Openstack) -> None:
    first, second = shelf.ids
    bob = shelf.site.env["users"]["bob"]["project_id"]
    openstack("set", "--name", "renamed", "--property", "os_type=linux", "--tag", "t",
              "--shared", "--protected", first)
    openstack("add", "project", first, bob)
    (member,) = json.loads(openstack("member", "list", "-f", "json", first).stdout)
    assert member["Member ID"] == bob
    assert shelf.glance("GET", "/%s/file" % first, "bob").status_code == 200
    assert shelf.rows("--project", shelf.site.env["users"][ALICE]["project_id"])[
        first]["Name"] == "renamed"
    refused = openstack("delete", first, check=False)
    assert refused.returncode != 0
    assert "protected" in refused.stderr
    openstack("remove", "project", first, bob)
    assert shelf.glance("GET", "/%s/file" % first, "bob").status_code == 404
    openstack("set", "--unprotected", "--deactivate", first)
    row = shelf.rows()[first]
    assert (row["Status"], row["Orphan"]) == ("deactivated", "")
    openstack("set", "--activate", "--hidden", first)
    assert shelf.rows()[first]["Orphan"] == ""
    path = shelf.directory / "saved.vhd"
    openstack("save", "--file", str(path), first)
    assert raw_of(path.read_bytes()) == shelf.disks[0]
    openstack("delete", first)
    assert shelf.rows()[first]["Orphan"] == "no image"
    openstack("save", "--file", str(path), second)
    assert raw_of(path.read_bytes()) == shelf.disks[1]
    assert shelf.value("snapshot", "verify", "--volume", shelf.volume, "--level", "all") == []


def test_ordinary_clients_see_ordinary_images(shelf: Shelf, openstack: Openstack) -> None:
    env, path = shelf.site.env, shelf.directory / "saved.vhd"
    listed = {row["ID"]: row for row in json.loads(openstack("list", "-f", "json").stdout)}
    assert {image_id: listed[image_id] for image_id in shelf.ids} == {
        shelf.ids[0]: {"ID": shelf.ids[0], "Name": "web-1", "Status": "active"},
        shelf.ids[1]: {"ID": shelf.ids[1], "Name": "web-2", "Status": "active"}}
    shown = json.loads(openstack("show", "-f", "json", shelf.ids[0]).stdout)
    assert [shown[name] for name in ("status", "size", "disk_format", "container_format")] == [
        "active", shelf.points[0].vhd_size, "vhd", "bare"]
    openstack("save", "--file", str(path), shelf.ids[0])
    assert raw_of(path.read_bytes()) == shelf.disks[0]

    def client(*argv: str) -> str:
        return subprocess.run(
            [str(pathlib.Path(sys.executable).with_name("glance")), "--os-image-url",
             env["glance_url"], "--os-auth-token", shelf.token().token, *argv], check=True,
            stdout=subprocess.PIPE, text=True, timeout=120).stdout

    assert shelf.ids[1] in client("image-list")
    assert "web-2" in client("image-show", shelf.ids[1])
    openstack("delete", shelf.ids[0])
    client("image-download", "--file", str(path), shelf.ids[1])
    assert raw_of(path.read_bytes()) == shelf.disks[1]
    assert shelf.value("snapshot", "verify", "--volume", shelf.volume, "--level", "all") == []


def test_a_copy_for_stock_hosts(shelf: Shelf) -> None:
    original = shelf.ids[1]
    bob = shelf.site.env["users"]["bob"]["project_id"]
    assert shelf.glance("PATCH", "/" + original, json=[
        {"op": "replace", "path": "/visibility", "value": "shared"},
        {"op": "add", "path": "/tags", "value": ["green"]},
        {"op": "add", "path": "/os_type", "value": "linux"},
        {"op": "add", "path": "/img_signature", "value": "x"},
        {"op": "replace", "path": "/min_disk", "value": 1}], headers={
        "Content-Type": "application/openstack-images-v2.1-json-patch"}).status_code == 200
    assert shelf.glance("POST", "/%s/members" % original, json={"member": bob}).status_code == 200
    made = shelf.value("image", "convert", original, "--to", "ovf")
    record, before = (shelf.glance("GET", "/" + image_id).json()
                      for image_id in (made["id"], original))
    kept = ("name", "owner", "visibility", "tags", "os_type", "min_disk", "status")
    assert {name: record[name] for name in kept} == {name: before[name] for name in kept}
    assert (record["disk_format"], record["container_format"]) == ("vhd", "ovf")
    assert "img_signature" not in record
    members = shelf.glance("GET", "/%s/members" % made["id"]).json()["members"]
    assert [one["member_id"] for one in members] == [bob]
    data = shelf.glance("GET", "/%s/file" % made["id"]).content
    assert hashlib.md5(data).hexdigest() == record["checksum"] == made["checksum"]
    assert hashlib.new(record["os_hash_algo"], data).hexdigest() == record["os_hash_value"]
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        assert tar.getnames() == ["0.vhd"]
        member = tar.extractfile("0.vhd")
        assert member is not None
        assert raw_of(member.read()) == shelf.disks[1]
    shelf.refuses(7, "vhd/ovf, and not vhd/bare", "image", "convert", made["id"], "--to", "ovf")
    shelf.images.delete(made["id"])


def test_a_copy_may_replace_the_original(shelf: Shelf) -> None:
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    protect = [{"op": "replace", "path": "/protected", "value": True}]
    assert shelf.glance("PATCH", "/" + shelf.ids[0], json=protect,
                        headers=patch).status_code == 200
    shelf.refuses(7, "it is protected", "image", "convert", shelf.ids[0], "--to", "ovf",
                  "--replace")
    made = shelf.value("image", "convert", shelf.ids[0], "--to", "ovf")
    assert shelf.glance("GET", "/" + made["id"]).json()["protected"] is True
    for image_id in (made["id"], shelf.ids[0]):
        protect[0]["value"] = False
        shelf.glance("PATCH", "/" + image_id, json=protect, headers=patch)
    shelf.images.delete(made["id"])
    made = shelf.value("image", "convert", shelf.ids[0], "--to", "ovf", "--replace")
    assert shelf.glance("GET", "/" + shelf.ids[0]).status_code == 404
    assert shelf.rows()[shelf.ids[0]]["Orphan"] == "no image"
    assert shelf.glance("GET", "/" + made["id"]).json()["status"] == "active"
    shelf.images.delete(made["id"])


@pytest.mark.parametrize("what, code, phrase", [
    ("private", 0, ""), ("deactivated", 7, "its status became deactivated meanwhile"),
    ("deleted", 11, "was deleted meanwhile")])
def test_what_is_taken_away_while_it_is_converted_is_not_in_the_copy(
        shelf: Shelf, monkeypatch: pytest.MonkeyPatch, what: str, code: int, phrase: str) -> None:
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    visible = [{"op": "replace", "path": "/visibility", "value": "community"}]
    disk, name = Disk(2), "taken-%s" % uuid.uuid4()
    disk.write(0, 1)
    original = shelf.store(disk, name).image_id
    shelf.glance("PATCH", "/" + original, json=visible, headers=patch)
    register = snapshot.register

    def taken(*args: Any) -> str:
        how = register(*args)
        if what == "private":
            visible[0]["value"] = "private"
            shelf.glance("PATCH", "/" + original, json=visible, headers=patch)
        elif what == "deleted":
            shelf.glance("DELETE", "/" + original)
        else:
            shelf.glance("POST", "/%s/actions/deactivate" % original, "admin")
        return how

    monkeypatch.setattr(snapshot, "register", taken)
    got, _out, err = shelf.run("image", "convert", original, "--to", "ovf")
    assert (got, phrase in err) == (code, True), err
    left = [image for image in shelf.glance("GET", "?name=" + name).json()["images"]
            if image["id"] != original]
    assert [image["visibility"] for image in left] == ([] if code else ["private"])
    for image in left:
        shelf.images.delete(image["id"])
    if what != "deleted":
        shelf.glance("POST", "/%s/actions/reactivate" % original, "admin")
        shelf.images.delete(original)


def test_an_original_that_cannot_be_deleted_is_told_with_its_copy(
        shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete(images: ImageService, image_id: str) -> None:
        raise exceptions.GlanceError("in use")

    monkeypatch.setattr(ImageService, "delete", delete)
    said = shelf.refuses(6, "its copy .* is active.*do not convert it again: in use", "image",
                         "convert", shelf.ids[1], "--to", "ovf", "--replace")
    monkeypatch.undo()
    (copy,) = [image for image in shelf.glance("GET", "?name=web-2").json()["images"]
               if image["id"] in said and image["id"] != shelf.ids[1]]
    assert copy["status"] == "active"
    shelf.images.delete(copy["id"])


# -- relocating -------------------------------------------------------------------------------


@contextlib.contextmanager
def side(shelf: Shelf, name: str, default: Dict[str, str],
         **sections: Dict[str, str]) -> Iterator[str]:
    """A Glance of the operator's own."""
    directory = shelf.directory / name
    directory.mkdir()
    with Side(pathlib.Path(shelf.site.env["root"]), directory, "glance", {
            "DEFAULT": {"show_multiple_locations": "true", **default}, **sections}) as running:
        yield running.url


@contextlib.contextmanager
def registered_by_address(shelf: Shelf, disk: Disk, name: str,
                          **default: str) -> Iterator[Tuple[str, str, ImageService]]:
    """Give a Glance that takes addresses, and an image of alice's that it has by one."""
    port = parse.urlsplit(shelf.site.env["images_account_url"]).port
    with side(shelf, name, {"enabled_backends": "swift:swift,web:http", **default},
              web={"store_description": "by address"}, import_filtering_opts={
                  "allowed_hosts": "[127.0.0.1]", "allowed_ports": "[%s]" % port}) as url:
        by_address = ImageService(
            shelf.services(endpoints=(url,), registration="http", tempurl_lifetime=86400).glance,
            shelf.site.session(), shelf.token())
        yield url, shelf.store(disk, "by-address", images=by_address).image_id, by_address


def states(terminal: Terminal, *argv: str, code: int = 0) -> Dict[str, str]:
    rows = terminal.value("image", "relocate", *argv, code=code)
    return {row["ID"]: row["State"] for row in rows}


def download(shelf: Shelf) -> List[bytes]:
    return [raw_of(shelf.glance("GET", "/%s/file" % image_id).content) for image_id in shelf.ids]


def locations(shelf: Shelf, image_id: str) -> List[str]:
    return [one["url"] for one in shelf.glance(
        "GET", "/%s/locations" % image_id, "swift-vhd").json()]


@contextlib.contextmanager
def another_key(shelf: Shelf, key: str) -> Iterator[None]:
    """Let Glance's Swift user have another key."""
    env = shelf.site.env
    users = env["keystone_url"] + "/users"

    def change(password: str) -> None:
        admin = shelf.site.session("admin")
        (user,) = admin.get(users + "?name=glance-store").json()["users"]
        admin.patch("%s/%s" % (users, user["id"]), json={"user": {"password": password}})
        # With the old password Keystone revokes what it issues in the rest of that second.
        project, _colon, name = env["glance_store_user"].partition(":")
        for attempt in tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(ks_exceptions.Unauthorized),
                stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2), reraise=True):
            with attempt:
                shelf.site.credentials(username=name, password=password, project_name=project) \
                    .session().get(env["keystone_url"] + "/auth/projects")

    change(key)
    try:
        yield
    finally:
        change(env["glance_store_key"])


def test_after_a_change_of_the_key_images_are_relocated(shelf: Shelf) -> None:
    key = "another-key"
    with side(shelf, "internal", {"delayed_delete": "true"}, swift={
            "swift_store_key": key}) as url:
        terminal = shelf.configured(glance_store_key=key, glance_internal_api_servers=url)
        with another_key(shelf, key):
            assert not shelf.images.has_data(shelf.ids[0])
            wanted = dict.fromkeys(shelf.ids, "to be relocated")
            assert states(terminal, *shelf.ids, "--dry-run") == wanted
            assert not shelf.images.has_data(shelf.ids[0])
            before = written(shelf)
            assert states(terminal, *shelf.ids) == dict.fromkeys(shelf.ids, "relocated")
            assert download(shelf) == shelf.disks
            assert written(shelf) == before
            assert states(terminal, *shelf.ids) == dict.fromkeys(shelf.ids, "up to date")
            for image_id in shelf.ids:
                (location,) = locations(shelf, image_id)
                assert ":%s@" % key in location
    # Which Glance leaves out of an admin's lists, unless it is asked for all.
    assert shelf.glance(
        "PATCH", "/" + shelf.ids[0], headers={
            "Content-Type": "application/openstack-images-v2.1-json-patch"},
        json=[{"op": "replace", "path": "/visibility", "value": "community"}]).status_code == 200
    with side(shelf, "back", {"delayed_delete": "true"}) as url:
        terminal = shelf.configured(glance_internal_api_servers=url)
        assert states(terminal, *shelf.ids) == dict.fromkeys(shelf.ids, "relocated")
        assert download(shelf) == shelf.disks
        rows = terminal.value("image", "relocate", "--all", "--dry-run")
        assert {row["State"] for row in rows if row["ID"] in shelf.ids} == {"up to date"}
        assert set(shelf.ids) <= {row["ID"] for row in rows}


def written(shelf: Shelf) -> List[str]:
    """Return when Swift was given what Glance reads."""
    return [shelf.site.account().headers(shelf.where.images, image_id)["x-timestamp"]
            for image_id in shelf.ids]


def test_a_glance_that_deletes_with_the_location_loses_nothing(
        shelf: Shelf, capfd: pytest.CaptureFixture[str]) -> None:
    address = shelf.site.env["glance_store_auth_address"].replace("127.0.0.1", "localhost")
    with side(shelf, "deleting", {}, swift={"swift_store_auth_address": address}) as url:
        terminal = shelf.configured(glance_store_auth_address=address,
                                    glance_internal_api_servers=url)
        before = written(shelf)
        assert states(terminal, *shelf.ids) == dict.fromkeys(shelf.ids, "relocated")
        assert not set(before) & set(written(shelf))
        assert "delayed_delete = true" in capfd.readouterr().err
    assert download(shelf) == shelf.disks
    assert shelf.value("snapshot", "verify", "--volume", shelf.volume, "--level", "all") == []


def test_without_the_old_key_and_delayed_delete_it_says_what_to_set(shelf: Shelf) -> None:
    key = "another-key"
    with side(shelf, "stuck", {}, swift={"swift_store_key": key}) as url:
        terminal = shelf.configured(glance_store_key=key, glance_internal_api_servers=url)
        with another_key(shelf, key):
            rows = terminal.value("image", "relocate", shelf.ids[0], code=6)
            assert rows[0]["State"] == "failed"
            assert "delayed_delete = true" in rows[0]["Detail"]
            assert key not in rows[0]["Detail"]
            assert shelf.site.env["glance_store_key"] not in rows[0]["Detail"]
    assert download(shelf) == shelf.disks


def test_without_such_a_glance_it_says_what_to_do(shelf: Shelf) -> None:
    shelf.refuses(3, "delayed_delete = true.*keep its key", "image", "relocate", "--all")
    terminal = shelf.configured(glance_internal_api_servers=shelf.site.env["glance_url"])
    terminal.refuses(3, "does not show locations", "image", "relocate", shelf.ids[0])


def test_addresses_are_renewed_before_they_expire_and_after_a_change_of_their_key(
        shelf: Shelf) -> None:
    account = shelf.site.account()
    before = account.head_account()["x-account-meta-temp-url-key"]
    disk = Disk(6)
    disk.write(2, 9)
    with registered_by_address(shelf, disk, "web") as (url, image_id, by_address):
        terminal = shelf.configured(glance_api_servers=url, glance_internal_api_servers=url)
        first = locations(shelf, image_id)
        assert states(terminal, image_id, "--within", "1h") == {image_id: "up to date"}
        assert states(terminal, image_id, "--within", "2d") == {image_id: "relocated"}
        second = locations(shelf, image_id)
        assert len(second) == 1
        assert second != first
        try:
            account.post_account({"X-Account-Meta-Temp-URL-Key": "another"})
            assert states(terminal, image_id) == {image_id: "relocated"}
            assert raw_of(shelf.site.session(ALICE).get(
                "%s/v2/images/%s/file" % (url, image_id)).content) == disk.raw()
        finally:
            account.post_account({"X-Account-Meta-Temp-URL-Key": before})
        assert states(terminal, image_id) == {image_id: "relocated"}
        by_address.delete(image_id)
    # Deleting the image has deleted nothing here.
    assert raw_of(shelf.site.session().get("%s/%s/%s" % (
        shelf.site.env["images_account_url"], shelf.where.images, image_id)).content) == disk.raw()
