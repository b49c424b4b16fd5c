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

"""What Glance reads: one object an image, naming the point's view, among uploads of its own."""

from __future__ import annotations

from typing import Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.store.account import Account


def view(account: Account, containers: names.Containers, image_id: str) -> Optional[str]:
    """Return what the object of an image is stitched from, as ``/container/object``.

    None if there is no object of that name, or if it is not one of ours: Glance keeps what is
    uploaded to it in the same container, and may stitch that as well.
    """
    try:
        headers = account.headers(containers.images, image_id)
        if headers.get("x-static-large-object", "").lower() != "true":
            return None
        entries = account.manifest(containers.images, image_id)
    except exceptions.ObjectMissing:
        return None
    path = entries[0].path if len(entries) == 1 else None
    if path is None or not path.startswith("/%s-" % containers.prefix) or (
            "/" + names.of_point(image_id, "") not in path):
        return None
    return path


def remove(account: Account, containers: names.Containers, image_id: str) -> bool:
    """Remove the object of an image, if it is one of ours; tell whether it was there."""
    if view(account, containers, image_id) is None:
        return False
    account.delete(containers.images, image_id)
    return True
