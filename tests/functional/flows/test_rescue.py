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

"""Rescue and unrescue: a second VM of an image, with the disk that is to be rescued beside."""

from __future__ import annotations

from tests.functional.flows.site import MIB, Site


def test_a_rescued_disk_is_mended_and_comes_back(site: Site, template: str,
                                                 other_template: str) -> None:
    server = site.boot(template, "broken")
    site.write(server, "broken", [0, 3 * MIB])
    root, digest = site.root(server), site.sha256(server)
    pristine = site.sha256(site.boot(other_template, "pristine"))
    site.alice.act(server, "rescue", rescue_image_ref=other_template)
    site.alice.settled(server, "RESCUE")
    disks = site.disks(server, "-rescue")
    assert len(disks) == 2 and disks[1]["vdi_uuid"] == root
    assert site.control.guest_sha256(disks[0]["vdi_uuid"]) == pristine
    assert site.control.guest_sha256(root) == digest
    site.control.guest_pattern(root, "mended", [[MIB, MIB]])
    mended = site.control.guest_sha256(root)
    site.alice.act(server, "unrescue")
    site.alice.settled(server)
    assert site.disks(server, "-rescue") == []
    assert disks[0]["vdi_uuid"] not in site.vdis()
    assert site.root(server) == root and site.sha256(server) == mended != digest
    image = site.stored(server)
    assert site.sha256(site.boot(image, "copy")) == mended


def test_a_server_is_rescued_with_a_snapshot_of_itself(site: Site, template: str) -> None:
    server = site.boot(template, "broken")
    site.write(server, "good", [0, 3 * MIB])
    image, good = site.stored(server), site.sha256(server)
    site.write(server, "bad", [0, 3 * MIB])
    bad = site.sha256(server)
    site.alice.act(server, "rescue", rescue_image_ref=image)
    site.alice.settled(server, "RESCUE")
    digests = [site.control.guest_sha256(disk["vdi_uuid"])
               for disk in site.disks(server, "-rescue")]
    assert digests == [good, bad]
    site.alice.act(server, "unrescue")
    site.alice.settled(server)
    assert site.sha256(server) == bad


def test_a_rescue_that_fails_leaves_the_servers_disk_alone(site: Site, template: str,
                                                           other_template: str) -> None:
    server = site.boot(template, "broken")
    site.write(server, "broken", [0, 3 * MIB])
    digest, before = site.sha256(server), set(site.vdis())
    for image in set(site.cached()) & {other_template}:  # it must be fetched
        site.xapi.VDI.destroy(site.xapi.VDI.get_by_uuid(site.cached()[image]))
    site.control.set_fault("task_fail_after_200", direction="import",
                           code="SR_BACKEND_FAILURE_46")
    site.alice.act(server, "rescue", rescue_image_ref=other_template)
    site.alice.settled(server, "ERROR")
    site.control.clear_faults()
    assert site.disks(server, "-rescue") == []
    assert set(site.vdis()) <= before
    assert site.sha256(server) == digest
