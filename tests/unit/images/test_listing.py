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

"""Glance's list and Swift's, side by side."""

from __future__ import annotations

import random
import types
import uuid
from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler.catalog import names, summary, views
from nova_swift_handler.glance.image import Image
from nova_swift_handler.images import listing
from nova_swift_handler.images.listing import Row, Wanted
from nova_swift_handler.upkeep import reconcile
from nova_swift_handler.upkeep.census import Census, Held
from tests.unit.transfer.world import ABILITIES, NAMES, Paused, World


class Glance:
    """What Glance has.

    :ivar unreadable: images whose bytes it cannot read.
    """

    def __init__(self) -> None:
        self.images: Dict[str, Image] = {}
        self.unreadable: List[str] = []
        self.asked: List[str] = []
        self.admin = True

    def add(self, image_id: str = "", **values: Any) -> Image:
        image = Image.from_api({
            "id": image_id or str(uuid.uuid4()), "name": "web", "owner": "project",
            "status": "active", "disk_format": "vhd", "container_format": "bare", "size": 7,
            "visibility": "private", "created_at": "2026-01-01T00:00:00Z", **values})
        self.images[image.id] = image
        return image

    def sees_all(self) -> bool:
        return self.admin

    def every(self) -> List[Image]:
        return [*self.images.values()]

    def has_data(self, image_id: str) -> bool:
        self.asked.append(image_id)
        return image_id not in self.unreadable


class Place(World):
    """An installation with a Glance."""

    def __init__(self) -> None:
        super().__init__()
        self.glance = Glance()
        self.reached: Any = types.SimpleNamespace(
            containers=NAMES, credentials=types.SimpleNamespace(session=lambda: None),
            account=lambda session: self.account, images=lambda user, session: self.glance)

    def rows(self, **wanted: Any) -> Dict[str, Row]:
        return {row.image_id: row for row in listing.rows(self.reached, Wanted(**wanted))}

    def marks(self, **wanted: Any) -> Dict[str, str]:
        return {image_id: row.orphan for image_id, row in self.rows(**wanted).items()}


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_snapshot_is_told_of_in_full(place: Place) -> None:
    first = place.upload("a", {0: 1, 2: 2})
    second = place.upload("a", {0: 1, 2: 3})
    for point in (first, second):
        place.glance.add(point.image_id)
    assert place.rows()[second.image_id] == Row(
        second.image_id, "web", "snapshot", "project", "active", 10 << 20, 4 << 20,
        second.sent_bytes, 1, first.image_id, None, NAMES.volume("a"), "a", 2,
        int(place.account.now), "vhd/bare", "private")
    assert list(place.rows()) == [first.image_id, second.image_id]
    assert place.glance.asked == []


def test_a_foreign_image_is_told_of_as_glance_does(place: Place) -> None:
    image = place.glance.add(container_format="ovf", virtual_size=9)
    assert place.rows()[image.id] == Row(
        image.id, "web", "foreign", "project", "active", 9, stored=7, form="vhd/ovf",
        visibility="private")


def test_hidden_images_are_listed(place: Place) -> None:
    point = place.upload("a", {0: 1})
    place.glance.add(point.image_id, os_hidden=True)
    assert place.marks() == {point.image_id: ""}


def test_a_disk_without_image_is_marked_if_glance_shows_all(place: Place) -> None:
    point = place.upload("a", {0: 1})
    assert place.marks() == {point.image_id: "no image"}
    assert place.rows()[point.image_id].status == "missing"
    place.glance.admin = False
    assert place.marks() == {point.image_id: ""}


def test_a_disk_whose_image_is_another_projects_is_marked(place: Place) -> None:
    """The id was free again, and somebody has taken it."""
    point = place.upload("a", {0: 1})
    place.glance.add(point.image_id, owner="other")
    assert place.marks() == place.marks(orphans=True) == {
        point.image_id: "the image is another's"}


def test_an_image_whose_object_is_not_listed_is_asked_for(place: Place) -> None:
    gone, there = place.upload("a", {0: 1}), place.upload("b", {0: 1})
    for point in (gone, there):
        place.glance.add(point.image_id)
        place.account.delete(NAMES.images, point.image_id)
    place.glance.unreadable = [gone.image_id]
    assert place.marks() == {gone.image_id: "Glance cannot read its disk", there.image_id: ""}


def test_a_copy_needs_no_object_of_ours(place: Place) -> None:
    point = place.upload("a", {0: 1})
    place.glance.add(point.image_id, container_format="ovf")
    place.account.delete(NAMES.images, point.image_id)
    assert place.marks() == {point.image_id: ""}
    assert place.glance.asked == []


def test_what_glance_reads_without_a_disk_is_marked(place: Place) -> None:
    point = place.upload("a", {0: 1})
    place.glance.add(point.image_id)
    other = str(uuid.uuid4())
    place.account.put_manifest(NAMES.images, other, place.account.manifest(
        NAMES.images, point.image_id), "application/x-vhd")
    place.account.delete(NAMES.index, point.image_id)
    assert place.marks() == {point.image_id: "no disk", other: "no disk"}


