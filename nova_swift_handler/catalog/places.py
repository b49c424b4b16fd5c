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

"""Which containers hold points."""

from __future__ import annotations

import random
from concurrent import futures
from typing import List

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names, readable
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import parallel, presence
from nova_swift_handler.store.account import Account


def volumes(account: Account, containers: names.Containers) -> List[str]:
    """Return the containers of all volumes."""
    return sorted(account.containers(containers.volume("")))


def everywhere(account: Account, containers: names.Containers) -> List[str]:
    """Return the containers of all volumes, and the templates'."""
    return [*volumes(account, containers), containers.templates]


def volume(account: Account, containers: names.Containers, volume_id: str) -> str:
    """Return the container of a volume that somebody has named.

    :raises NotThere: nothing was ever stored of it, or nothing is any more.
    """
    container = containers.volume(volume_id)
    if not presence.container_exists(account, container):
        raise exceptions.NotThere(
            "nothing is stored of a volume %s; `swift-vhd store usage` shows all volumes"
            % volume_id)
    return container


def volume_of(containers: names.Containers, container: str) -> str:
    """Return the volume id of a container; of the templates', its name."""
    prefix = containers.volume("")
    return container[len(prefix):] if container.startswith(prefix) else container


def wanted(account: Account, containers: names.Containers, image_id: str) -> Point:
    """Return the point of an image.

    :raises NotThere: there is none.
    :raises PointInvalid: it cannot be used.
    """
    point = lookup.find(account, containers, image_id)
    if point is None:
        raise exceptions.NotThere(
            "the index has no disk of image %s; if there should be one, run `swift-vhd store "
            "rebuild`, which also tells of lost ones" % image_id)
    return point


def any_of(account: Account, containers: names.Containers, seed: int) -> Point:
    """Return a point of all there are, the same for the same *seed*.

    :raises PointInvalid: there is none.
    """
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        listed = readable.listed_everywhere(account, pool, everywhere(account, containers))
    found = [(container, each.name) for container, some in listed.items() for each in some]
    if not found:
        raise exceptions.PointInvalid("there is no point to choose from")
    # Chosen by a seed, not against anybody.
    _container, name = random.Random(seed).choice(sorted(found))  # noqa: S311
    return wanted(account, containers, name.split("/")[1])
