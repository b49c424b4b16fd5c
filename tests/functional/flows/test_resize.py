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

"""Resize: Nova has dom0 copy the VHDs, the chain first and what changed meanwhile last.

No image is involved, so the handler is not asked.  What counts is that the disk is the same one
to it afterwards: its next snapshot is a delta to the last one, though the VDI is another.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from nova_swift_handler.sandbox.xapi.pattern import pattern
from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually

GIB = 1024 * MIB


def resize(site: Site, server: str, flavor: str) -> None:
    site.alice.act(server, "resize", flavorRef=flavor)
    site.alice.settled(server, "VERIFY_RESIZE")


def beginning(site: Site, server: str) -> str:
    """Return the digest of the first GiB of a server's disk."""
    digest = hashlib.sha256()
    for offset in range(0, GIB, 32 * MIB):
        digest.update(site.control.guest_read(site.root(server), offset, 32 * MIB))
    return digest.hexdigest()


@pytest.fixture
def server(ext: Site, template: str) -> str:
    """A server with a snapshot, and changes since."""
    made = ext.boot(template, "resized")
    ext.write(made, "before", [0, 5 * MIB], [GIB - 4096, 4096])
    ext.stored(made)
    ext.write(made, "since", [7 * MIB, 5 * MIB])
    return made


def test_a_confirmed_resize(ext: Site, server: str) -> None:
    old, digest = ext.root(server), ext.sha256(server)
    first, = ext.points(server)
    resize(ext, server, "disk-2g")
    assert ext.root(server, "-orig") == old != ext.root(server)
    assert beginning(ext, server) == digest == ext.sha256(server, "-orig")
    ext.write(server, "larger", [GIB + 512, 3 * MIB], [2 * GIB - 512, 512])
    ext.alice.act(server, "confirmResize")
    ext.alice.settled(server)
    eventually("the old disk to go", lambda: old not in ext.vdis())
    assert ext.disks(server, "-orig") == []
    second = ext.stored(server)
    record = ext.point(server, second)
    assert record["parent"] == first and record["virtual_size"] == 2 * GIB
    assert record["sent_blocks"] < 10
    copy = ext.boot(second, "copy", flavor="disk-2g")
    assert ext.sha256(copy) == ext.sha256(server)
    assert beginning(ext, copy) == digest


def test_a_reverted_resize(ext: Site, server: str) -> None:
    old, digest = ext.root(server), ext.sha256(server)
    first, = ext.points(server)
    resize(ext, server, "disk-2g")
    new = ext.root(server)
    ext.write(server, "lost", [0, 50 * MIB])
    ext.alice.act(server, "revertResize")
    ext.alice.settled(server)
    assert ext.root(server) == old and ext.sha256(server) == digest
    assert new not in ext.vdis()
    assert ext.control.guest_read(old, 0, 5 * MIB) == pattern("before", 0, 5 * MIB)
    second = ext.stored(server)
    assert ext.point(server, second)["parent"] == first
    assert ext.point(server, second)["virtual_size"] == GIB
    assert ext.sha256(ext.boot(second, "copy")) == digest


def test_a_resize_down_needs_a_nova_that_runs_on_the_host(ext: Site, server: str) -> None:
    """It mounts the disk, so Nova must run in a VM of the host; here it is rolled back."""
    resize(ext, server, "disk-2g")
    ext.alice.act(server, "confirmResize")
    ext.alice.settled(server)
    digest = ext.sha256(server)
    ext.alice.act(server, "resize", flavorRef="disk-1g")
    eventually("the resize to fail", lambda: "_migrate_disk_resizing_down" in str(
        ext.admin.events(server, "resize")))
    ext.alice.settled(server)
    assert ext.sha256(server) == digest
    image = ext.stored(server)
    assert ext.sha256(ext.boot(image, "copy", flavor="disk-2g")) == digest


def test_volumes_cannot_be_resized_so_but_lose_nothing(sites: Any, template: str) -> None:
    """Nova moves files: "Only file-based SRs (ext/NFS) are supported by this feature"."""
    lvm = sites["lvm"]
    with lvm.nothing_left():
        server = lvm.boot(template, "volume")
        lvm.write(server, "mine", [0, 5 * MIB])
        digest = lvm.sha256(server)
        lvm.alice.act(server, "resize", flavorRef="disk-2g")
        lvm.admin.settled(server, "ERROR")
        assert "Only file-based SRs" in str(lvm.admin.server(server)["fault"])
        lvm.admin.act(server, "os-resetState", state="active")
        lvm.alice.settled(server)
        assert lvm.sha256(server) == digest
        image = lvm.stored(server)
        assert lvm.sha256(lvm.boot(image, "copy")) == digest
        lvm.delete_servers()


def test_there_is_no_other_host_to_migrate_to(ext: Site, server: str) -> None:
    """A region of the sandbox is one host, and Nova does not migrate to the same one."""
    digest = ext.sha256(server)
    ext.admin.act(server, "migrate")
    eventually("the migration to fail", lambda: "Error" in str(ext.admin.events(
        server, "migrate")))
    ext.alice.settled(server)
    assert ext.sha256(server) == digest
    image = ext.stored(server)
    assert ext.sha256(ext.boot(image, "copy")) == digest
