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

"""Names of containers and objects: what is once stored is found under them for ever."""

from __future__ import annotations

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, properties


def test_every_container_begins_with_the_prefix() -> None:
    containers = names.Containers("vhd")
    assert (containers.index, containers.images, containers.templates, containers.isos,
            containers.volume("8c1d")) == (
        "vhd-index", "vhd-images", "vhd-templates", "vhd-isos", "vhd-volume-8c1d")


def test_a_points_objects_lie_below_its_image_id() -> None:
    assert names.of_point("i-1", names.DISK_VIEW) == "points/i-1/disk.vhd"
    assert names.of_point("i-1", names.POINT) == "points/i-1/point.json"
    assert names.of_point("i-1", "") == "points/i-1/"


def test_segments_of_an_upload_list_in_the_order_they_were_begun() -> None:
    serials = [1, 2, 9, 10, 99, 100, 99999]
    listed = [names.segment("u-1", serial) for serial in serials]
    assert listed == sorted(listed)
    assert len(set(listed)) == len(serials)


@pytest.mark.parametrize("name", ["a", "Debian 12", "debian-12_amd64.v1+x@y (new)", "9" * 200])
def test_names_of_templates_that_people_choose_pass(name: str) -> None:
    properties.check_name(name)


@pytest.mark.parametrize("name", ["", " a", ".a", "-a", "a/b", "a\nb", "a\0", "é", "a%2f", "../x",
                                  "9" * 201, "a\n"])
def test_names_that_would_mean_something_else_to_swift_are_refused(name: str) -> None:
    with pytest.raises(exceptions.NameRefused, match="cannot be a name"):
        properties.check_name(name)
