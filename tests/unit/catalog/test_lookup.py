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

"""Points of a container, whatever else is there."""

from __future__ import annotations

import dataclasses
import json

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup

from . import places

GOOD = places.point(image_id="good")


class Account:
    """A container with one good point, and what cannot be one."""

    objects = {
        "points/newer/point.json": json.dumps(dict(GOOD.as_json(), format=9)),
        "points/damaged/point.json": "{}",
        "points/good/point.json": json.dumps(GOOD.as_json()),
        "points/good/head": "",
    }

    def listing(self, container, prefix):
        return [{"name": name} for name in [*self.objects, "points/vanished/point.json"]]

    def get_json(self, container, name):
        if name not in self.objects:
            raise exceptions.ObjectMissing("gone")
        return json.loads(self.objects[name])


def test_points_that_cannot_be_read_are_passed_over():
    found = list(lookup.points(Account(), "c"))
    assert [dataclasses.asdict(point) for point in found] == [dataclasses.asdict(GOOD)]
