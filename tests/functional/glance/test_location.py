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

"""Registration by location on a real Glance with its default policies."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Callable
from urllib import parse

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.glance.service import Image, ImageService
from tests.functional.glance.side import Side
from tests.functional.glance.site import ALICE, BOB, SERVICE, SIZE, STORE, Site

Snapshot = Callable[..., Image]
JSON_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def forms(site: Site) -> Any:
    key = site.env["glance_store_key"]
    return key, parse.quote(key)


def test_the_image_is_active_with_the_vhds_size_and_bytes(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    image = snapshot()
    alice.prepare(image.id, "vhd", "bare", {"os_type": "linux", "auto_disk_config": "True"})
    disk = site.publish(image.id)
    assert alice.register(image.id, disk.published()) == "location"
    found = alice.get(image.id)
    assert (found.status, found.size) == ("active", SIZE)
    assert (found.disk_format, found.container_format) == ("vhd", "bare")
    assert found.properties == {"os_type": "linux", "auto_disk_config": "True"}
    with alice.open_data(image.id) as data:
        assert data.read() == disk.data


def test_deleting_the_image_takes_the_entry_and_leaves_the_volume(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    alice.register(image.id, disk.published())
    alice.delete(image.id)
    assert site.swift("HEAD", disk.entry).status_code == 404
    assert [site.swift("GET", path).content for path in disk.paths] == [disk.data] * 2


def test_neither_owner_nor_others_see_the_location_or_the_key(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    image = snapshot()
    alice.register(image.id, site.publish(image.id).published())
    assert site.glance(ALICE, "PATCH", f"/v2/images/{image.id}", headers=JSON_PATCH, json=[
        {"op": "replace", "path": "/visibility", "value": "community"}]).status_code == 200
    own_service_token = site.session(SERVICE).get_token()
    for user in (ALICE, BOB):
        record = site.glance(user, "GET", f"/v2/images/{image.id}")
        assert record.status_code == 200
        assert not {"locations", "direct_url"} & set(record.json())
        for token in (None, own_service_token):
            assert site.glance(user, "GET", f"/v2/images/{image.id}/locations",
                               service_token=token).status_code == 403
        tasks = site.glance(user, "GET", f"/v2/images/{image.id}/tasks")
        assert (tasks.status_code, tasks.json()) == (200, {"tasks": []})
        for path in (f"/v2/images/{image.id}", "/v2/images", "/v2/tasks"):
            text = site.glance(user, "GET", path).text
            assert not any(form in text for form in forms(site))


def test_a_location_posted_with_the_users_token_would_show_its_project_the_key(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    """Why :mod:`nova_swift_handler.glance.location` does not do what Glance's manual says."""
    image = snapshot()
    site.publish(image.id)
    posted = site.glance(
        ALICE, "POST", f"/v2/images/{image.id}/locations",
        service_token=site.session(SERVICE).get_token(),
        json={"url": f"swift+http://nobody:a-secret@127.0.0.1:9/v3/c/{image.id}"})
    assert posted.status_code == 202
    assert "a-secret" in site.glance(ALICE, "GET", f"/v2/images/{image.id}/tasks").text


