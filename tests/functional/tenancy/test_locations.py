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


"""A user who may add locations to an image of his own gets no other location out of it."""

from __future__ import annotations

from typing import Any, Dict, List
from urllib import parse

import pytest

from tests.functional.cli.conftest import Terminal, from_sources, quiet_loggers  # noqa: F401
from tests.functional.cli.test_images import (  # noqa: F401
    ALICE,
    Shelf,
    registered_by_address,
    shelf,
)
from tests.functional.store.conftest import site  # noqa: F401
from tests.functional.transfer.test_deltas import Disk

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.fixture
def open_site(shelf: Shelf) -> Any:  # noqa: F811
    """A Glance that shows users locations, and takes some; an image of alice's by address."""
    disk = Disk(6)
    disk.write(2, 9)
    with registered_by_address(shelf, disk, "open", delayed_delete="true") as (
            url, image_id, by_address):
        yield url, image_id
        by_address.delete(image_id)


def shown(shelf: Shelf, url: str, image_id: str) -> List[str]:  # noqa: F811
    """Return the locations that alice sees."""
    record: Dict[str, Any] = shelf.site.session(ALICE).get(
        "%s/v2/images/%s" % (url, image_id)).json()
    return [one["url"] for one in record["locations"]]


def test_relocating_shows_nobody_the_key(
        shelf: Shelf, open_site: Any) -> None:  # noqa: F811
    """She gives her image a second location, in an account of her own, that looks like Glance's.

    That would be exchanged for one with the key of Glance's user, which reads every disk.
    """
    url, image_id = open_site
    env, alice = shelf.site.env, shelf.site.env["users"][ALICE]
    own = shelf.site.session(ALICE)
    storage = own.get_endpoint(service_type="object-store", interface="public")
    own.put("%s/%s" % (storage, shelf.where.images))
    own.put("%s/%s/%s" % (storage, shelf.where.images, image_id), data=b"x")
    address = parse.urlsplit(env["glance_store_auth_address"])
    theirs = "swift+http://%s:%s@%s%s/%s/%s" % (
        parse.quote("%s:%s" % (alice["project"], alice["name"]), safe=""),
        parse.quote(alice["password"]), address.netloc, address.path.rstrip("/"),
        shelf.where.images, image_id)
    added = own.patch(
        "%s/v2/images/%s" % (url, image_id), headers=PATCH, raise_exc=False,
        json=[{"op": "add", "path": "/locations/-",
               "value": {"url": theirs, "metadata": {"store": "swift"}}}])
    assert added.status_code == 200, added.text
    assert theirs in shown(shelf, url, image_id)
    terminal = shelf.configured(glance_api_servers=url, glance_internal_api_servers=url)
    rows = terminal.value("image", "relocate", image_id)
    seen = shown(shelf, url, image_id)
    assert env["glance_store_key"] not in "".join(seen), rows
    assert len(seen) == 1
    assert "temp_url_sig=" in seen[0]
    assert (rows[0]["Form"], rows[0]["State"]) == ("http", "relocated")


def test_a_location_with_the_key_is_not_renewed_where_users_see_it(
        shelf: Shelf, open_site: Any) -> None:  # noqa: F811
    url, _image_id = open_site
    terminal = shelf.configured(glance_api_servers=url, glance_internal_api_servers=url)
    rows = terminal.value("image", "relocate", shelf.ids[0], code=6)
    assert rows[0]["State"] == "failed"
    assert "shows locations, and so the Swift key, to users" in rows[0]["Detail"]
