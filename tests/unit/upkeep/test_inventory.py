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

"""What a report says of what is stored."""

from __future__ import annotations

import collections
import pathlib
from typing import Any

from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.audit import record
from nova_swift_handler.catalog.remembered import Remembered
from nova_swift_handler.report import figures
from nova_swift_handler.upkeep import inventory, reconcile
from tests.unit.transfer.world import Paused
from tests.unit.upkeep.test_housekeep import A, Cloud, cloud, template  # noqa: F401  (fixtures)


def test_points_are_told_of_as_they_lie(cloud: Cloud) -> None:  # noqa: F811
    found = inventory.take(cloud.services, True)
    (volume,) = found.volumes
    assert (volume.volume_id, [item.image_id for item in volume.points]) == ("a", cloud.ids)
    assert [item.parent for item in volume.points] == [None, *cloud.ids[:-1]]
    assert {item.status for item in volume.points} == {"active"}
    assert (found.unknown, found.strays) == ("", [])
    # What is shared is divided, and nothing of it lost.
    assert round(sum(item.stored for item in volume.points)) == sum(
        (volume.usage.data, volume.usage.regions, volume.usage.views, volume.usage.closings))
    assert figures.totals(found).points == 5


def test_nothing_is_changed_by_looking(cloud: Cloud) -> None:  # noqa: F811
    before = dict(cloud.world.account.objects)
    cloud.glance.delete(cloud.ids[0])
    inventory.take(cloud.services, True)
    assert cloud.world.account.objects == before


def test_what_is_on_one_side_only_is_told(cloud: Cloud) -> None:  # noqa: F811
    cloud.glance.delete(cloud.ids[1])
    account = cloud.world.account
    account.delete(A, "points/%s/point.json" % cloud.ids[4])
    account.delete(A, "points/%s/disk.vhd" % cloud.ids[4])
    found = inventory.take(cloud.services, True)
    assert [item.image_id for item in found.items()
            if item.status == inventory.MISSING] == [cloud.ids[1]]
    assert reconcile.UNNAMED in {each.what for each in found.strays
                                 if each.image_id == cloud.ids[4]}


def test_images_that_glance_lists_only_when_asked_are_told_of(
        cloud: Cloud) -> None:  # noqa: F811
    cloud.glance.hidden = [cloud.ids[0]]
    found = inventory.take(cloud.services, True)
    assert {item.status for item in found.items()} == {"active"}


def test_the_last_verification_is_told(cloud: Cloud) -> None:  # noqa: F811
    record.keep_drill(cloud.world.account, A, cloud.ids[2])
    record.keep_drill(cloud.world.account, A, cloud.ids[3], ["another digest"])
    checks = {item.image_id: item.verified
              for item in inventory.take(cloud.services, True).items()}
    assert [checks[image_id] is None for image_id in cloud.ids] == [
        True, True, False, False, True]
    good, bad = checks[cloud.ids[2]], checks[cloud.ids[3]]
    assert good is not None and bad is not None
    assert (good.level, good.problems) == (record.DRILL, [])
    assert "another digest" in bad.problems[0]


def test_a_note_that_anybody_may_have_written_is_believed_as_far_as_it_makes_sense(
        cloud: Cloud) -> None:  # noqa: F811
    cloud.world.account.put_json(A, record.NAME, {"format": 1, "points": {
        cloud.ids[0]: {"at": 3}, cloud.ids[1]: [], cloud.ids[2]: {
            "at": "yesterday", "level": "all", "problems": []}}})
    assert not any(item.verified for item in inventory.take(cloud.services, True).items())


def test_without_glance_there_is_a_report_all_the_same(cloud: Cloud) -> None:  # noqa: F811
    cloud.glance.down = True
    found = inventory.take(cloud.services, True)
    assert "down" in found.unknown
    assert {item.status for item in found.items()} == {None}
    assert inventory.take(cloud.services, False).unknown == "Glance was not asked."


def test_a_glance_that_hides_images_calls_none_missing(cloud: Cloud) -> None:  # noqa: F811
    cloud.glance.admin = False
    cloud.glance.delete(cloud.ids[0])
    found = inventory.take(cloud.services, True)
    assert "admin" in found.unknown
    assert inventory.MISSING not in {item.status for item in found.items()}


def test_a_point_that_cannot_be_read_is_told_of(cloud: Cloud) -> None:  # noqa: F811
    name = names.of_point(cloud.ids[2], names.POINT)
    cloud.world.account.put(A, name, b"{")
    (volume,) = inventory.take(cloud.services, True).volumes
    assert [item.image_id for item in volume.points] == [
        image_id for image_id in cloud.ids if image_id != cloud.ids[2]]
    (unreadable,) = volume.usage.unreadable
    assert (unreadable.name, unreadable.points) == (name, (cloud.ids[2],))
    # What it alone needs is known to nobody; it is not passed off as data of the others.
    assert volume.usage.unused > 0


def _counted(cloud: Cloud) -> Any:  # noqa: F811
    asked: Any = collections.Counter()

    class Counting(Paused):
        def request(self, verb: str, container: str, name: str = "") -> None:
            asked[verb, container, name] += 1

    account = Counting(cloud.world.account)
    cloud.services.account = lambda session=None: account
    return asked


def test_nothing_is_asked_for_twice(cloud: Cloud) -> None:  # noqa: F811
    asked = _counted(cloud)
    inventory.take(cloud.services, True)
    of_volume = {key: count for key, count in asked.items() if key[1] == A}
    assert of_volume == {("GET", A, ""): 1, **{
        ("GET", A, names.of_point(image_id, names.POINT)): 1 for image_id in cloud.ids}}


def test_points_that_were_read_before_are_not_read_again(
        cloud: Cloud, tmp_path: pathlib.Path) -> None:  # noqa: F811
    found = []
    for _time in range(2):
        asked = _counted(cloud)
        with Remembered(str(tmp_path / "cache")) as known:
            found.append(inventory.take(cloud.services, True, known))
    assert [key for key in asked if key[1] == A] == [("GET", A, "")]
    assert found[0] == found[1]


def test_a_point_that_lacks_what_it_needs_is_told_of(cloud: Cloud) -> None:  # noqa: F811
    account = cloud.world.account
    newest = max(cloud.world.points(), key=lambda point: point.sequence)
    account.delete(A, newest.segments[-1].name)
    (volume,) = inventory.take(cloud.services, True).volumes
    assert [item.image_id for item in volume.points
            if item.usage is not None and item.usage.missing] == [
        point.image_id for point in sorted(cloud.world.points(), key=lambda each: each.sequence)
        if newest.segments[-1] in point.segments]


def test_what_was_written_after_its_container_was_listed_is_not_missing(
        cloud: Cloud) -> None:  # noqa: F811
    account = cloud.world.account
    newest = max(cloud.world.points(), key=lambda point: point.sequence)

    class Late(Paused):
        def listing(self, *args: Any, **more: Any) -> Any:
            return (row for row in super().listing(*args, **more)
                    if row["name"] != newest.segments[-1].name)

    late = Late(account)
    cloud.services.account = lambda session=None: late
    assert not any(item.usage.missing for item in inventory.take(cloud.services, True).items()
                   if item.usage is not None)
