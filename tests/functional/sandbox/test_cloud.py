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

"""What a client from outside finds in a running sandbox."""

from __future__ import annotations

import ipaddress
import time
from typing import Any, Callable

import pytest
import requests

from nova_swift_handler.sandbox.control import RUNNING
from tests.functional.conftest import Cloud
from tests.functional.sandbox import listeners

HOSTS = ["ext", "lvm"]


def eventually(true: Callable[[], Any], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def test_every_service_runs(cloud: Cloud) -> None:
    states = cloud.sandbox.status()
    assert {"keystone", "swift-proxy", "glance", "xapi-ext", "xapi-lvm", "nova-ext",
            "nova-lvm"} <= set(states)
    assert {state.state for state in states.values()} == {RUNNING}


def test_nothing_listens_outside_loopback(cloud: Cloud) -> None:
    pids = [state.pid for state in cloud.sandbox.status().values() if state.pid]
    found = listeners.addresses(pids)
    assert found
    assert all(ipaddress.ip_address(each).is_loopback for each in found)


@pytest.mark.parametrize("user", ["alice", "bob"])
@pytest.mark.parametrize("host", HOSTS)
def test_ordinary_users_reach_every_api_through_the_catalog(
        cloud: Cloud, user: str, host: str) -> None:
    for service, path in [("compute", "/servers"), ("image", "/v2/images"),
                          ("object-store", ""), ("compute", "/flavors")]:
        answer = cloud.adapter(user, service, host).get(path)
        assert answer.status_code in (200, 204), (service, answer.text)


def test_the_flavors_of_env_exist_in_both_regions(cloud: Cloud) -> None:
    wanted = {flavor["id"] for flavor in cloud.env["flavors"]}
    for host in HOSTS:
        answer = cloud.adapter("alice", "compute", host).get("/flavors").json()
        assert {flavor["id"] for flavor in answer["flavors"]} == wanted


@pytest.mark.parametrize("host", HOSTS)
def test_the_xapi_host_is_the_one_that_env_names(cloud: Cloud, host: str) -> None:
    told = cloud.region(host)
    XenAPI = pytest.importorskip("XenAPI")  # noqa: N806  (the package's name)
    session = XenAPI.Session(told["xapi_url"])
    session.xenapi.login_with_password(told["xapi_user"], told["xapi_password"], "1.0", "test")
    try:
        storage = session.xenapi.SR.get_by_uuid(told["sr_uuid"])
        assert session.xenapi.SR.get_type(storage) == told["sr_type"]
        iso = session.xenapi.SR.get_by_uuid(told["iso_sr_uuid"])
        assert session.xenapi.SR.get_type(iso) == "iso"
        assert session.xenapi.host.get_by_uuid(told["host_uuid"])
    finally:
        session.xenapi.session.logout()


@pytest.mark.parametrize("host", HOSTS)
def test_each_region_has_one_compute_node_with_room(cloud: Cloud, host: str) -> None:
    admin = cloud.adapter("admin", "compute", host, default_microversion="2.53")
    nodes = admin.get("/os-hypervisors/detail").json()["hypervisors"]
    assert [node["hypervisor_hostname"] for node in nodes] == [f"xenserver-{host}"]
    assert nodes[0]["state"] == "up"
    assert nodes[0]["local_gb"] > 0


def test_glance_may_write_its_container_and_no_other(cloud: Cloud) -> None:
    name = cloud.env["glance_store_user"].split(":")[1]
    glance = cloud.adapter(name, "object-store")
    url = cloud.env["images_account_url"]
    prefix = cloud.env["container_prefix"]
    assert glance.put(f"{url}/{prefix}-images/probe", data=b"x").status_code == 201
    assert glance.delete(f"{url}/{prefix}-images/probe").status_code == 204
    for container in ("templates", "isos"):
        assert glance.get(f"{url}/{prefix}-{container}").status_code in (200, 204)
        assert glance.put(f"{url}/{prefix}-{container}/probe", data=b"x").status_code == 403
    assert glance.get(f"{url}/{prefix}-index").status_code == 403
    assert glance.put(f"{url}/{prefix}-new").status_code == 403


def test_ordinary_users_reach_none_of_the_containers(cloud: Cloud) -> None:
    url, prefix = cloud.env["images_account_url"], cloud.env["container_prefix"]
    for user in ("alice", "bob"):
        swift = cloud.adapter(user, "object-store")
        for container in ("index", "images", "templates", "isos"):
            assert swift.get(f"{url}/{prefix}-{container}").status_code == 403


def test_glance_shows_no_location_to_anyone(cloud: Cloud) -> None:
    glance = cloud.adapter("alice", "image")
    image = glance.post("/v2/images", json={
        "name": "seen", "disk_format": "raw", "container_format": "bare"}).json()
    put = glance.put(f"/v2/images/{image['id']}/file", data=b"content",
                     headers={"Content-Type": "application/octet-stream"})
    assert put.status_code == 204
    for user in ("alice", "admin"):
        shown = cloud.adapter(user, "image").get(f"/v2/images/{image['id']}").json()
        assert shown["status"] == "active"
        assert "locations" not in shown and "direct_url" not in shown
    assert glance.delete(f"/v2/images/{image['id']}").status_code == 204


def test_glance_accepts_an_upload_of_unknown_length(cloud: Cloud) -> None:
    glance = cloud.adapter("bob", "image")
    image = glance.post("/v2/images", json={
        "name": "chunked", "disk_format": "raw", "container_format": "bare"}).json()
    pieces = [b"a" * 70_000, b"b", b"c" * 65_536]
    put = glance.put(f"/v2/images/{image['id']}/file", data=iter(pieces),
                     headers={"Content-Type": "application/octet-stream"})
    assert put.status_code == 204
    assert glance.get(f"/v2/images/{image['id']}/file").content == b"".join(pieces)
    glance.delete(f"/v2/images/{image['id']}")


def test_expired_objects_leave_the_listing(cloud: Cloud) -> None:
    swift = cloud.adapter("alice", "object-store")
    swift.put("/expiring")
    swift.put("/expiring/soon", data=b"x", headers={"X-Delete-After": "1"})
    assert eventually(lambda: swift.get("/expiring", params={"format": "json"}).json() == [])


def test_swift_offers_what_the_design_builds_on(cloud: Cloud) -> None:
    info = requests.get(cloud.env["swift_url"].replace("/v1", "/info"), timeout=30).json()
    assert {"slo", "tempurl", "bulk_delete", "symlink", "object_versioning"} <= set(info)
    assert [policy["name"] for policy in info["swift"]["policies"]] == \
        cloud.env["storage_policies"]


def test_a_region_runs_with_another_image_handler_while_the_other_goes_on(cloud: Cloud) -> None:
    before = cloud.sandbox.status()
    cloud.sandbox.use_image_handler("lvm", "vdi_remote_stream")
    try:
        after = cloud.sandbox.status()
        assert after["nova-lvm"].pid != before["nova-lvm"].pid
        assert after["nova-ext"].pid == before["nova-ext"].pid
        assert [each["image_handler"] for each in cloud.sandbox.environment()["regions"]] == \
            ["swift_vhd", "vdi_remote_stream"]
        assert cloud.adapter("alice", "compute", "lvm").get("/servers").status_code == 200
    finally:
        cloud.sandbox.use_image_handler("lvm", "swift_vhd")
