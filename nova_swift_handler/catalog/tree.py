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

"""The points of a volume as a tree: each below the one that its ``delta.vhd`` refers to."""

from __future__ import annotations

from concurrent import futures
from typing import Dict, List, NamedTuple, Optional

from nova_swift_handler import exceptions, outline
from nova_swift_handler.catalog import readable, views
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import parallel
from nova_swift_handler.store.account import Account


class Node(NamedTuple):
    """A point in the tree.

    :ivar parent: image id of the point that its ``delta.vhd`` refers to; None for a whole disk.
    :ivar delta_size: bytes of its ``delta.vhd``; None if it is not there.
    :ivar lead: what is drawn in front of it.
    :ivar depth: how many points are above it.
    """

    point: Point
    parent: Optional[str]
    delta_size: Optional[int]
    lead: str = ""
    depth: int = 0


def tree(account: Account, container: str) -> List[Node]:
    """Return the points of *container*, each behind its parent, oldest first.

    :raises StoreError: Swift could not be asked.
    """
    points, findings = readable.points(account, container)
    readable.tell(findings)
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        nodes = list(pool.map(lambda point: _node(account, point), points))
    known = {node.point.image_id for node in nodes}
    below: Dict[Optional[str], List[Node]] = {}
    for node in nodes:
        below.setdefault(node.parent if node.parent in known else None, []).append(node)
    return [node._replace(lead=lead, depth=depth)
            for node, lead, depth in outline.outline(below, lambda each: each.point.image_id)]


def _node(account: Account, point: Point) -> Node:
    try:
        delta = views.delta_of(account, point.container, point.image_id)
        return Node(point, delta.parent, delta.size)
    except exceptions.ObjectMissing:
        return Node(point, None, None)
