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

"""The specification is enough: a reader written from it alone restores what was stored."""

from __future__ import annotations

import pathlib

import pytest

from .second_reader import Reader, Wrong
from .shop import Shop
from .test_deltas import Disk, snapshot


@pytest.fixture
def reader(shop: Shop) -> Reader:
    return Reader(shop.site.env["images_account_url"], shop.site.session().get_token(),
                  shop.names.prefix)


@pytest.fixture
def disk() -> Disk:
    made = Disk(2010)  # in two regions
    for number in (0, 1, 2, 3, 7, 8, 1999, 2000, 2009):
        made.write(number, number)
    return made


def test_points_are_restored_and_made_anew_by_a_stranger(
        shop: Shop, reader: Reader, disk: Disk, tmp_path: pathlib.Path) -> None:
    image = snapshot(shop, disk, tmp_path, "b")
    stored = {image.image_id: dict(disk.held)}
    points = [image]
    for step in range(3):
        disk.write(1 + step, 100 + step)
        disk.write(2001, 200 + step)
        disk.held.pop((8, 1999, 2009)[step])
        points.append(snapshot(shop, disk, tmp_path, base_image_id=image.image_id))
        stored[points[-1].image_id] = dict(disk.held)
    assert {segment.container for segment in points[-1].segments} == {
        shop.names.volume("a"), shop.names.volume("b")}
    for point in points:
        assert dict(reader.restore(point.image_id)) == stored[point.image_id]
        found, blocks = reader.rebuild(point.container, point.upload_id)
        assert found == point.as_json()
        assert dict(blocks) == stored[point.image_id]


def test_a_stranger_notices_damage(shop: Shop, reader: Reader, tmp_path: pathlib.Path) -> None:
    disk = Disk(5)
    for number in range(5):
        disk.write(number, number)
    point = snapshot(shop, disk, tmp_path)
    path = point.segments[0].path[1:]
    data = bytearray(shop.download(path))
    data[70000] ^= 1
    shop.http("PUT", path, data=bytes(data))
    with pytest.raises(Wrong, match="is damaged"):
        list(reader.restore(point.image_id))
