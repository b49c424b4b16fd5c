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

"""Live snapshots of instances whose disks change all the while, booted where one likes."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest
import pyvhdi

from nova_swift_handler.sandbox.demo.disks import Content
from nova_swift_handler.sandbox.xapi.pattern import pattern
from tests.functional.flows.conftest import make_template
from tests.functional.flows.site import MIB, Site

BLOCK = 2 * MIB
GIB = 1024 * MIB


def test_snapshots_in_a_row_are_deltas_and_each_boots_as_it_was(
        regions: Dict[str, Site], template: str) -> None:
    """On both kinds of SR, each snapshot booted on the other one as well."""
    for kind, other in (("ext", "lvm"), ("lvm", "ext")):
        site = regions[kind]
        server = site.boot(template, "in-a-row")
        taken = []
        for number in range(3):
            site.write(server, "row-%d" % number, [number * 40 * MIB + 512, 3 * BLOCK],
                       [GIB - 512, 512])
            image = site.stored(server, "row %d" % number)
            taken.append((image, site.sha256(server)))
        records = [site.point(server, image) for image, _digest in taken]
        assert [record["parent"] for record in records] == [
            template, taken[0][0], taken[1][0]]
        assert all(0 < record["sent_blocks"] <= 6 for record in records)
        assert len({digest for _image, digest in taken}) == 3
        # The disk goes on changing; none of that may be in them.
        site.write(server, "later", [0, BLOCK], [81 * MIB, BLOCK])
        for image, digest in taken:
            for region in (site, regions[other]):
                copy = region.boot(image, "copy")
                assert region.sha256(copy) == digest
                region.delete(copy)
        assert site.sha256(server) not in [digest for _image, digest in taken]


def test_a_snapshot_is_what_others_read_of_it_too(
        ext: Site, template: str, content: Content, tmp_path: Path) -> None:
    """Downloaded from Glance by its owner and read by libvhdi: the template and the writes."""
    server = ext.boot(template, "read-by-others")
    ext.write(server, "one", [3 * MIB + 1024, 5 * MIB])
    ext.write(server, "two", [700 * MIB, 1024])
    image = ext.stored(server)
    path = "%s/disk.vhd" % tmp_path
    with open(path, "wb") as file:
        file.write(ext.alice.glance("GET", "/v2/images/%s/file" % image).content)
    file = pyvhdi.file()
    file.open(path)
    assert file.get_media_size() == GIB
    expected = Content(64 * MIB)
    expected.write(0, content.read(0, content.size))
    expected.write(3 * MIB + 1024, pattern("one", 3 * MIB + 1024, 5 * MIB))
    assert file.read_buffer_at_offset(64 * MIB, 0) == expected.read(0, 64 * MIB)
    assert file.read_buffer_at_offset(1024, 700 * MIB) == pattern("two", 700 * MIB, 1024)
    assert not any(file.read_buffer_at_offset(100 * MIB, 500 * MIB))
    file.close()


def test_a_guest_that_writes_during_its_snapshot(site: Site, template: str) -> None:
    """What is stored is the disk of one moment: that in which XAPI made the snapshot."""
    server = site.boot(template, "busy")
    site.write(server, "before", [0, 30 * MIB])
    site.control.set_fault("rate", bytes_per_second=16 * MIB, direction="export")
    before = site.sha256(server)
    image = site.alice.snapshot(server)
    while not site.control.state()["dom0_VBD"]:  # until the disk is being exported
        assert site.alice.image(image)["status"] != "active"  # type: ignore[index]
    for number in range(5):
        site.write(server, "during-%d" % number, [number * 6 * MIB, 5 * MIB])
    site.alice.active(image)
    site.alice.settled(server)
    site.control.clear_faults()
    after = site.sha256(server)
    copy = site.boot(image, "copy")
    assert site.sha256(copy) == before != after


def test_a_stopped_instance_is_snapshotted_as_well(site: Site, template: str) -> None:
    server = site.boot(template, "stopped")
    site.write(server, "stopped", [17 * MIB, MIB])
    site.alice.act(server, "os-stop")
    site.alice.settled(server, "SHUTOFF")
    image = site.alice.snapshot(server)
    site.alice.active(image)
    site.alice.settled(server, "SHUTOFF")
    site.alice.act(server, "os-start")
    site.alice.settled(server)
    copy = site.boot(image, "copy")
    assert site.sha256(copy) == site.sha256(server)


@pytest.mark.parametrize("name", ["ünïcode ☃ & <b>", "../../etc/passwd", "a  b;c | rm -rf 'x' \"",
                                  "%s %(x)s {0}", "x" * 255])
def test_odd_names_of_servers_and_snapshots(ext: Site, template: str, name: str) -> None:
    server = ext.boot(template, name)
    ext.write(server, "odd", [MIB, MIB])
    image = ext.alice.snapshot(server, name)
    assert ext.alice.active(image)["name"] == name
    ext.alice.settled(server)
    copy = ext.boot(image, name)
    assert ext.sha256(copy) == ext.sha256(server)


def test_an_instance_whose_image_was_deleted(site: Site, content: Content,
                                             tmp_path: Path) -> None:
    """Its next snapshot has nothing to inherit, and is whole all the same."""
    template = make_template(site.cloud, content, tmp_path)
    server = site.boot(template, "orphan")
    site.write(server, "orphan", [0, MIB])
    first, digest = site.stored(server), site.sha256(server)
    site.admin.delete_image(template)
    site.reconcile()
    site.write(server, "orphan again", [5 * MIB, MIB])
    second = site.stored(server)
    for image, expected in ((first, digest), (second, site.sha256(server))):
        assert site.sha256(site.boot(image, "copy")) == expected


def test_a_server_with_two_disks_has_its_root_disk_snapshotted(ext: Site, template: str) -> None:
    """Nova snapshots what is attached as device 0; a second disk is in no image."""
    server = ext.boot(template, "two-disks")
    vm = ext.xapi.VM.get_by_name_label(ext.name(server))[0]
    sr = ext.xapi.SR.get_by_uuid(ext.env["sr_uuid"])
    second = ext.xapi.VDI.create({
        "SR": sr, "virtual_size": str(16 * MIB), "type": "user", "sharable": False,
        "read_only": False, "other_config": {}, "name_label": "second",
        "name_description": "", "sm_config": {}, "xenstore_data": {}, "tags": []})
    vbd = ext.xapi.VBD.create({
        "VM": vm, "VDI": second, "userdevice": "1", "bootable": False, "mode": "RW",
        "type": "Disk", "unpluggable": True, "empty": False, "other_config": {},
        "qos_algorithm_type": "", "qos_algorithm_params": {}})
    ext.xapi.VBD.plug(vbd)
    assert [disk["userdevice"] for disk in ext.disks(server)] == ["0", "1"]
    ext.control.guest_pattern(ext.disks(server)[1]["vdi_uuid"], "second", [[0, 8 * MIB]])
    ext.write(server, "first", [0, MIB])
    image = ext.stored(server)
    copy = ext.boot(image, "copy")
    assert len(ext.disks(copy)) == 1
    assert ext.sha256(copy) == ext.sha256(server)
    ext.xapi.VBD.unplug(vbd)
    ext.xapi.VBD.destroy(vbd)
    ext.xapi.VDI.destroy(second)