def test_an_upload_of_glances_without_image_is_marked(place: Place) -> None:
    image_id = str(uuid.uuid4())
    place.account.put(NAMES.images, image_id, b"abc")
    place.account.put(NAMES.images, image_id + "-00001", b"a piece")
    (row,) = place.rows().values()
    assert (row.image_id, row.stored, row.orphan) == (image_id, 3, "no image")


def test_every_container_is_looked_into_for_orphans(place: Place) -> None:
    fine, unindexed, lost = (place.upload(volume, {0: 1}) for volume in "abc")
    for point in (fine, unindexed, lost):
        place.glance.add(point.image_id)
    place.account.delete(NAMES.index, unindexed.image_id)
    place.account.delete(NAMES.images, unindexed.image_id)
    place.account.delete(NAMES.volume("c"), names.of_point(lost.image_id, names.POINT))
    assert place.marks(orphans=True) == {
        unindexed.image_id: "not in the index", lost.image_id: "no disk: its disk is gone"}
    assert place.rows(orphans=True)[unindexed.image_id].volume == "b"


def test_foreign_images_are_asked_for_among_orphans_only(place: Place) -> None:
    image = place.glance.add(disk_format="iso")
    place.glance.unreadable = [image.id]
    assert place.marks() == {image.id: ""}
    assert place.marks(orphans=True) == {image.id: "Glance cannot read its disk"}


@pytest.mark.parametrize("wanted, found", [
    ({"kind": "snapshot"}, "ab"), ({"kind": "foreign"}, "f"), ({"project": "other"}, "f"),
    ({"status": "queued"}, "f"), ({"volume": "a"}, "a"), ({"name": "web*"}, "a"),
    ({"name": "W*"}, ""), ({"name": "?b", "kind": "snapshot"}, "b"), ({}, "abf")])
def test_filters(place: Place, wanted: Dict[str, str], found: str) -> None:
    for volume, name in (("a", "web-1"), ("b", "db")):
        place.glance.add(place.upload(volume, {0: 1}).image_id, name=name)
    place.glance.add(name="f", owner="other", status="queued")
    assert "".join(row.volume or "f" for row in place.rows(**wanted).values()) == found


@pytest.mark.parametrize("seed", range(6))
def test_parents_are_those_that_the_chains_have(place: Place, seed: int) -> None:
    """Whatever was deleted, and in whatever order; nothing but the listing is looked at."""
    rng = random.Random(seed)
    points = [place.upload("a", {0: number, 1: 1}, blocks=rng.choice((5, 5, 6)))
              for number in range(7)]
    for point in rng.sample(points, 4):
        place.delete(point)
    rows = place.rows()
    parents: Dict[str, Optional[str]] = {
        point.image_id: views.parent_of(place.account, point.container, point.image_id)
        for point in place.points()}
    assert {image_id: row.parent for image_id, row in rows.items()} == parents
    for image_id, row in rows.items():
        depth, above = 0, parents[image_id]
        while above is not None:
            depth, above = depth + 1, parents[above]
        assert row.depth == depth


def test_reconciling_writes_down_what_lists_need(place: Place) -> None:
    point = place.upload("a", {0: 1})
    image = place.glance.add(point.image_id)
    place.account.post(NAMES.index, point.image_id, {"Content-Type": "application/json"})
    census = Census({point.image_id: Held(point.container, point.image_id, 0, point)},
                    {point.image_id: image}, int(place.account.now), [point.container])
    for dry_run, wanted in ((True, None), (False, summary.of_point(point))):
        assert reconcile.reconcile(place.account, NAMES, ABILITIES, place.glance,  # type: ignore
                                   census, dry_run=dry_run) == []
        (row,) = [row for row in place.account.listing(NAMES.index)
                  if row["name"] == point.image_id]
        assert summary.parse(row) == wanted


A = NAMES.volume("a")


def _counted(place: Place) -> List[str]:
    asked: List[str] = []

    class Noting(Paused):
        def request(self, verb: str, container: str, name: str = "") -> None:
            asked.append(name)

    place.account = Noting(place.account)
    return asked


def test_points_are_told_of_without_being_read(place: Place) -> None:
    points = [place.upload("a", {0: number}) for number in range(3)]
    asked = _counted(place)
    found = summary.of_containers(place.account, NAMES, [A, NAMES.volume("gone")])
    assert found == {A: [summary.of_point(point) for point in points], NAMES.volume("gone"): []}
    assert set(asked) == {""}  # listings alone


def test_what_a_container_lists_is_believed_and_not_the_index(place: Place) -> None:
    points = [place.upload("a", {0: number}) for number in range(4)]
    place.account.delete(NAMES.index, points[0].image_id)
    place.account.delete(A, names.of_point(points[1].image_id, names.POINT))
    place.account.put(A, names.of_point("damaged", names.POINT), b"{")
    expected = [summary.of_point(point) for point in (points[0], *points[2:])]
    assert summary.of_containers(place.account, NAMES, [A]) == {A: expected}


def test_without_an_index_points_are_read(place: Place) -> None:
    point = place.upload("a", {0: 1})
    for container, name in list(place.account.objects):
        if container == NAMES.index:
            place.account.delete(container, name)
    place.account.delete_container(NAMES.index)
    assert summary.of_containers(place.account, NAMES, [A]) == {A: [summary.of_point(point)]}
    assert summary.of_containers(place.account, NAMES, []) == {}
