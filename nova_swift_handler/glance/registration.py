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

"""Which way a stored disk becomes an active image."""

from __future__ import annotations

import logging
from typing import Callable, Dict, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.glance import address, location, upload
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records
from nova_swift_handler.glance.settings import AUTO, HTTP, IN_PLACE, LOCATION, UPLOAD

LOG = logging.getLogger(__name__)


def choose(client: Client, records: Records, image_id: str) -> Tuple[str, str]:
    """Return (``location``, ``http`` or ``upload``, why).

    :raises RegistrationFailed: ``location`` or ``http`` is demanded but not safely possible.
    """
    wanted = client.settings.registration
    if wanted == UPLOAD:
        return UPLOAD, "glance_registration = upload"
    if wanted == HTTP:
        _demanded(HTTP, image_id, address.unfit(client, records, image_id))
        return HTTP, "glance_registration = http"
    if wanted not in (AUTO, LOCATION):
        raise exceptions.ConfigError(
            f"glance_registration = {wanted}: must be auto, location, http or upload.")
    reason = location.unfit(client, records, image_id)
    if not reason:
        return LOCATION, "nothing is copied and no user sees the Swift key"
    if wanted == LOCATION:
        _demanded(LOCATION, image_id, reason)
    if not client.settings.internal_endpoints:
        return UPLOAD, (f"not by location: {reason}; not by http: glance_internal_api_servers is "
                        f"not set, so its TempURL could not be renewed before it expires")
    unfit = address.unfit(client, records, image_id)
    if unfit:
        return UPLOAD, f"not by location: {reason}; not by http: {unfit}"
    return HTTP, f"not by location: {reason}"


def _demanded(how: str, image_id: str, reason: str) -> None:
    if reason:
        raise exceptions.RegistrationFailed(
            f"Registering image {image_id} by {how}, as glance_registration demands: {reason}. "
            f"Correct that, or set glance_registration to auto or upload.")


def register(client: Client, records: Records, image_id: str, published: Published) -> str:
    """Make the image active; return how: ``location``, ``http`` or ``upload``.

    :raises ImageUnavailable: the image is gone.
    :raises ActivationPending: it may yet become active.
    :raises RegistrationFailed: it could not be made active, in no allowed way.
    :raises GlanceUnreachable: Glance did not answer.
    """
    how, why = choose(client, records, image_id)
    demanded = client.settings.registration != AUTO
    if how in IN_PLACE and not published.in_place:
        if demanded:
            _demanded(how, image_id, _NOT_IN_PLACE)
        how, why = UPLOAD, _NOT_IN_PLACE
    if how in IN_PLACE:
        try:
            (location if how == LOCATION else address).register(
                client, records, image_id, published)
        except exceptions.ActivationPending:
            raise  # Glance may still make it active: an upload would collide with that
        except (exceptions.RegistrationFailed, exceptions.AbilityMissing) as exc:
            if demanded or not _is_empty(records, image_id, how):
                raise
            LOG.warning("%s Uploading a copy instead.", exc)
            how, why = UPLOAD, f"registration by {how} failed"
    if how == UPLOAD:
        upload.register(client, records, image_id, published)
    LOG.info("Image %s is active: registered by %s (%s). %s", image_id, how, why,
             _COSTS[how](client, published))
    return how


def _is_empty(records: Records, image_id: str, how: str) -> bool:
    """Tell whether an image can be given data after a registration that failed.

    Glance takes a location back when it fails, but not an address: that it would read then, and
    not what is uploaded.
    """
    image = records.get(image_id)
    return image.status == "queued" and (how == LOCATION or not image.size)


_NOT_IN_PLACE = "this Swift cannot stitch an object for Glance of a disk like this one"

_COSTS: Dict[str, Callable[[Client, Published], str]] = {
    LOCATION: lambda client, published: "No byte of it was copied.",
    HTTP: lambda client, published:
        "No byte of it was copied; its TempURL has to be renewed within %d days (`swift-vhd image "
        "relocate --all`)." % (client.settings.tempurl_lifetime // 86400),
    UPLOAD: lambda client, published:
        f"A copy of up to {published.size} bytes was made.",
}
