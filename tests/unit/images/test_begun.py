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

"""Of images that are not filled yet, those are deleted that a killed command has left."""

from __future__ import annotations

import types
from typing import Any, Callable, Dict, List

from nova_swift_handler import exceptions
from nova_swift_handler.images import begun
from nova_swift_handler.transfer.jobs import operator


class Images:
    """Glance, in which something may happen between two questions."""

    def __init__(self, **marks: str) -> None:
        self.there: Dict[str, Any] = {
            image_id: types.SimpleNamespace(
                id=image_id, name="web", owner="project", status="queued",
                properties={begun.MARK: mark} if mark else {})
            for image_id, mark in marks.items()}
        self.between: Callable[[], None] = lambda: None

    def every(self, **filters: str) -> List[Any]:
        assert filters == {"status": "queued"}
        found = [types.SimpleNamespace(**vars(each)) for each in self.there.values()]
        self.between()
        return found

    def get(self, image_id: str) -> Any:
        if image_id not in self.there:
            raise exceptions.ImageUnavailable("gone")
        return self.there[image_id]

    def delete(self, image_id: str) -> None:
        del self.there[image_id]


def removed(images: Images) -> List[str]:
    before = set(images.there)
    begun.remove_abandoned(images, "web", "project")  # type: ignore[arg-type]
    return sorted(before - set(images.there))


def test_what_a_killed_command_of_this_machine_left_goes_and_nothing_else() -> None:
    with begun.announced() as mark:
        images = Images(
            dead=operator() + "/dead", alive=mark, elsewhere="swift-vhd@another/dead", users="",
            renamed=operator() + "/dead", stranger=operator() + "/dead")
        images.there["renamed"].name = "db"
        images.there["stranger"].owner = "another"
        assert removed(images) == ["dead"]


def test_an_image_that_was_filled_since_it_was_listed_stays() -> None:
    """The command that filled it has ended, and so looks like one that was killed."""
    images = Images(good=operator() + "/ended", gone=operator() + "/dead")

    def end() -> None:
        images.there["good"].status = "active"
        del images.there["gone"]

    images.between = end
    begun.remove_abandoned(images, "web", "project")  # type: ignore[arg-type]
    assert list(images.there) == ["good"]
