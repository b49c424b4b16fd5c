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

"""Let a ``delta.vhd`` refer to another point, since the one it referred to goes or is gone.

Any point of the volume with a disk of the same size would do: what differs is worked out from
the tables of both.  Only an older one is taken, so that no chain can become a circle.
"""

from __future__ import annotations

from typing import Optional

from nova_swift_handler.catalog import changes, lookup, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.views import Views
from nova_swift_handler.store.account import Account


def to(account: Account, views: Views, child: Point, parent: Optional[Point]) -> None:
    """Write *child*'s ``delta.vhd`` anew, as what *parent* lacks; as a whole disk if None.

    :param parent: older than *child*; a whole disk is written too if the sizes differ.
    :raises PointInvalid, StoreError: a table is damaged, or Swift failed; then the old view is
        there as it was.
    """
    if parent is not None and parent.virtual_size == child.virtual_size:
        views.delta(child.image_id, child.virtual_size,
                    changes.between(account, parent, child), parent.image_id)
    else:
        blocks, stored = lookup.blocks(account, child)
        views.disk(child.image_id, child.virtual_size, blocks, stored, child.regions,
                   [names.DELTA_VIEW])


def to_older(account: Account, views: Views, child: Point,
             without: Optional[str] = None) -> Optional[Point]:
    """Let *child*'s ``delta.vhd`` refer to the newest older point of its volume.

    :param without: image id of a point that is not to be taken.
    :returns: that point; None if there is none and the view is a whole disk now.
    """
    older = [point for point in lookup.points(account, child.container)
             if point.sequence < child.sequence and point.volume_id == child.volume_id
             and point.virtual_size == child.virtual_size and point.image_id != without]
    parent = max(older, key=lambda point: (point.sequence, point.image_id), default=None)
    to(account, views, child, parent)
    return parent
