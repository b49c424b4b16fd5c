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

"""Registration by upload: Glance gets a copy of the disk that stock handlers can boot.

========================= ===== ======== =======================================================
call                      token role     policy (Glance 33's defaults)
========================= ===== ======== =======================================================
PATCH /v2/images/{id}     user  member   modify_image (owner's project)
PUT /v2/images/{id}/file  user  member   upload_image (owner's project)
GET /v2/images/{id}       user  reader   get_image
DELETE /v2/images/{id}    user  member   delete_image; only if Glance made a broken copy active
========================= ===== ======== =======================================================
"""

from __future__ import annotations

import logging
from typing import Any, Optional, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.glance import ovf
from nova_swift_handler.glance.body import Body, Plain
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.diagnosis import SIZE_CAP
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records

LOG = logging.getLogger(__name__)


def register(client: Client, records: Records, image_id: str, published: Published) -> None:
    """Send the disk to Glance, a VHD as an ``ovf`` archive, and see the image active.

    :raises ImageUnavailable: the image is gone.
    :raises RegistrationFailed: Glance did not take it, or holds other bytes than were sent.
    :raises GlanceUnreachable: Glance did not answer.
    :raises SwiftVhdError: whatever reading the VHD raised.
    """
    doing = f"Uploading image {image_id} to Glance"
    records.patch_queued(image_id, {
        "disk_format": published.disk_format,
        "container_format": "ovf" if published.disk_format == "vhd" else "bare"}, doing)
    body, refused = _send(client, image_id, published, doing)
    unsure = isinstance(refused, exceptions.GlanceUnreachable)
    if unsure and body.failure is None and records.get(image_id, doing).status == "queued":
        # It has not begun, or has given up: one that is at it says "saving".
        LOG.warning("%s Trying once more.", refused)
        body, refused = _send(client, image_id, published, doing)
    if body.failure is not None:
        _withdraw(records, image_id)
        raise body.failure
    image = records.get(image_id, doing)
    if refused is not None:
        # The image may be active all the same, its end never sent: nobody shall boot that.
        # Refused by an answer, the data that Glance may have now are somebody else's.
        if unsure:
            _withdraw(records, image_id)
        raise exceptions.RegistrationFailed(
            f"{refused} The image's status is now '{image.status}'.") from refused
    wrong = _difference(image, body)
    if wrong:
        _withdraw(records, image_id)
        raise exceptions.RegistrationFailed(
            f"{doing}: {wrong}. See glance-api's log; snapshot again.")


def _send(client: Client, image_id: str, published: Published,
          doing: str) -> Tuple[Body, Optional[exceptions.GlanceError]]:
    """Make the one PUT; return what was sent and why it failed, unless the image is gone."""
    settings = client.settings
    source, length = published.open()
    if length > SIZE_CAP:
        LOG.warning("%s: a copy of %d bytes; unless image_size_cap in glance-api.conf is larger "
                    "than that (default: 1 TiB), Glance refuses it when it has come so far.",
                    doing, length)
    # Stock handlers boot archives; other kinds of disk are no handler's, and stay what they are.
    kind: Type[Body] = ovf.Archive if published.disk_format == "vhd" else Plain
    body = kind(source, length)
    refused: Optional[exceptions.GlanceError] = None
    try:
        client.request(
            "PUT", f"/v2/images/{image_id}/file", doing, expected=(204,), again=False,
            timeout=(settings.idle_timeout, settings.idle_timeout), data=iter(body),
            headers={"Content-Type": "application/octet-stream"})
    except exceptions.ImageUnavailable:
        raise
    except exceptions.GlanceError as exc:
        refused = exc
    except Exception:
        if body.failure is None:  # else it is raised by the caller, after a look at Glance
            raise
    finally:
        close: Any = getattr(source, "close", None)
        if close is not None:
            close()
    return body, refused


def _difference(image: Image, body: Body) -> str:
    if image.status != "active":
        return f"Glance took it but its status is {image.status}"
    if image.size != body.sent:
        return f"{body.sent} bytes were sent, Glance has {image.size}"
    if image.checksum and body.md5 and image.checksum != body.md5:
        return f"the checksum of what was sent is {body.md5}, Glance's is {image.checksum}"
    return ""


def _withdraw(records: Records, image_id: str) -> None:
    """Delete an image that Glance made active though it is not whole."""
    try:
        if records.get(image_id, f"Looking at image {image_id} after a failed upload"
                       ).status == "active":
            LOG.warning("Deleting image %s: Glance made it active though its upload failed.",
                        image_id)
            records.delete(image_id)
    except exceptions.ImageUnavailable:
        pass
    except exceptions.GlanceError as exc:
        LOG.error("Image %s is incomplete and may be active; delete it. (%s)", image_id,
                  exc)
