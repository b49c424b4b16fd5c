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

"""createBackup with rotation: what is rotated out goes, what stays is whole."""

from __future__ import annotations

from typing import Dict, List

from nova_swift_handler.sandbox.demo import disks
from tests.functional.flows.site import MIB, Site
from tests.functional.flows.tenant import eventually


def backups(site: Site, server: str) -> List[str]:
    """Return the images of a server's backups, newest first."""
    rows = site.alice.glance("GET", "/v2/images?image_type=backup&instance_uuid=%s"
                                    "&sort=created_at:desc" % server).json()["images"]
    return [row["id"] for row in rows]


def back_up(site: Site, server: str, rotation: int) -> str:
    image = site.alice.backup(server, rotation)
    site.alice.active(image)
    site.alice.settled(server)
    return image


def rotated(site: Site, server: str, left: List[str]) -> None:
    """Wait until Nova has rotated: the server is at rest before that."""
    eventually("the backups %s to be left" % left, lambda: backups(site, server) == left)


def test_backups_rotate_and_those_that_stay_are_whole(site: Site, template: str) -> None:
    server = site.boot(template, "backed-up")
    digests: Dict[str, str] = {}
    taken: List[str] = []
    for number in range(4):
        site.write(server, "backup-%d" % number, [number * 30 * MIB, 5 * MIB])
        taken.append(back_up(site, server, 2))
        digests[taken[-1]] = site.sha256(server)
        rotated(site, server, taken[::-1][:2])
    for image in taken[:2]:
        site.alice.gone(image)
    assert site.points(server) == sorted(taken)  # Nova tells nobody that it deleted them
    site.reconcile()
    assert site.points(server) == sorted(taken[2:])
    for image in taken[2:]:
        assert site.sha256(site.boot(image, "copy")) == digests[image]
    # A third round, with what is left as parents.
    site.write(server, "backup-4", [MIB, MIB])
    taken.append(back_up(site, server, 1))
    rotated(site, server, taken[-1:])
    site.reconcile()
    assert site.points(server) == taken[-1:]
    assert site.sha256(site.boot(taken[-1], "copy")) == site.sha256(server)
    site.alice.delete_image(taken[-1])


def test_a_backup_has_its_own_formats_not_those_of_the_image_it_came_of(site: Site) -> None:
    """Nova makes the image with the formats of the server's image, here those of a tgz."""
    archive, content = disks.stock_image(disks.operating_system("stock"), [
        (MIB, disks.noise("a change", 4096))])
    stock = site.alice.upload(archive)
    assert site.alice.active(stock)["container_format"] == "ovf"
    server = site.boot(stock, "of-a-tgz")
    assert site.sha256(server) == content.sha256(1024 * MIB)
    for _round in range(2):
        site.write(server, "backup", [50 * MIB, MIB])
        image = back_up(site, server, 1)
        record = site.alice.active(image)
        assert (record["disk_format"], record["container_format"]) == ("vhd", "bare")
        assert record["image_type"] == "backup" and record["backup_type"] == "daily"
        assert site.sha256(site.boot(image, "copy")) == site.sha256(server)
    site.alice.delete_image(stock)


def test_a_backup_that_fails_costs_no_good_one(site: Site, template: str) -> None:
    """Nova rotates after a backup that it takes for done, an empty one included."""
    server = site.boot(template, "failing")
    good = [back_up(site, server, 2) for _round in range(2)]
    site.control.set_fault("export_cut", after=1 * MIB)
    failed = site.alice.backup(server, 2)
    site.alice.gone(failed)
    site.alice.settled(server)
    site.control.clear_faults()
    assert backups(site, server) == good[::-1]
    assert site.points(server) == sorted(good)
    assert "CouldNotUploadImage" in str(site.admin.events(server, "createBackup"))


def test_a_backup_whose_image_is_deleted_meanwhile_is_no_failure(site: Site,
                                                                 template: str) -> None:
    server = site.boot(template, "unwanted")
    good = back_up(site, server, 2)
    site.control.set_fault("rate", bytes_per_second=8 * MIB, direction="export")
    unwanted = site.alice.backup(server, 2)
    site.control.calls(clear=True)
    while site.alice.server(server)["OS-EXT-STS:task_state"] != "image_uploading":
        assert site.alice.image(unwanted) is not None
    site.alice.delete_image(unwanted)
    site.alice.settled(server)
    site.control.clear_faults()
    assert backups(site, server) == [good]
    assert site.points(server) == [good]
    assert site.objects(server, "intents/") == []
