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

"""What the tests of this directory share."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List

import pytest

from nova_swift_handler.glance.service import Image, ImageService
from tests.functional.glance.site import ALICE, Site


@pytest.fixture(scope="session")
def site(cloud: Any) -> Site:
    return Site(cloud)


@pytest.fixture
def alice(site: Site) -> ImageService:
    """Images as alice has them, registered in the way that suits best."""
    return site.images(ALICE)


@pytest.fixture
def snapshot(site: Site) -> Iterator[Callable[..., Image]]:
    """Makes queued images of alice's, as Nova makes them before a snapshot."""
    made: List[Image] = []

    def make(**properties: str) -> Image:
        image = site.images(ALICE).create("snapshot", "raw", "bare", properties)
        made.append(image)
        return image

    yield make
    for image in made:
        site.images(ALICE).delete(image.id)
