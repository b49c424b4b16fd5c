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

"""The same through Nova's own API: who gets what of whose server."""

from __future__ import annotations

import uuid
from typing import Any, Dict

import pytest

from tests.functional.flows.conftest import (  # noqa: F401  (fixtures)
    content,
    ext,
    sites,
    template,
)
from tests.functional.flows.site import Site
from tests.functional.flows.tenant import FLAVOR, Tenant

MIB = 1024 * 1024


@pytest.fixture
def bob(ext: Site) -> Tenant:  # noqa: F811
    return Tenant(ext.cloud, "bob", "ext")


def status_of(tenant: Tenant, method: str, path: str, **kwargs: Any) -> int:
    """Return what Nova answers, refusal or not."""
    return int(tenant._nova.request(path, method, **kwargs).status_code)


def order(image: str) -> Dict[str, Any]:
    return {"server": {"name": "loot", "imageRef": image, "flavorRef": FLAVOR,
                       "networks": "none"}}


def test_another_project_neither_boots_nor_snapshots(ext: Site, bob: Tenant,  # noqa: F811
                                                     template: str) -> None:  # noqa: F811
    server = ext.boot(template)
    ext.write(server, "alice", (8 * MIB, MIB))
    image = ext.stored(server)
    assert status_of(bob, "POST", "/servers", json=order(image)) == 400
    assert status_of(bob, "GET", "/servers/" + server) == 404
    for action in ("createImage", "createBackup", "rebuild"):
        body = {"createImage": {"name": "loot"},
                "createBackup": {"name": "loot", "backup_type": "daily", "rotation": 1},
                "rebuild": {"imageRef": image}}[action]
        assert status_of(bob, "POST", "/servers/%s/action" % server, json={action: body}) == 404
    assert bob.image(image) is None
    assert ext.points(server) == [image]


def test_an_admins_snapshot_of_a_tenants_server(ext: Site, bob: Tenant,  # noqa: F811
                                                template: str) -> None:  # noqa: F811
    """The image is the admin's, and shared with the tenant; nobody else gets it."""
    server = ext.boot(template)
    ext.write(server, "alice", (8 * MIB, MIB))
    wanted = ext.sha256(server)
    image = ext.admin.snapshot(server, "by admin")
    record = ext.admin.active(image)
    users = ext.cloud.env["users"]
    try:
        ext.alice.settled(server)
        assert record["owner"] == users["admin"]["project_id"]
        assert record["visibility"] == "shared"
        members = ext.admin.glance("GET", "/v2/images/%s/members" % image).json()["members"]
        assert [each["member_id"] for each in members] == [users["alice"]["project_id"]]
        # Recorded with the point, so that the disk is given out for this image alone.
        assert ext.point(server, image)["project_id"] == record["owner"]
        assert status_of(bob, "POST", "/servers", json=order(image)) == 400
        assert bob.image(image) is None
        again = ext.boot(image, "from admin's")
        assert ext.sha256(again) == wanted
    finally:
        ext.admin.delete_image(image)


def test_metadata_of_a_snapshot_that_names_anothers_disk(ext: Site, bob: Tenant,  # noqa: F811
                                                         template: str) -> None:  # noqa: F811
    """Bob gives his snapshot metadata that leads to alice's, and boots it."""
    server = ext.boot(template, "alice's")
    ext.write(server, "alice", (8 * MIB, MIB))
    secret = ext.stored(server)
    mine = bob.boot(template, "bob's")
    image = ""
    try:
        bob.settled(mine)
        wanted = ext.sha256(mine)
        image = bob.snapshot(mine, metadata={
            "swift_vhd_container": "vhd-volume-" + server, "swift_vhd_point": secret,
            "container": "vhd-volume-" + server, "base_image_ref": secret, "parent": secret,
            "instance_uuid": server, "image_ref": secret, "image_id": secret})
        bob.active(image)
        bob.settled(mine)
        assert ext.points(mine) == [image]
        assert ext.points(server) == [secret]
        second = bob.boot(image, "loot")
        try:
            bob.settled(second)
            assert ext.sha256(second) == wanted != ext.sha256(server)
        finally:
            bob.delete(second)
    finally:
        bob.delete(mine)
        if image:
            bob.delete_image(image)


def test_a_server_of_an_image_that_is_private_again(ext: Site, bob: Tenant,  # noqa: F811
                                                    template: str) -> None:  # noqa: F811
    """What was community for a while is booted by nobody else once it is private.

    Nor out of Nova's cache on the SR: Nova asks Glance before.
    """
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    server = ext.boot(template)
    ext.write(server, "alice", (8 * MIB, MIB))
    image = ext.stored(server)

    def show(visibility: str) -> None:
        ext.alice.glance("PATCH", "/v2/images/" + image, headers=patch, json=[
            {"op": "replace", "path": "/visibility", "value": visibility}])

    show("community")
    theirs = bob.boot(image)
    try:
        bob.settled(theirs)
        assert ext.sha256(theirs) == ext.sha256(server)
    finally:
        bob.delete(theirs)
    assert image in ext.cached()
    show("private")
    assert status_of(bob, "POST", "/servers", json=order(image)) == 400


def test_an_image_id_of_nobody(bob: Tenant) -> None:
    assert status_of(bob, "POST", "/servers", json=order(str(uuid.uuid4()))) == 400
