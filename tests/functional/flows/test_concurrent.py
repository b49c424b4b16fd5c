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

"""Several transfers of one nova-compute at once: their number is bounded, and nobody is harmed."""

from __future__ import annotations

from typing import Any, Iterator, List

import pytest

from tests.functional.flows.site import MIB, Site, children
from tests.functional.flows.tenant import eventually


def test_two_servers_are_snapshotted_at_once(site: Site, template: str) -> None:
    servers = [site.boot(template, "at-once-%d" % number) for number in range(2)]
    for server in servers:
        site.write(server, server, [0, 30 * MIB], [800 * MIB, 512])
    site.control.set_fault("rate", bytes_per_second=16 * MIB, direction="export")
    images = [site.alice.snapshot(server) for server in servers]
    eventually("two transfers", lambda: len(children(site.pid())) == 2)
    site.control.clear_faults()
    for server, image in zip(servers, images):
        site.alice.active(image)
        site.alice.settled(server)
        assert site.sha256(site.boot(image, "copy")) == site.sha256(server)


def test_nova_takes_one_snapshot_of_a_server_at_a_time(ext: Site, template: str) -> None:
    server = ext.boot(template, "twice")
    ext.write(server, "twice", [0, 30 * MIB])
    ext.control.set_fault("rate", bytes_per_second=16 * MIB, direction="export")
    image = ext.alice.snapshot(server)
    assert ext.alice.refused(server, "createImage", name="second") == 409
    assert ext.alice.refused(
        server, "createBackup", name="third", backup_type="daily", rotation=1) == 409
    ext.control.clear_faults()
    ext.alice.active(image)
    ext.alice.settled(server)
    assert ext.points(server) == [image]


def test_a_server_is_deleted_during_its_snapshot(site: Site, template: str) -> None:
    """Nova destroys its disk; the snapshot has one of its own, and is whole or not there."""
    server = site.boot(template, "deleted")
    site.write(server, "deleted", [0, 30 * MIB])
    digest = site.sha256(server)
    site.control.set_fault("rate", bytes_per_second=16 * MIB, direction="export")
    image = site.alice.snapshot(server)
    eventually("the transfer", lambda: site.control.state()["dom0_VBD"])
    site.delete(server)
    eventually("the transfer to end", lambda: not children(site.pid()))
    site.control.clear_faults()
    eventually("the snapshot to go", lambda: not site.control.state()["snapshot"])
    found = site.alice.image(image)
    if found is None:
        assert site.points(server) == []
    else:
        site.alice.active(image)
        assert site.sha256(site.boot(image, "copy")) == digest


@pytest.fixture
def one_at_a_time(sites: Any) -> Iterator[Site]:
    """The LVM region, which caches no images, with one transfer at a time."""
    lvm = sites["lvm"]
    with lvm.configured("swift_vhd", max_concurrent_transfers=1), lvm.nothing_left():
        yield lvm
        lvm.control.clear_faults()


def test_further_transfers_wait_and_the_unwanted_ones_do_not(one_at_a_time: Site,
                                                             template: str) -> None:
    site = one_at_a_time
    servers = [site.boot(template, "in-line-%d" % number) for number in range(3)]
    for server in servers:
        site.write(server, server, [0, 30 * MIB])
    site.control.set_fault("rate", bytes_per_second=MIB, direction="export")
    images: List[str] = []
    for server in servers:
        images.append(site.alice.snapshot(server))
        eventually("it to be uploaded or to wait", lambda server=server: site.admin.server(
            server)["OS-EXT-STS:task_state"] == "image_uploading")
    booting = site.order(template, "last in line")
    eventually("it to wait", lambda: site.admin.server(
        booting)["OS-EXT-STS:task_state"] == "spawning")
    assert len(children(site.pid())) == 1
    # Two that wait are given up: nobody has to wait for the others first.
    site.alice.delete_image(images[1])
    site.alice.settled(servers[1])
    site.delete(booting)
    assert site.alice.image(images[0])["status"] != "active"  # type: ignore[index]
    assert len(children(site.pid())) == 1
    assert site.points(servers[1]) == []
    site.control.clear_faults()
    for number in (0, 2):
        site.alice.active(images[number])
        site.alice.settled(servers[number])
    for number in (0, 2):
        assert site.sha256(site.boot(images[number], "copy")) == site.sha256(servers[number])


def test_a_server_that_is_deleted_while_it_is_built_does_not_keep_the_host_busy(
        sites: Any, template: str) -> None:
    """Nova deletes it when its boot ends, which is soon: the transfer is given up."""
    lvm = sites["lvm"]
    with lvm.nothing_left():
        lvm.control.set_fault("rate", bytes_per_second=MIB // 4, direction="import")
        server = lvm.order(template, "unwanted")
        eventually("the transfer", lambda: lvm.control.state()["dom0_VBD"])
        lvm.delete(server)
        assert not children(lvm.pid())
        lvm.control.clear_faults()