def test_the_user_alone_may_not_register_a_swift_location(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    assert site.glance(ALICE, "POST", f"/v2/images/{image.id}/locations", json={
        "url": f"swift+http://u:k@127.0.0.1:9/v3/c/{image.id}"}).status_code == 403


def test_auto_uploads_where_the_service_account_is_no_admin(
        site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    how, why = site.images(service=STORE).choose(image.id)
    assert how == "upload"
    assert "needs the role 'admin'" in why


def test_the_key_is_in_no_log_and_no_message(
        site: Site, snapshot: Snapshot, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    image = snapshot()
    disk = site.publish(image.id)
    with pytest.raises(exceptions.RegistrationFailed) as caught:
        site.images(registration="location").register(
            image.id, disk.published(object_name="missing"))
    site.images(registration="location").register(image.id, disk.published())
    for text in (caplog.text, str(caught.value), repr(site.settings())):
        assert not any(form in text for form in forms(site))


@pytest.mark.parametrize("settings, published, reason", [
    ({"store_key": "wrong"}, {}, "Keystone refuses the Glance store's user"),
    ({}, {"object_name": "missing"}, "-images/missing is not in the account"),
    ({}, {"container": "no-container"}, "there is no such container")])
def test_a_failed_registration_says_why_and_leaves_the_image_queued(
        site: Site, snapshot: Snapshot, settings: Any, published: Any, reason: str) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(registration="location", **settings)
    with pytest.raises(exceptions.RegistrationFailed, match=reason) as caught:
        images.register(image.id, disk.published(**published))
    assert "Glance request req-" in str(caught.value)
    assert images.get(image.id).status == "queued"


def test_a_store_that_does_not_match_is_named(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    other = site.env["glance_store_auth_address"].replace("127.0.0.1", "localhost")
    with pytest.raises(exceptions.RegistrationFailed, match="no store that matches"):
        site.images(registration="location", store_auth_address=other).register(
            image.id, disk.published())


def test_what_glances_user_may_not_read_is_told(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    volume = disk.paths[0].partition("/")[0]
    site.swift("POST", volume, headers={"X-Container-Read": ""})
    images = site.images(registration="location")
    # Glance looks at the entry alone, so it believes; the bytes are for the publisher to check.
    assert images.register(image.id, disk.published()) == "location"
    site.images().delete(image.id)
    site.swift("POST", site.images_container, headers={"X-Container-Read": ""})
    try:
        image = snapshot()
        with pytest.raises(exceptions.RegistrationFailed, match="may not read"):
            images.register(image.id, site.publish(image.id).published())
    finally:
        site.swift("POST", site.images_container,
                   headers={"X-Container-Read": site.env["glance_store_acl"]})


def test_auto_uploads_when_the_location_turns_out_wrong(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    assert site.images(store_key="wrong").register(image.id, disk.published()) == "upload"
    assert site.images().get(image.id).status == "active"


def test_another_size_than_the_vhds_is_refused(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    with pytest.raises(exceptions.RegistrationFailed, match=f"{SIZE} bytes, the VHD has 5"):
        site.images(registration="location").register(image.id, disk.published(size=5))


def test_an_image_deleted_before_its_registration_is_unavailable(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    alice.delete(image.id)
    with pytest.raises(exceptions.ImageUnavailable):
        alice.register(image.id, disk.published())


def test_a_glance_that_shows_locations_is_not_given_any(
        site: Site, snapshot: Snapshot, tmp_path: Path) -> None:
    site.images().register(*_ready(site, snapshot))  # an active image betrays direct URLs
    image_id, published = _ready(site, snapshot)
    with Side(Path(site.env["root"]), tmp_path, "glance",
              {"DEFAULT": {"show_image_direct_url": "true"}}) as glance:
        with pytest.raises(exceptions.RegistrationFailed, match="show_image_direct_url"):
            site.images(endpoints=(glance.url,), registration="location").register(
                image_id, published)
        assert site.images(endpoints=(glance.url,)).register(image_id, published) == "upload"


def test_a_glance_that_hashes_checks_the_hash_it_is_given(
        site: Site, snapshot: Snapshot, tmp_path: Path) -> None:
    with Side(Path(site.env["root"]), tmp_path, "glance",
              {"DEFAULT": {"do_secure_hash": "true"}}) as glance:
        images = site.images(endpoints=(glance.url,), registration="location")
        image_id, published = _ready(site, snapshot)
        images.register(image_id, published)
        assert images.get(image_id).status == "active"
        image = snapshot()
        disk = site.publish(image.id)
        with pytest.raises(exceptions.RegistrationFailed, match="hash given is not that"):
            images.register(image.id, disk.published(os_hash=("sha512", "0" * 128)))


def _ready(site: Site, snapshot: Snapshot) -> Any:
    image = snapshot()
    return image.id, site.publish(image.id).published()


def test_the_tasks_input_stays_with_the_service_accounts_project(
        site: Site, alice: ImageService, snapshot: Snapshot) -> None:
    image = snapshot()
    alice.register(image.id, site.publish(image.id).published())
    tasks = site.glance(SERVICE, "GET", f"/v2/images/{image.id}/tasks").json()["tasks"]
    assert {task["owner"] for task in tasks} == {site.env["users"][SERVICE]["project_id"]}
    assert image.id in json.dumps(tasks)
