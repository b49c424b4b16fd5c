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

"""What Glance reads: one object an image, naming the point's view, among uploads of its own.

It has one entry, the view's name: such an object is always removed when Glance deletes the image,
and never anything beneath it, Glance's user having no rights there.  It names no etag, so the
view may be stitched anew.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog.views import VHD_CONTENT_TYPE
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry

ISO_CONTENT_TYPE = "application/x-iso9660-image"
_CONTENT_TYPES = (VHD_CONTENT_TYPE, ISO_CONTENT_TYPE)


def make(account: Account, containers: names.Containers, image_id: str, container: str,
         view_name: str, size: int, content_type: str) -> None:
    """Offer a view of *size* bytes in *container* as the bytes of image *image_id*."""
    entry = Entry(path="/%s/%s" % (container, view_name), size=size)
    account.put_manifest(containers.images, image_id, [entry], content_type)


def may_be_ours(row: Dict[str, Any]) -> bool:
    """Tell by a row of the container's listing whether it can be one of ours.

    By the content type: that of Glance's uploads says nothing of what is in them.
    """
    return bool(row["content_type"].partition(";")[0] in _CONTENT_TYPES)


def view(account: Account, containers: names.Containers, image_id: str) -> Optional[str]:
    """Return what the object of an image is stitched from, as ``/container/object``.

    None if there is no object of that name, or if it is not one of ours: Glance keeps what is
    uploaded to it in the same container, and may stitch that as well (glance_store: an object, or
    a manifest of parts, named by the image's id).
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
