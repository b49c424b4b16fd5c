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

"""Images' records."""

from __future__ import annotations

from nova_swift_handler.glance.image import Image
from tests.unit.glance.server import image


def test_properties_are_what_is_no_base_attribute() -> None:
    found = Image.from_api(image(os_type="linux", auto_disk_config="True", kernel_id=None))
    assert found.properties == {"os_type": "linux", "auto_disk_config": "True"}


def test_a_patch_names_only_what_differs() -> None:
    found = Image.from_api(image(os_type="linux", image_type="backup", bittorrent="x"))
    assert found.changes({
        "disk_format": "vhd", "container_format": "ovf", "os_type": "linux",
        "image_type": "snapshot", "bittorrent": None, "absent": None, "new": "1"}) == [
            {"op": "remove", "path": "/bittorrent"},
            {"op": "replace", "path": "/container_format", "value": "ovf"},
            {"op": "replace", "path": "/image_type", "value": "snapshot"},
            {"op": "add", "path": "/new", "value": "1"}]


def test_a_patch_escapes_a_propertys_name() -> None:
    assert Image.from_api(image()).changes({"a/b~c": "1"}) == [
        {"op": "add", "path": "/a~1b~0c", "value": "1"}]


def test_an_empty_list_of_locations_betrays_a_glance_that_shows_them() -> None:
    assert not Image.from_api(image()).shows_locations
    assert Image.from_api(image(locations=[])).shows_locations
    assert Image.from_api(image(direct_url="swift+http://x")).shows_locations
