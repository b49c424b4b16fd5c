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

"""Shelve, offload, unshelve: the disk lives in Swift alone meanwhile."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually


def shelved_image(site: Site, server: str) -> str:
    """Return the image of a shelved server's disk."""
    rows = site.alice.glance("GET", "/v2/images?instance_uuid=%s" % server).json()["images"]
    found = [row["id"] for row in rows if row["name"].endswith("-shelved")]
    assert len(found) == 1, rows
    return str(found[0])


def test_a_shelved_server_comes_back_as_it_was_twice(site: Site, template: str) -> None:
    """Nova offloads at once by default: VM and VDI are gone meanwhile."""
    server = site.boot(template, "shelved")
    for turn in range(2):
        site.write(server, "shelf-%d" % turn, [turn * 60 * MIB + 512, 7 * MIB])
        digest = site.sha256(server)
        site.alice.act(server, "shelve")
        site.alice.settled(server, "SHELVED_OFFLOADED")
        assert site.disks(server) == []
        image = shelved_image(site, server)
        assert site.alice.active(image)["container_format"] == "bare"
        assert image in site.points(server)
        site.alice.act(server, "unshelve")
        site.alice.settled(server)
        assert site.sha256(server) == digest
        site.alice.gone(image)  # Nova's doing: it has served its purpose
    site.reconcile()
    assert site.points(server) == []
    # What the disk consists of is gone from Swift, and the next snapshot is none the worse.
    image = site.stored(server)
    assert site.sha256(site.boot(image, "copy")) == digest


def test_shelve_and_offload_one_by_one(ext: Site, template: str) -> None:
    with ext.configured("DEFAULT", shelved_offload_time=-1):
        server = ext.boot(template, "shelved")
        ext.write(server, "shelf", [9 * MIB, 7 * MIB])
        digest = ext.sha256(server)
        ext.alice.act(server, "shelve")
        ext.alice.settled(server, "SHELVED")
        assert len(ext.disks(server)) == 1
        image = shelved_image(ext, server)
        ext.admin.act(server, "shelveOffload")
        ext.alice.settled(server, "SHELVED_OFFLOADED")
        assert ext.disks(server) == []
        ext.alice.act(server, "unshelve")
        ext.alice.settled(server)
        assert ext.sha256(server) == digest
        # Unshelved before it was offloaded, a server still has its own disk.
        ext.alice.act(server, "shelve")
        ext.alice.settled(server, "SHELVED")
        root = ext.root(server)
        ext.alice.act(server, "unshelve")
        ext.alice.settled(server)
        assert ext.root(server) == root and ext.sha256(server) == digest
        ext.alice.gone(image)
        ext.delete(server)


def test_a_shelved_disk_boots_in_the_other_region(regions: Dict[str, Site],
                                                  template: str) -> None:
    """Nova unshelves within a region; across them, the image can be booted while it is there."""
    ext, lvm = regions["ext"], regions["lvm"]
    server = ext.boot(template, "shelved")
    ext.write(server, "shelf", [0, MIB])
    digest = ext.sha256(server)
    ext.alice.act(server, "shelve")
    ext.alice.settled(server, "SHELVED_OFFLOADED")
    copy = lvm.boot(shelved_image(ext, server), "copy")
    assert lvm.sha256(copy) == digest


def test_a_shelved_server_is_deleted_with_its_image(site: Site, template: str) -> None:
    server = site.boot(template, "shelved")
    site.alice.act(server, "shelve")
    site.alice.settled(server, "SHELVED_OFFLOADED")
    image = shelved_image(site, server)
    site.delete(server)
    site.alice.gone(image)
    site.reconcile()
    assert site.points(server) == []


@pytest.mark.parametrize("fault", [("export_cut", {"after": MIB}), ("task_fail_after_200", {
    "direction": "export", "code": "SR_BACKEND_FAILURE_46"})])
def test_a_server_whose_disk_cannot_be_stored_is_not_offloaded(
        site: Site, template: str, fault: Any) -> None:
    """Offloading destroys the disk."""
    server = site.boot(template, "unshelvable")
    site.write(server, "shelf", [0, MIB])
    digest = site.sha256(server)
    site.control.set_fault(fault[0], **fault[1])
    site.alice.act(server, "shelve")
    eventually("shelving to fail", lambda: "Error" in str(site.admin.events(server, "shelve")))
    site.control.clear_faults()
    found = site.admin.server(server)
    assert found["status"] not in ("SHELVED", "SHELVED_OFFLOADED")
    assert site.sha256(server) == digest
