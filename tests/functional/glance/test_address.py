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

"""Registration by TempURL on a real Glance that has the store for it, and on one that has not."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from pathlib import Path
from typing import Any, Callable, Iterator
from urllib import parse

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import address, names
from nova_swift_handler.glance import locations_api
from nova_swift_handler.glance.service import Image, Published
from nova_swift_handler.sandbox import glance
from tests.functional.glance.side import Side
from tests.functional.glance.site import ALICE, BOB, SIZE, Disk, Site
from tests.functional.store.conftest import Site as Swift

Snapshot = Callable[..., Image]
DAY = 86400


def options(site: Site, **default: str) -> Any:
    """Return what a Glance needs to read images by address."""
    return {
        "DEFAULT": {"enabled_backends": "swift:swift,web:http", **default},
        "web": {"store_description": "by address"},
        "import_filtering_opts": {
            "allowed_hosts": "[127.0.0.1]",
            "allowed_ports": "[%d]" % parse.urlsplit(site.env["images_account_url"]).port}}


@pytest.fixture(scope="module")
def web(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Glance that reads images by address too."""
    with Side(Path(site.env["root"]), tmp_path_factory.mktemp("web"), "glance",
              options(site)) as running:
        yield running.url


def published(site: Site, disk: Disk, **changes: Any) -> Published:
    where = names.Containers(site.env["container_prefix"])
    return disk.published(address=functools.partial(
        address.make, Swift(site.env).account(), where, disk.entry.partition("/")[2]), **changes)


def _relocated(site: Site, image_id: str, url: str) -> None:
    """Have Glance's database say that an image is elsewhere, as if it had said so all along."""
    path = Path(site.env["root"]) / glance.NAME / glance.DATABASE
    with contextlib.closing(sqlite3.connect(str(path), timeout=60)) as database, database:
        assert database.execute("UPDATE image_locations SET value = ? WHERE image_id = ?",
                                (url, image_id)).rowcount == 1


def test_the_image_is_active_with_its_bytes_and_users_see_no_address(
        site: Site, snapshot: Snapshot, web: str) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(endpoints=(web,), registration="http")
    assert images.register(image.id, published(site, disk)) == "http"
    found = images.get(image.id)
    assert (found.status, found.size, found.disk_format, found.container_format) == (
        "active", SIZE, "vhd", "bare")
    with images.open_data(image.id) as data:
        assert data.read() == disk.data
    assert "temp_url" not in site.glance(ALICE, "GET", f"/v2/images/{image.id}", web).text
    assert "temp_url" not in site.glance(ALICE, "GET", f"/v2/images/{image.id}/tasks", web).text
    images.delete(image.id)
    assert [site.swift("GET", path).content for path in (*disk.paths, disk.entry)] == [
        disk.data] * 3


def test_a_glance_that_takes_locations_with_the_record(
        site: Site, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those do that are older than the locations API; who sees it can read the one image."""
    monkeypatch.setattr(locations_api, "too_old", lambda client: "it is old")
    with Side(Path(site.env["root"]), tmp_path, "glance",
              options(site, show_multiple_locations="true")) as old:
        image = snapshot()
        disk = site.publish(image.id)
        images = site.images(endpoints=(old.url,), registration="auto",
                             internal_endpoints=(old.url,))
        assert images.register(image.id, published(site, disk)) == "http"
        with images.open_data(image.id) as data:
            assert data.read() == disk.data
        (location,) = site.glance(ALICE, "GET", f"/v2/images/{image.id}", old.url
                                  ).json()["locations"]
        assert site.env["glance_store_key"] not in location["url"]
        nobody = parse.urlsplit(location["url"])
        assert site.session(BOB).get(location["url"], authenticated=False).content == disk.data
        other = nobody._replace(path=nobody.path.rpartition("/")[0] + "/other")
        assert site.session(BOB).get(other.geturl(), authenticated=False,
                                     raise_exc=False).status_code == 401
        assert site.session(BOB).delete(location["url"], authenticated=False,
                                        raise_exc=False).status_code == 401
        images.delete(image.id)
        assert site.swift("GET", disk.entry).content == disk.data


def test_a_glance_without_the_store_is_told_apart(site: Site, snapshot: Snapshot) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(registration="http")
    with pytest.raises(exceptions.RegistrationFailed, match="import_filtering_opts") as caught:
        images.register(image.id, published(site, disk))
    assert caught.type is not exceptions.ActivationPending, "it was waited for"
    assert images.get(image.id).status == "queued"


def test_an_address_that_glance_cannot_use_is_noticed(site: Site, snapshot: Snapshot,
                                                      web: str) -> None:
    """Glance says yes, fails in the background, and the image stays queued."""
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(endpoints=(web,), registration="http")
    url = "%s/%s?temp_url_sig=0&temp_url_expires=" % (site.env["images_account_url"], disk.entry)
    with pytest.raises(exceptions.RegistrationFailed, match="HTTP 401 to a read by the TempURL"):
        images.register(image.id, disk.published(
            address=lambda seconds: url + str(1_900_000_000 + seconds)))
    assert images.get(image.id).status == "queued"


def test_when_the_address_has_expired_the_bytes_are_out_of_reach(
        site: Site, snapshot: Snapshot, web: str) -> None:
    image = snapshot()
    disk = site.publish(image.id)
    images = site.images(endpoints=(web,), registration="http")
    own = published(site, disk)
    images.register(image.id, own)
    assert images.has_data(image.id)
    assert own.address is not None
    _relocated(site, image.id, own.address(-60))
    assert not images.has_data(image.id)
    assert site.swift("GET", disk.entry).content == disk.data
    images.delete(image.id)  # by a Glance that has the store; another says 500
