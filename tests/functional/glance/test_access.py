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

"""Whose token does what, and what a user gets, on a real Glance."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any, Callable

import pytest
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

from nova_swift_handler import exceptions
from nova_swift_handler.glance.service import Image, ImageService
from tests.functional.glance.proxy import Proxy
from tests.functional.glance.side import Side
from tests.functional.glance.site import ALICE, BOB, STORE, Site

Snapshot = Callable[..., Image]


def active(site: Site, snapshot: Snapshot, **changes: Any) -> Any:
    image = snapshot()
    disk = site.publish(image.id)
    site.images(**changes).register(image.id, disk.published())
    return image, disk


def test_another_project_does_not_get_a_private_image(site: Site, snapshot: Snapshot) -> None:
    image, _disk = active(site, snapshot)
    bob = site.images(BOB)
    for call in (bob.get, bob.check_download, bob.open_data):
        with pytest.raises(exceptions.ImageUnavailable):
            call(image.id)


def test_a_member_may_download_what_it_sees(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    image, disk = active(site, snapshot)
    assert alice.check_download(image.id).size == len(disk.data)


def test_a_reader_sees_an_image_and_does_not_get_it(site: Site, snapshot: Snapshot) -> None:
    image, _disk = active(site, snapshot)
    known = site.env["users"][ALICE]
    reader = Reader(site, known["project_id"])
    images = ImageService(site.settings(), site.session("swift-vhd"), reader.token)
    assert images.get(image.id).status == "active"
    with pytest.raises(exceptions.ImageUnavailable, match="policies do not allow"):
        images.check_download(image.id)
    with pytest.raises(exceptions.ImageUnavailable):
        images.open_data(image.id)


class Reader:
    """A new user with the role ``reader`` in a project."""

    def __init__(self, site: Site, project_id: str) -> None:
        admin, url = site.session("admin"), site.env["keystone_url"]
        name = password = f"reader-{uuid.uuid4()}"
        role = admin.get(f"{url}/roles?name=reader").json()["roles"][0]["id"]
        user = admin.post(f"{url}/users", json={"user": {
            "name": name, "password": password, "domain_id": site.env["domain_id"]}}
        ).json()["user"]["id"]
        admin.put(f"{url}/projects/{project_id}/users/{user}/roles/{role}")
        session = ks_session.Session(auth=v3.Password(
            auth_url=url, user_id=user, password=password, project_id=project_id))
        self.token = site.token(ALICE, session.get_token())


def test_a_queued_image_is_not_downloaded(
        alice: ImageService, snapshot: Snapshot) -> None:
    with pytest.raises(exceptions.ImageUnavailable, match="not active but queued"):
        alice.open_data(snapshot().id)


def test_a_wrong_token_is_refused(site: Site, snapshot: Snapshot) -> None:
    with pytest.raises(exceptions.ImageUnavailable, match="not valid or expired"):
        site.images(token="gAAAAAnonsense").get(snapshot().id)


def test_a_token_that_expired_meanwhile_still_registers_and_reads(
        site: Site, snapshot: Snapshot, tmp_path: Path) -> None:
    """A snapshot may take longer than the user's token lives."""
    with Side(Path(site.env["root"]), tmp_path, "keystone",
              {"token": {"expiration": "2"}}) as short_lived:
        known = site.env["users"][ALICE]
        short = ks_session.Session(auth=v3.Password(
            auth_url=f"{short_lived.url}/v3", user_id=known["id"], password=known["password"],
            project_id=known["project_id"]))
        access = short.auth.get_access(short)
    while not access.will_expire_soon(0):
        time.sleep(0.2)
    time.sleep(1)
    raw = site.session("admin").get(
        f"{site.env['glance_url']}/v2/images", authenticated=False, raise_exc=False,
        headers={"X-Auth-Token": access.auth_token})
    assert raw.status_code == 401
    for how in ("location", "upload"):
        image = snapshot()
        disk = site.publish(image.id)
        images = site.images(token=access.auth_token, registration=how)
        assert images.register(image.id, disk.published()) == how
        images.open_data(image.id).close()
    with pytest.raises(exceptions.ImageUnavailable, match="role 'service'"):
        site.images(token=access.auth_token, service=STORE).get(image.id)


def test_prepare_replaces_what_createbackup_inherited(
        alice: ImageService, snapshot: Snapshot) -> None:
    image = snapshot(image_type="backup", os_type="windows", stale="1")
    alice.prepare(image.id, "vhd", "ovf", {
        "os_type": "linux", "auto_disk_config": "False", "stale": None})
    found = alice.get(image.id)
    assert (found.disk_format, found.container_format) == ("vhd", "ovf")
    assert found.properties == {
        "image_type": "backup", "os_type": "linux", "auto_disk_config": "False"}


def test_the_catalog_leads_to_glance(site: Site, snapshot: Snapshot) -> None:
    assert site.images(endpoints=()).get(snapshot().id).status == "queued"


def test_listing_finds_by_property(site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    mark = str(uuid.uuid4())
    made = {snapshot(mark=mark).id for _ in range(3)}
    assert {image.id for image in alice.list(mark=mark)} == made
    assert site.images(BOB).list(mark=mark) == []


def test_a_template_may_belong_to_the_service_account(site: Site) -> None:
    images = site.images(user=None)
    image = images.create("template", "vhd", "bare", {"os_type": "linux"}, "public")
    disk = site.publish(image.id)
    try:
        assert images.register(image.id, disk.published()) == "location"
        with site.images(BOB).open_data(image.id) as data:
            assert data.read() == disk.data
        assert site.glance(BOB, "GET", f"/v2/images/{image.id}/tasks").json() == {"tasks": []}
    finally:
        images.delete(image.id)


def test_a_broken_download_is_resumed(site: Site, snapshot: Snapshot) -> None:
    image, disk = active(site, snapshot)
    proxy = Proxy(site.env["glance_url"])
    try:
        proxy.cuts = [1_000_000, 2_000_000]
        with site.images(endpoints=(proxy.url,)).open_data(image.id) as data:
            assert data.read() == disk.data
        assert proxy.cuts == []
    finally:
        proxy.close()


def test_a_download_that_lost_its_segment_is_an_error(site: Site, snapshot: Snapshot) -> None:
    image, disk = active(site, snapshot)
    site.swift("DELETE", disk.paths[0])
    with pytest.raises(exceptions.GlanceError), site.images().open_data(image.id) as data:
        data.read()


def test_glance_down_is_told(site: Site) -> None:
    with pytest.raises(exceptions.GlanceUnreachable, match="no Glance endpoint answered"):
        site.images(endpoints=("http://127.0.0.1:9",), retry_time=0.0).get(str(uuid.uuid4()))
