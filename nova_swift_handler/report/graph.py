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

"""The points of a volume as rows beside a graph of what stands on what, as version control does.

A point stands below its parent in the same lane, if it is that parent's youngest; the others are
branches and have the next lane.  So a chain of any length takes no room to the right.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from nova_swift_handler.upkeep.inventory import Item


class Row(NamedTuple):
    """A point beside the graph.

    :ivar lane: where it is drawn, from 0.
    :ivar parent: the point that it stands on; None for a whole disk.
    :ivar above: lane of that point.
    :ivar below: whether a point further down stands on it.
    :ivar passing: other lanes whose line passes by.
    """

    item: Item
    lane: int
    parent: Optional[Item]
    above: Optional[int]
    below: bool
    passing: Tuple[int, ...]


def rows(items: Sequence[Item]) -> List[Row]:
    """Return *items*, each behind its parent; oldest first.

    None is left out, not even of what leads in a circle.
    """
    known = {item.image_id for item in items}
    children: Dict[Optional[str], List[Item]] = {}
    for item in items:
        children.setdefault(item.parent if item.parent in known else None, []).append(item)
    found: List[Row] = []
    seen: Set[str] = set()
    # What leads in a circle has no root: it is taken up where it is met.
    for root in [*children.get(None, []), *items]:
        found += _drawn(root, children, seen)
    return found


def _drawn(root: Item, children: Dict[Optional[str], List[Item]],
           seen: Set[str]) -> Iterable[Row]:
    # By a list and not by recursion: chains are longer than Python's stack.
    waiting: List[Tuple[Item, int, Optional[Item], Optional[int], Tuple[int, ...]]] = [
        (root, 0, None, None, ())]
    while waiting:
        item, lane, parent, above, passing = waiting.pop()
        if item.image_id in seen:
            continue
        seen.add(item.image_id)
        below = [each for each in children.get(item.image_id, []) if each.image_id not in seen]
        yield Row(item, lane, parent, above, bool(below), passing)
        if below:
            waiting.append((below[-1], lane, item, lane, passing))
            waiting += [(each, lane + 1, item, lane, (*passing, lane)) for each in below[-2::-1]]
