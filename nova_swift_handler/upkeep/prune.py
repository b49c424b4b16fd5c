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

"""Delete the snapshots that a policy does not keep."""

from __future__ import annotations

import datetime
import functools
from typing import List, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, names, retention
from nova_swift_handler.catalog.point import SNAPSHOT
from nova_swift_handler.catalog.retention import Dated, Known, Policy, Verdict
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account
from nova_swift_handler.upkeep.census import Census, check_gone, image_of


def plan(census: Census, policy: Policy, with_images: bool,
         volume: Optional[str] = None) -> List[Verdict]:
    """Return what is to become of each snapshot: of all volumes, or of the one named.

    :param with_images: whether those may go whose image Glance still has.
    """
    dated = [
        Dated(each.image_id, each.point.volume_id, datetime.datetime.fromtimestamp(
            each.stored, datetime.timezone.utc).replace(tzinfo=None), each.point.sequence)
        for each in census.held.values() if each.point is not None
        and each.point.kind == SNAPSHOT and volume in (None, each.point.volume_id)]
    images = {image_id: None if image is None else Known(
        image.protected, image.visibility, image.status)
        for image_id, image in census.images.items()}
    return retention.plan(dated, policy, images, with_images)


def delete(account: Account, where: names.Containers, abilities: Abilities,
           images: ImageService, census: Census, image_id: str) -> None:
    """Delete a snapshot, and its image first if Glance has it: no image may lose its bytes.

    :raises GlanceError: it is protected, or others than its owner may see it, by now; or Glance
        did not delete it.
    :raises PointInvalid: a newer snapshot that refers to it is damaged; nothing was deleted.
    :raises Busy: it was registered again just now.
    :raises StoreError: Swift failed; if its image is gone, ``swift-vhd store reconcile`` goes on.
    """
    point = census.held[image_id].point
    assert point is not None, "as the plan found"
    image = image_of(images, point)
    if image is not None and (image.protected or image.visibility != "private"):
        raise exceptions.GlanceError(
            "Deleting the snapshot %s: its image is %s, so it stays" % (
                image_id, "protected" if image.protected else image.visibility))
    deletion.delete(account, where, abilities, point, withdraw=functools.partial(
        check_gone, account, where, images, point) if image is None else functools.partial(
            images.delete, image_id))
