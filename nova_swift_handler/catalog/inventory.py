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

"""Whose disks and ISOs a container has."""

from __future__ import annotations

from typing import Dict, Set

from nova_swift_handler.catalog import names
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account


def complete(account: Account, container: str) -> Set[str]:
    """Return the ids of the images whose disk or ISO is in *container*, and whole.

    Taken *after* the properties it lacks nothing that they describe, but for what was deleted
    meanwhile: properties are written when all else is there, and removed first.
    """
    parts: Dict[str, Set[str]] = {}
    for row in account.listing(container, names.POINTS):
        image_id, _, part = row["name"][len(names.POINTS):].partition("/")
        parts.setdefault(image_id, set()).add(part)
    return {image_id for image_id, there in parts.items()
            if names.POINT in there or names.ISO_VIEW in there}


def is_complete(account: Account, container: str, image_id: str) -> bool:
    """Tell the same of one image, by asking for its objects."""
    return any(presence.exists(account, container, names.of_point(image_id, part))
               for part in (names.POINT, names.ISO_VIEW))
