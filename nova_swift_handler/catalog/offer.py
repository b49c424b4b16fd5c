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

"""The object through which Glance reads a stored disk in place.

It has one entry, the view's name: such an object is always removed when Glance deletes the image,
and never anything beneath it, Glance's user having no rights there.  It names no etag, so the
view may be stitched anew.
"""

from __future__ import annotations

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry


def make(account: Account, containers: names.Containers, image_id: str, container: str,
         view: str, size: int, content_type: str) -> None:
    """Offer the *view* of *size* bytes in *container* as the bytes of image *image_id*."""
    entry = Entry(path="/%s/%s" % (container, view), size=size)
    account.put_manifest(containers.images, image_id, [entry], content_type)


def withdraw(account: Account, containers: names.Containers, image_id: str,
             container: str) -> bool:
    """Remove what was offered of *container* for an image; return whether there was anything.

    Glance's Swift store may have put bytes of its own there, for an image that was uploaded
    (glance_store: an object, or a manifest of parts, named by the image's id).  They are Glance's.
    """
    try:
        headers = account.headers(containers.images, image_id)
        if headers.get("x-static-large-object", "").lower() != "true":
            return False
        paths = [entry.path for entry in account.manifest(containers.images, image_id)]
    except exceptions.ObjectMissing:
        return False
    ours = "/%s/%s" % (container, names.of_point(image_id, ""))
    if len(paths) != 1 or not (paths[0] or "").startswith(ours):
        return False
    account.delete(containers.images, image_id)
    return True
