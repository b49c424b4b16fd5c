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

"""An image id that is free again opens nothing of the image that had it.

That a new image of the id boots its own bytes is in ``handler/test_access.py``.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import process
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.volumes import export, volume
from tests.functional.cli.test_addresses import key  # noqa: F401  (a fixture)
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.tenancy.conftest import Victim, booted, own_disk
from tests.unit.transfer import images


def forget(bench: Bench, image_id: str) -> None:
    """Remove an image's row from Glance's database, and nothing of it in Swift."""
    with sqlite3.connect(str(bench.cloud.root / "glance" / "glance.db"), timeout=60) as database:
        for table in ("image_locations", "image_properties", "image_tags", "image_members",
                      "tasks"):
            database.execute("DELETE FROM %s WHERE image_id = ?" % table, (image_id,))
        database.execute("DELETE FROM images WHERE id = ?", (image_id,))


@pytest.fixture
def freed(bench: Bench, victim: Victim) -> Victim:
    """A disk all of which is in Swift, what Glance reads included; its row is gone."""
    forget(bench, victim.image_id)
    return victim


def test_a_new_image_without_data_gets_none(bench: Bench, ext: Host, freed: Victim) -> None:
    bench.queued("bob", id=freed.image_id)
    assert booted(bench, ext, freed.image_id) is None
    got = bench.glance("GET", "/v2/images/%s/file" % freed.image_id, "bob", raise_exc=False)
    assert (got.status_code, got.content) == (204, b"")


def test_a_snapshot_stored_under_it_is_its_own(bench: Bench, ext: Host, freed: Victim) -> None:
    """Nova lets nobody choose a snapshot's id; if it did, the old disk would not come up."""
    disk = own_disk(bench, ext)
    bench.queued("bob", id=freed.image_id)
    process.run(bench.snapshot_job(ext, ext.snapshot(disk["vdi"]), freed.image_id,
                                   bench.token("bob")))
    assert disk["sha256"] != freed.sha256
    assert booted(bench, ext, freed.image_id) == disk["sha256"]


def test_deleting_the_new_image_leaves_other_disks_whole(bench: Bench, ext: Host,
                                                         freed: Victim) -> None:
    other, sha256 = bench.stored(ext, seed="alice's secrets")
    bench.uploaded(b"bob's", user="bob", id=freed.image_id)
    bench.glance("DELETE", "/v2/images/" + freed.image_id, "bob")
    assert booted(bench, ext, other, "alice") == sha256
    for path in freed.objects:
        if not path.startswith("vhd-images/"):
            assert bench.swift("HEAD", path).status_code == 200, path


def test_an_operator_gives_no_address_of_the_old_disk(bench: Bench, ext: Host,
                                                      freed: Victim) -> None:
    """Bob asks his operator for an address of his image."""
    bench.queued("bob", id=freed.image_id)
    services: Any = bench.services(ext)
    with pytest.raises(exceptions.PointInvalid, match="another image"):
        export.url(services, freed.image_id, "vhd", 600)


def test_an_export_is_restored_though_a_tenant_has_made_an_image_of_its_id(
        bench: Bench, ext: Host, key: str) -> None:  # noqa: F811
    """Bob was given the address of a download, and knows the id by it.  He gets his own bytes."""
    wanted = own_disk(bench, ext, "what was exported")
    services: Any = bench.services(ext)
    report = Report(lambda event: None)
    exported = export.export(services, wanted["vdi"], "vhd", 600, report)
    chain = images.chain(1, block_size=2 * MIB, blocks=3)
    bench.uploaded(images.numbered(chain.vhds), user="bob", id=exported["id"])
    made = volume.create(services, [exported["id"]], ext.simulated.ready["sr_uuid"], "restored",
                         report)
    assert made["source"] == "swift"
    assert ext.control.guest_sha256(made["id"]) == wanted["sha256"]
    assert booted(bench, ext, exported["id"]) not in (None, wanted["sha256"])


def test_an_id_that_is_taken_cannot_be_had(bench: Bench, victim: Victim) -> None:
    made = bench.glance("POST", "/v2/images", "bob", raise_exc=False, json={
        "id": victim.image_id, "name": "x", "disk_format": "vhd", "container_format": "bare"})
    assert made.status_code == 409


def test_an_id_that_was_deleted_cannot_be_had(bench: Bench, victim: Victim) -> None:
    """For as long as Glance keeps the row of a deleted image: until `glance-manage db purge`."""
    bench.delete_image(victim.image_id)
    made = bench.glance("POST", "/v2/images", "bob", raise_exc=False, json={
        "id": victim.image_id, "name": "x", "disk_format": "vhd", "container_format": "bare"})
    assert made.status_code == 409
