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

"""Glance alone says who gets which disk; what is stored is believed only if it proves itself."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Iterator

import pytest
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

from nova_swift_handler import exceptions
from nova_swift_handler.glance.settings import UserToken
from nova_swift_handler.transfer import process
from tests.functional.glance.side import Side
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.handler.wire import Wire
from tests.unit.transfer import images

NOWHERE = "http://127.0.0.1:1/v1/AUTH_nobody"
"""Stands for Swift where it must not be asked: whoever does gets another error."""


def test_an_image_of_another_project_is_not_even_looked_for(bench: Bench, ext: Host) -> None:
    image_id, _sha256 = bench.stored(ext)
    job = bench.boot_job(ext, image_id, user=bench.token("bob"), swift=NOWHERE)
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.ImageMissing, image_id, "may not see it")


def test_a_snapshot_into_an_image_of_another_project(bench: Bench, ext: Host) -> None:
    snapshot = ext.snapshot(ext.disk())
    job = bench.snapshot_job(ext, snapshot, bench.queued("bob"), swift=NOWHERE)
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.ImageMissing, job.image_id, "may not see it")


def test_a_snapshot_into_an_image_that_has_data(bench: Bench, ext: Host) -> None:
    snapshot = ext.snapshot(ext.disk())
    job = bench.snapshot_job(ext, snapshot, bench.uploaded(b"data", disk_format="raw"))
    with bench.nothing_left(ext), pytest.raises(
            exceptions.RegistrationFailed, match="status is active, not queued"):
        process.run(job)
    assert bench.image(job.image_id)["size"] == 4


def test_an_image_that_is_not_there_yet(bench: Bench, ext: Host) -> None:
    job = bench.boot_job(ext, bench.queued(), swift=NOWHERE)
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.ImageUnavailable, job.image_id, "not active but queued")


@pytest.fixture
def reused(bench: Bench, ext: Host) -> Iterator[str]:
    """The id of an image of alice's that is gone, though its disk is still in Swift."""
    image_id, _sha256 = bench.stored(ext)
    bench.delete_image(image_id)
    # `glance-manage db purge` forgets what was deleted days ago; then its id is free again.
    with sqlite3.connect(str(bench.cloud.root / "glance" / "glance.db"), timeout=60) as database:
        for table in ("image_locations", "image_properties", "image_tags", "image_members",
                      "tasks"):
            database.execute("DELETE FROM %s WHERE image_id = ?" % table, (image_id,))
        database.execute("DELETE FROM images WHERE id = ?", (image_id,))
    yield image_id


@pytest.mark.parametrize("user", ["bob", "alice"])
def test_the_disk_of_a_former_image_of_the_same_id_is_not_given_out(
        bench: Bench, ext: Host, reused: str, user: str) -> None:
    """Not to another project, nor to the same one, whose new image may be anything."""
    chain = images.chain(1, block_size=2 * MIB, blocks=3)
    assert bench.swift("GET", "vhd-index/" + reused).status_code == 200
    bench.uploaded(images.numbered(chain.vhds), user=user, id=reused)
    result = process.run(bench.boot_job(ext, reused, user=bench.token(user)))
    assert result["source"] == "glance"
    held = ext.control.guest_read(result["vdi_uuid"], 0, len(chain.disk))
    assert held == chain.disk


def _file_of(bench: Bench, path: str) -> Path:
    """Return the file in which Swift keeps an object."""
    name = (bench.env["images_account_url"].partition("/v1")[2] + "/" + path).encode("utf-8")
    found = [each for each in (bench.cloud.root / "swift" / "srv").rglob("*.data")
             if name in os.getxattr(str(each), "user.swift.metadata")]
    assert len(found) == 1
    return found[0]


def _segments(bench: Bench, image_id: str) -> list:
    entry = bench.swift("GET", "vhd-index/" + image_id).json()
    point = bench.swift("GET", "%s/points/%s/point.json" % (
        entry["container"], image_id)).json()
    return ["%s/%s" % (each["container"], each["name"]) for each in point["segments"]]


def test_a_flipped_byte_in_a_stored_segment(bench: Bench, host: Host) -> None:
    image_id = bench.store(host, host.disk(written=[[0, 40 * MIB]]))
    segment = sorted(_segments(bench, image_id))[-1]
    file = _file_of(bench, segment)
    with open(file, "r+b") as opened:
        opened.seek(3 * MIB)
        byte = opened.read(1)
        opened.seek(3 * MIB)
        opened.write(bytes([byte[0] ^ 0x10]))
    with bench.nothing_left(host):
        bench.refuses(bench.boot_job(host, image_id), exceptions.StoreCorrupt,
                      r"block \d+.*" + segment, "SHA-256", "replica")


def test_a_segment_that_is_gone(bench: Bench, ext: Host) -> None:
    image_id = bench.store(ext, ext.disk(written=[[0, 40 * MIB]]))
    segment = sorted(_segments(bench, image_id))[-1]
    os.unlink(str(_file_of(bench, segment)))
    with bench.nothing_left(ext):
        bench.refuses(bench.boot_job(ext, image_id), exceptions.ObjectMissing, segment)


@pytest.mark.parametrize("registration", ["location", "upload"])
def test_a_token_that_expires_during_a_snapshot(bench: Bench, ext: Host, tmp_path: Path,
                                                registration: str) -> None:
    """Nova hands over a token that may be about to expire, and a snapshot may take hours."""
    directory = tmp_path / "keystone"
    directory.mkdir()
    known = bench.env["users"]["alice"]
    with Side(bench.cloud.root, directory, "keystone",
              {"token": {"expiration": "1"}}) as short_lived:
        short = ks_session.Session(auth=v3.Password(
            auth_url=short_lived.url + "/v3", user_id=known["id"], password=known["password"],
            project_id=known["project_id"]))
        access = short.auth.get_access(short)
    job = bench.snapshot_job(
        ext, ext.snapshot(ext.disk()), registration=registration,
        user=UserToken(access.auth_token, known["id"], known["project_id"]))
    while not access.will_expire_soon(-1):
        time.sleep(0.2)
    alone = bench.session("admin").get(
        "%s/v2/images/%s" % (bench.env["glance_url"], job.image_id), authenticated=False,
        raise_exc=False, headers={"X-Auth-Token": access.auth_token})
    assert alone.status_code == 401
    assert process.run(job)["registration"] == registration
    assert bench.image(job.image_id)["status"] == "active"


def test_a_disk_that_cannot_be_asked_for_is_not_taken_from_elsewhere(bench: Bench,
                                                                     ext: Host) -> None:
    """That Swift does not answer is not the same as its having no such disk."""
    image_id, _sha256 = bench.stored(ext)
    with Wire(bench.env["images_account_url"]) as wire:
        wire.refuse_when(("GET", "-index/"))
        with bench.nothing_left(ext):
            bench.refuses(bench.boot_job(ext, image_id, swift=wire.url),
                          exceptions.StoreUnreachable, "vhd-index/" + image_id, "503")
