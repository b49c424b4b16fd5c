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
from typing import Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.glance import location, upload
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records
from nova_swift_handler.glance.settings import AUTO, LOCATION, UPLOAD

LOG = logging.getLogger(__name__)


def choose(client: Client, records: Records, image_id: str) -> Tuple[str, str]:
    """Return (``location`` or ``upload``, why).

    :raises RegistrationFailed: ``location`` is demanded but not safely possible.
    """
    wanted = client.settings.registration
    if wanted == UPLOAD:
        return UPLOAD, "glance_registration = upload"
    if wanted not in (AUTO, LOCATION):
        raise exceptions.ConfigError(
            f"glance_registration = {wanted}: must be auto, location or upload.")
    reason = location.unfit(client, records, image_id)
    if not reason:
        return LOCATION, "nothing is copied and no user sees the Swift key"
    if wanted == LOCATION:
        raise exceptions.RegistrationFailed(
            f"Registering image {image_id} by location, as glance_registration demands: {reason}. "
            f"Correct that, or set glance_registration to auto or upload.")
    return UPLOAD, f"not by location: {reason}"


def register(client: Client, records: Records, image_id: str, published: Published) -> str:
    """Make the image active; return how: ``location`` or ``upload``.

    :raises ImageUnavailable: the image is gone.
    :raises RegistrationFailed: it could not be made active, in no allowed way.
    :raises GlanceUnreachable: Glance did not answer.
    """
    how, why = choose(client, records, image_id)
    if how == LOCATION and not published.in_place:
        how, why = UPLOAD, "this Swift cannot stitch an object for Glance of a disk like this one"
        if client.settings.registration == LOCATION:
            raise exceptions.RegistrationFailed(
                f"Registering image {image_id} by location, as glance_registration demands: "
                f"{why}. Set glance_registration to auto or upload.")
    if how == LOCATION:
        try:
            location.register(client, records, image_id, published)
        except exceptions.ActivationPending:
            raise  # Glance may still make it active: an upload would collide with that
        except exceptions.RegistrationFailed as exc:
            if (client.settings.registration != AUTO
                    or records.get(image_id).status != "queued"):
                raise
            LOG.warning("%s Uploading a copy instead.", exc)
            how, why = UPLOAD, "registration by location failed"
    if how == UPLOAD:
        upload.register(client, records, image_id, published)
    LOG.info("Image %s is active: registered by %s (%s).", image_id, how, why)
    return how
