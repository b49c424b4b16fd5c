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

"""Keystone, Swift or Glance refusing, down or failing half way: no half of anything is left."""

from __future__ import annotations

import threading
from typing import Any, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import MIB, Bench, Host, eventually
from tests.functional.handler.wire import Wire
from tests.unit.transfer import images

LARGE = [[0, 40 * MIB]]
"""Enough written data for several segments."""

CONNECTION_ADVICE = "is Swift up"


@pytest.fixture
def swift(bench: Bench) -> Any:
    """A wire to the account that holds the disks."""
    with Wire(bench.env["images_account_url"]) as wire:
        yield wire


@pytest.fixture
def glance(bench: Bench) -> Any:
    with Wire(bench.env["glance_url"]) as wire:
        yield wire


@pytest.fixture
def keystone(bench: Bench) -> Any:
    with Wire(bench.env["keystone_url"]) as wire:
        yield wire


@pytest.fixture(params=["snapshot", "boot"])
def make_job(bench: Bench, ext: Host, request: Any) -> Any:
    """Makes a job of each kind whose every part is there."""
    if request.param == "snapshot":
        snapshot = ext.snapshot(ext.disk(written=LARGE))
        return lambda **services: bench.snapshot_job(ext, snapshot, **services)
    image_id = bench.store(ext, ext.disk(written=LARGE))
    return lambda **services: bench.boot_job(ext, image_id, **services)


def test_a_wrong_password(bench: Bench, ext: Host, make_job: Any) -> None:
    job = make_job(password="wrong-password")
    with bench.nothing_left(ext):
        error = bench.refuses(job, exceptions.GlanceError, "service account", "HTTP 401",
                              ".swift_vhd.")
    assert "wrong-password" not in str(error)


def test_an_account_without_rights_in_swift(bench: Bench, ext: Host, make_job: Any) -> None:
    # A user that Keystone knows and Glance heeds, but whom Swift gives nothing.
    job = make_job(account="glance", swift=bench.env["images_account_url"])
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.StoreAuthFailed, "vhd-", "403",
                      "check the service account's roles")


def test_swift_down(bench: Bench, ext: Host, make_job: Any, swift: Wire) -> None:
    job = make_job(swift=swift.url)
    swift.down()
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.StoreUnreachable, "vhd-", CONNECTION_ADVICE)


def test_swift_goes_down_in_the_middle_of_an_upload(bench: Bench, host: Host,
                                                    swift: Wire) -> None:
    job = bench.snapshot_job(host, host.snapshot(host.disk(written=LARGE)), swift=swift.url)
    swift.when(b"/000002 HTTP", swift.down)
    with bench.nothing_left(host, announced=True):
        bench.refuses(job, exceptions.StoreUnreachable, "/data/", CONNECTION_ADVICE)


def test_swift_stops_answering_in_the_middle_of_an_upload(bench: Bench, ext: Host,
                                                          swift: Wire) -> None:
    job = bench.snapshot_job(ext, ext.snapshot(ext.disk(written=LARGE)), swift=swift.url,
                             timeout=2.0, upload_threads=2)
    swift.when(b"/000002 HTTP", swift.hang)
    with bench.nothing_left(ext, announced=True):
        bench.refuses(job, exceptions.StoreUnreachable, "/data/", CONNECTION_ADVICE)


@pytest.mark.parametrize("part", ["/regions/", "/disk.vhd", "/closing", "/point.json",
                                  "-index/", "-images/"])
def test_swift_fails_while_a_point_is_published(bench: Bench, ext: Host, swift: Wire,
                                                part: str) -> None:
    """All that makes a point of what was sent is taken back."""
    failing: List[bool] = []
    swift.refuse_when(("PUT", part), failing.append)
    job = bench.snapshot_job(ext, ext.snapshot(ext.disk()), swift=swift.url)
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.StoreUnreachable, "PUT of", part.strip("/"), "503",
                      "log of Swift's proxy")
    assert failing


def test_a_connection_to_swift_that_breaks_in_an_upload_costs_nothing(
        bench: Bench, host: Host, swift: Wire) -> None:
    vdi = host.disk(written=LARGE)
    swift.when(b"/000002 HTTP", swift.cut)
    image_id = bench.store(host, vdi, swift=swift.url)
    result = process.run(bench.boot_job(host, image_id))
    assert host.control.guest_sha256(result["vdi_uuid"]) == host.control.guest_sha256(vdi)


