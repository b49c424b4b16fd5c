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

"""``swift-vhd housekeep`` and its parts, with a real Swift and a real Glance.

Every interleaving is in ``tests/unit/transfer/test_sweep.py``, on a Swift in memory; some are
repeated here.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any, Dict, Iterator, List

import pytest

from nova_swift_handler.catalog import emptied, names, sweep
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.cli import app
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.store import lifetime
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import jobs

from .shop import Shop
from .test_deltas import Disk, snapshot

DAY = 86400


class Site(Shop):
    """An installation with images in Glance, and the command line for it."""

    path: pathlib.Path

    def services(self) -> jobs.Services:
        known = self.site.env
        return dataclasses.replace(super().services(), glance=GlanceSettings(
            endpoints=(known["glance_url"],), images_container=self.names.images))

    def image(self, **more: Any) -> str:
        """Make an active image; return its id."""
        images = self.services().images(None)
        image_id = images.create("snapshot", "raw", "bare", **more).id
        # Active, as it is behind a snapshot; of which bytes is nothing to housekeeping.
        self.site.session().put(
            "%s/v2/images/%s/file" % (self.site.env["glance_url"], image_id), data=b"x",
            headers={"Content-Type": "application/octet-stream"})
        return image_id

    def subject(self, volume: str, image_id: str = "") -> Subject:  # type: ignore[override]
        """Return what a point is of: the image of its id, if there is one."""
        found = Shop.subject(volume, image_id)
        images = self.services().images(None)
        if not image_id or not images.exists(image_id):
            return found
        return dataclasses.replace(found, image_created_at=images.get(image_id).created_at)

    def command(self, capfd: Any, *arguments: str) -> Any:
        """Run ``swift-vhd``; return what it printed as JSON."""
        assert self.run(*arguments, "-f", "json") == 0
        return json.loads(capfd.readouterr().out)

    def run(self, *arguments: str) -> int:
        known = self.site.env["users"]["swift-vhd"]
        config = self.path / "nova.conf"
        config.write_text("\n".join([
            "[swift_vhd]", "auth_type = password", "auth_url = " + self.site.env["keystone_url"],
            "username = " + known["name"], "password = " + known["password"],
            "project_name = " + known["project"],
            "user_domain_id = " + self.site.env["domain_id"],
            "project_domain_id = " + self.site.env["domain_id"],
            "container_prefix = " + self.names.prefix, "valid_interfaces = public", ""]))
        return app.main(["--config-file", str(config), *arguments])

    def condemned(self, container: str) -> List[str]:
        """Return what has a date of expiry."""
        return [row["name"] for row in self.account.listing(container)
                if lifetime.DELETE_AT in self.account.headers(container, row["name"], False)]

    def expire(self, container: str) -> None:
        """Remove what has a date of expiry, as if it had come."""
        for name in self.condemned(container):
            self.account.delete(container, name)


@pytest.fixture
def here(shop: Shop, tmp_path: pathlib.Path) -> Iterator[Site]:
    made = Site(shop.site, shop.names.prefix, segment_size=5 * 2 ** 21)
    made.path = tmp_path
    images = made.services().images(None)
    before = {image.id for image in images.list()}
    yield made
    for image in images.list():
        if image.id not in before:
            if image.protected:
                images.prepare(image.id, "vhd", "bare", {"protected": False})  # type: ignore
            images.delete(image.id)


@pytest.fixture
def disk() -> Disk:
    made = Disk(6)
    for number in range(4):
        made.write(number, number)
    return made


def _volume(here: Site, disk: Disk, count: int = 3) -> Dict[str, bytes]:
    """Store so many points of volume a; return what each disk has."""
    stored = {}
    for number in range(count):
        disk.write(1, 100 + number)
        image_id = here.image()
        snapshot(here, disk, here.path, image_id=image_id)
        stored[image_id] = disk.raw()
    return stored


def _check(here: Site, stored: Dict[str, bytes]) -> None:
    for image_id, raw in stored.items():
        assert here.raw(image_id) == raw


def test_an_image_deleted_in_glance_gives_its_space_back(
        here: Site, disk: Disk, capfd: Any) -> None:
    stored = _volume(here, disk)
    container = here.names.volume("a")
    middle = list(stored)[1]
    here.services().images(None).delete(middle)
    planned = here.command(capfd, "housekeep", "--dry-run")
    assert planned[0]["What"] == "image gone: deleted"
    assert here.find(middle)
    done = here.command(capfd, "housekeep")
    assert {"Image": middle, "What": "image gone: deleted"}.items() <= done[0].items()
    assert here.find(middle) is None
    figures, = [row for row in done if row["Container"] == container and row["What"] == "swept"]
    assert figures["Condemned"] == len(here.condemned(container))
    assert figures["Bytes"] > 2 ** 21
    here.expire(container)
    del stored[middle]
    _check(here, stored)
    assert here.command(capfd, "store", "reconcile") == []
    again, = [row for row in here.command(capfd, "store", "sweep")
              if row["Container"] == container]
    assert (again["Condemned"], again["Pardoned"], again["Lost"]) == (0, 0, 0)


def test_snapshots_are_deleted_and_pruned_on_demand(here: Site, disk: Disk, capfd: Any) -> None:
    stored = _volume(here, disk, 4)
    ids = list(stored)
    assert here.run("snapshot", "delete", ids[0]) == 6
    assert "--with-image" in capfd.readouterr().err
    assert here.run("snapshot", "prune") == 2
    gone, = here.command(capfd, "snapshot", "delete", "--with-image", ids[0])
    assert (gone["Image"], gone["Relinked"]) == (ids[0], [ids[1]])
    assert not here.services().images(None).exists(ids[0])
    assert here.run("snapshot", "delete", ids[0]) == 11
    plan = here.command(capfd, "snapshot", "prune", "--keep-last", "1")
    assert [(row["Image"], row["Verdict"]) for row in plan] == [
        (ids[3], "keep"), (ids[2], "keep"), (ids[1], "keep")]
    plan = here.command(capfd, "snapshot", "prune", "--keep-last", "1", "--with-images")
    assert {row["Image"]: row["Verdict"] for row in plan} == {
        ids[1]: "to delete", ids[2]: "to delete", ids[3]: "keep"}
    assert here.find(ids[1])
    here.command(capfd, "snapshot", "prune", "--keep-last", "1", "--with-images", "--yes")
    images = here.services().images(None)
    assert [images.exists(image_id) for image_id in ids] == [False, False, False, True]
    assert [bool(here.find(image_id)) for image_id in ids] == [False, False, False, True]
    _check(here, {ids[3]: stored[ids[3]]})


def test_a_snapshot_with_a_damaged_child_is_deleted_by_force(
        here: Site, disk: Disk, capfd: Any) -> None:
    stored = _volume(here, disk)
    first, child, last = stored
    container = here.names.volume("a")
    point = here.find(child)
    assert point is not None
    table = point.regions[0].table
    whole = here.account.get(container, table)
    here.account.put(container, table, b"damaged")
    here.services().images(None).delete(first)
    assert here.run("snapshot", "delete", first) == 7
    told = capfd.readouterr().err
    assert "--force" in told
    assert child in told
    gone, = here.command(capfd, "snapshot", "delete", "--force", first)
    assert (gone["Relinked"], gone["Unlinked"]) == ([], [child])
    assert here.find(first) is None
    _check(here, {last: stored[last]})
    here.account.put(container, table, whole)
    assert [row["What"] for row in here.command(capfd, "store", "reconcile")] == [
        "chain mended"]
    del stored[first]
    _check(here, stored)


def test_the_container_of_a_volume_goes_when_it_is_empty(
        here: Site, disk: Disk, capfd: Any) -> None:
    stored = _volume(here, disk, 1)
    container = here.names.volume("a")
    here.command(capfd, "snapshot", "delete", "--with-image", *stored)
    sweep.sweep(here.account, container, 7 * DAY, young=0)
    assert not emptied.remove(here.account, container, 0)
    here.expire(container)
    assert not emptied.remove(here.account, container, DAY)
    assert emptied.remove(here.account, container, 0)
    assert container not in here.contents()
    stored = _volume(here, disk, 2)
    assert here.command(capfd, "store", "reconcile") == []
    _check(here, stored)


def test_containers_that_are_not_ours_are_not_swept(here: Site, capfd: Any) -> None:
    for name in ("another", here.names.images, here.names.index, here.names.volume("")):
        assert here.run("store", "sweep", here.names.isos, name) == 9
        assert "not this program's" in capfd.readouterr().err


def test_another_glance_is_not_believed(here: Site, disk: Disk, capfd: Any) -> None:
    stored = {}
    for number in range(2):
        disk.write(1, 100 + number)
        stored[snapshot(here, disk, here.path).image_id] = disk.raw()  # of no image
    assert here.run("housekeep") == 6
    assert "no image of any of the 2" in capfd.readouterr().err
    _check(here, stored)
    assert here.run("store", "reconcile", "--force") == 0
    assert not any(map(here.find, stored))


class Passing(Account):
    """An account by which, before the n-th change, something else is done."""

    def __init__(self, connection: Any, at: int, act: Any) -> None:
        super().__init__(connection)
        self._left = at
        self._act = act

    def _pass(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self._pass()
        return super().put(*args, **kwargs)

    def put_manifest(self, *args: Any, **kwargs: Any) -> Any:
        self._pass()
        return super().put_manifest(*args, **kwargs)

    def post(self, *args: Any, **kwargs: Any) -> Any:
        self._pass()
        return super().post(*args, **kwargs)


@pytest.mark.parametrize("at", [1, 2, 4, 6, 8, 10])
@pytest.mark.parametrize("sweep_first", [True, False])
def test_an_upload_beside_a_sweep(here: Site, disk: Disk, at: int, sweep_first: bool) -> None:
    disk.write(1, 1)
    kept = snapshot(here, disk, here.path)
    stored = {kept.image_id: disk.raw()}
    disk.write(1, 2)
    disk.write(5, 5)
    gone = snapshot(here, disk, here.path)
    for name in [names.of_point(gone.image_id, part) for part in (
            "point.json", "disk.vhd", "delta.vhd")]:
        here.account.delete(gone.container, name)  # all it lived on is dead now
    made: List[Point] = []

    def upload(account: Any = None) -> None:
        made.append(snapshot(here, disk, here.path, account=account))

    def swept(account: Any = None) -> None:
        sweep.sweep(account or here.account, gone.container, 7 * DAY, young=-1)

    first, then = (swept, upload) if sweep_first else (upload, swept)
    first(Passing(here.site.connection(), at, then))
    if not made:
        upload()  # the sweep made fewer changes than that
    assert made[0].sent_blocks == 0
    stored[made[0].image_id] = disk.raw()
    here.expire(gone.container)
    _check(here, stored)
    for point in (kept, made[0]):
        here.download(point.path + "/disk.vhd")
        here.download(point.path + "/delta.vhd")
