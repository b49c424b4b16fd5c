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

"""What the threat model says of those who hold a credential, shown (doc/source/threat-model.rst).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.settings import StoreSettings
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import Bench, Host
from tests.functional.tenancy.conftest import Victim, booted


def store_user(bench: Bench, method: str, path: str, **kwargs: Any) -> int:
    return int(bench.session("glance-store").request(
        "%s/%s" % (bench.env["images_account_url"], path), method, raise_exc=False,
        **kwargs).status_code)


def test_glances_swift_user_reads_everything_and_destroys_an_entry(
        bench: Bench, ext: Host, victim: Victim) -> None:
    """Its key is in Glance's configuration and in the locations that its database holds."""
    entry = "vhd-images/" + victim.image_id
    for path in victim.objects:
        if not path.startswith(("vhd-index/", "vhd-images/")):
            assert store_user(bench, "GET", path) == 200, path
            assert store_user(bench, "PUT", path, data=b"x") == 403
            assert store_user(bench, "DELETE", path) == 403
    assert store_user(bench, "GET", "vhd-index/" + victim.image_id) == 403
    assert store_user(bench, "DELETE", entry + "?multipart-manifest=delete",
                      headers={"Accept": "application/json"}) == 200
    # What Glance reads is gone; a boot needs it not, and it can be made anew.
    assert bench.swift("HEAD", entry).status_code == 404
    got = bench.glance("GET", "/v2/images/%s/file" % victim.image_id, raise_exc=False)
    assert got.status_code != 200
    assert booted(bench, ext, victim.image_id, "alice") == victim.sha256


def test_an_entry_that_was_turned_to_anothers_disk(bench: Bench, ext: Host,
                                                   victim: Victim) -> None:
    """Who has the key of Glance's Swift user can have Glance serve anything as any image.

    A boot takes a disk of ours by its own record, and does not follow.
    """
    other, _sha256 = bench.stored(ext, seed="another")
    container = bench.swift("GET", "vhd-index/" + other).json()["container"]
    path = "/%s/points/%s/disk.vhd" % (container, other)
    assert store_user(bench, "PUT", "vhd-images/%s?multipart-manifest=put" % victim.image_id,
                      json=[{"path": path}]) == 201
    assert booted(bench, ext, victim.image_id, "alice") == victim.sha256


def test_the_service_accounts_credential_opens_and_deletes_everything(
        bench: Bench, victim: Victim) -> None:
    """It is on every compute host: whoever has broken into one has it."""
    for path in victim.objects:
        assert bench.swift("GET", path).status_code == 200, path
    segment = next(path for path in victim.objects if "/data/" in path)
    assert bench.swift("DELETE", segment).status_code == 204


@pytest.fixture
def versioned(bench: Bench, victim: Victim) -> Victim:
    """The victim's volume keeps former versions of its objects."""
    put = bench.swift("POST", victim.container, headers={"X-Versions-Enabled": "true"})
    assert put.status_code < 300, put.text
    return victim


def test_versions_bring_a_deleted_disk_back(bench: Bench, ext: Host, versioned: Victim) -> None:
    """After a mistake, or a thief who does not think of them."""
    prefix = versioned.container + "/"
    names = [path[len(prefix):] for path in versioned.objects if path.startswith(prefix)]
    for name in names:
        assert bench.swift("DELETE", prefix + name).status_code == 204
    with pytest.raises(exceptions.SwiftVhdError):
        booted(bench, ext, versioned.image_id, "alice")
    rows = bench.swift("GET", versioned.container + "?versions&format=json").json()
    kept: Dict[str, str] = {}
    for row in rows:
        if row["content_type"] != "application/x-deleted;swift_versions_deleted=1":
            kept.setdefault(row["name"], row["version_id"])
    assert set(kept) >= set(names)
    for name in names:
        back = bench.swift("PUT", "%s%s?version-id=%s" % (prefix, name, kept[name]))
        assert back.status_code == 201, (name, back.text)
    assert booted(bench, ext, versioned.image_id, "alice") == versioned.sha256


def test_a_volume_with_versions_is_snapshotted_and_booted(bench: Bench, ext: Host,
                                                          versioned: Victim) -> None:
    vdi = ext.disk(seed="alice's secrets")
    ext.control.guest_pattern(vdi, "later", [[1 << 20, 1 << 20]])
    job = dataclasses.replace(
        bench.snapshot_job(ext, ext.snapshot(vdi)),
        volume_id=versioned.container.rpartition("-volume-")[2])
    result = process.run(job)
    assert result["parent"] == versioned.image_id
    assert booted(bench, ext, job.image_id, "alice") == ext.control.guest_sha256(vdi)


def test_an_installation_of_its_own_boots_through_glance(bench: Bench, ext: Host,
                                                         victim: Victim) -> None:
    """So hosts whose credential opens another Swift account still boot every image.

    They get its bytes from Glance, as the user; nothing of the first account is open to them.
    """
    job = bench.boot_job(ext, victim.image_id)
    user, env = bench.env["users"]["bob"], bench.env
    apart = dataclasses.replace(
        job.services, store=StoreSettings(container_prefix="apart"),
        credentials=dataclasses.replace(job.services.credentials, options={
            "auth_url": env["keystone_url"], "username": "bob", "password": user["password"],
            "project_name": user["project"], "user_domain_id": env["domain_id"],
            "project_domain_id": env["domain_id"]}))
    made = process.run(dataclasses.replace(job, services=apart))
    assert made["source"] == "glance"
    assert ext.control.guest_sha256(made["vdi_uuid"]) == victim.sha256


def test_a_boot_without_a_users_token_is_refused(bench: Bench, ext: Host, victim: Victim) -> None:
    """The service account may see every image: it must never stand in for a user."""
    job = bench.boot_job(ext, victim.image_id,
                         user=dataclasses.replace(bench.token("bob"), token=""))
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.AccessRefused, "without the user's token")