def test_a_connection_to_swift_that_breaks_in_a_boot_costs_nothing(
        bench: Bench, host: Host, swift: Wire) -> None:
    vdi = host.disk(written=LARGE)
    image_id = bench.store(host, vdi)
    swift.when(b"/000002 HTTP", swift.cut)
    result = process.run(bench.boot_job(host, image_id, swift=swift.url))
    assert host.control.guest_sha256(result["vdi_uuid"]) == host.control.guest_sha256(vdi)


def test_swift_goes_down_in_the_middle_of_a_boot(bench: Bench, host: Host, swift: Wire) -> None:
    image_id = bench.store(host, host.disk(written=LARGE))
    swift.when(b"/000002 HTTP", swift.down)
    with bench.nothing_left(host):
        bench.refuses(bench.boot_job(host, image_id, swift=swift.url, download_threads=1),
                      exceptions.StoreUnreachable, "GET of .*/data/", CONNECTION_ADVICE)


def test_keystone_down(bench: Bench, ext: Host, make_job: Any, keystone: Wire) -> None:
    job = make_job(keystone=keystone.url)
    keystone.down()
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.GlanceUnreachable, "service account",
                      "Keystone does not answer")


def test_glance_down(bench: Bench, ext: Host, make_job: Any, glance: Wire) -> None:
    job = make_job(glance=glance.url)
    glance.down()
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.GlanceUnreachable, job.image_id, "Is glance-api up")


def test_glance_goes_down_before_registration(bench: Bench, host: Host, glance: Wire) -> None:
    job = bench.snapshot_job(host, host.snapshot(host.disk()), glance=glance.url,
                             registration="upload")
    glance.when(b"PUT /v2/images/%s/file" % job.image_id.encode("ascii"), glance.down)
    with bench.nothing_left(host):
        bench.refuses(job, exceptions.GlanceUnreachable, job.image_id, "Is glance-api up")


def test_an_image_whose_location_glance_took_before_it_went_down_keeps_its_disk(
        bench: Bench, host: Host, glance: Wire) -> None:
    """Nobody can be told whether it has it; when it is up again, the image is active."""
    vdi = host.disk()
    job = bench.snapshot_job(host, host.snapshot(vdi), glance=glance.url, registration="location")

    def taken_but_not_told() -> None:
        glance.cut_answers(0)
        threading.Timer(1.0, glance.down).start()

    glance.when(b"POST /v2/images/%s/locations" % job.image_id.encode("ascii"),
                taken_but_not_told)
    with pytest.raises(exceptions.OutcomeUnknown, match=r"disk is kept.*Delete the image"):
        process.run(job)
    eventually(lambda: bench.image(job.image_id)["status"] == "active")
    result = process.run(bench.boot_job(host, job.image_id))
    assert result["source"] == "swift"
    assert host.control.guest_sha256(result["vdi_uuid"]) == host.control.guest_sha256(vdi)


def test_glance_goes_down_in_the_middle_of_a_download(bench: Bench, host: Host,
                                                      glance: Wire) -> None:
    chain = images.chain(2, block_size=2 * MIB, blocks=6)
    image_id = bench.uploaded(images.numbered(chain.vhds))
    glance.cut_answers(5 * MIB)
    with bench.nothing_left(host):
        bench.refuses(bench.boot_job(host, image_id, glance=glance.url),
                      exceptions.GlanceError, "Downloading image " + image_id,
                      "broke off after", "glance-api's log")


@pytest.mark.parametrize("registration", ["location", "upload"])
def test_an_image_that_is_deleted_during_its_upload(bench: Bench, ext: Host, swift: Wire,
                                                    registration: str) -> None:
    job = bench.snapshot_job(ext, ext.snapshot(ext.disk()), swift=swift.url,
                             registration=registration)
    swift.when(b"/000001 HTTP", lambda: bench.delete_image(job.image_id))
    with bench.nothing_left(ext):
        bench.refuses(job, exceptions.ImageMissing, job.image_id, "deleted meanwhile")


def test_a_real_outage_of_swift(bench: Bench, ext: Host, make_job: Any) -> None:
    job = make_job(timeout=10.0)
    before = bench.listing()
    bench.cloud.sandbox.stop("swift-proxy")
    try:
        bench.refuses(job, exceptions.StoreUnreachable, CONNECTION_ADVICE)
    finally:
        bench.cloud.sandbox.start("swift-proxy")
    assert bench.listing() == before
