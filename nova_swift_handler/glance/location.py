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

"""Registration by location: Glance is told where in Swift the disk is; nothing is copied.

Which call needs whose token, under the default policies of Glance 33 (enforce_new_defaults and
enforce_scope at their defaults); every line is proved by tests/functional/glance:

=============================== ======= ============== =========================================
call                            token   role           policy
=============================== ======= ============== =========================================
GET /versions                   none    none           none
GET /v2/images/{id}             service admin          get_image (a private image of another
                                                       project is shown to ``admin`` only)
PATCH /v2/images/{id}           user    member         modify_image (owner's project)
POST /v2/images/{id}/locations  service admin, service add_image_location = ``rule:service_api``
GET /v2/images/{id}/tasks       service admin          get_image (why an activation failed)
GET /v2/images/{id}             user    reader         get_image (is it active?)
=============================== ======= ============== =========================================

"user" is the user's own token together with the service account's as ``X-Service-Token`` (role
``service``), which keeps a token that has expired meanwhile good; "service" is the service
account's own token.

**Why the POST is not made with the user's token.**  Glance's documentation has services send the
user's token and an ``X-Service-Token`` of role ``service``, and that works.  But the POST makes a
task owned by the *caller's* project whose input is the location, and ``GET /v2/images/{id}/tasks``
shows the tasks of the caller's project to whoever sees the image: run, every member of the image's
project reads the Swift key there.  So the POST is made by the service account, to whose project
ordinary users must not belong; to see the private image it needs the role ``admin``.  Of the
location itself users see nothing: ``GET .../locations`` (policy fetch_image_location =
``rule:service_api``) answers them 403 or 404, the record has neither ``locations`` nor
``direct_url``; an ``admin`` does see it.

Who does not want to give the account a cloud-wide ``admin`` gives it a role of its own besides
``service`` and adds one line to Glance's policy.yaml (run as well)::

    "context_is_admin": "role:admin or role:<that role>"

Glance answers 202 and works in the background; a failure is seen only in the task ("Internal
Error") and in the image being ``queued`` again, so the likely causes are then looked for from here
(:mod:`~nova_swift_handler.glance.diagnosis`).  With ``do_secure_hash`` true (its default) Glance
reads every new image whole afterwards, or before it is active if a hash was given.
"""

from __future__ import annotations

import functools
import logging
import time
from urllib import parse

from nova_swift_handler import exceptions
from nova_swift_handler.glance import activation, diagnosis, locations_api
from nova_swift_handler.glance.client import Client, Identity
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records
from nova_swift_handler.glance.settings import GlanceSettings

LOG = logging.getLogger(__name__)

SHOWN = ("this Glance shows locations, and so the Swift key, to users: set "
         "show_multiple_locations and show_image_direct_url to false in glance-api.conf")

_SECOND_TRY = 1.0


def missing(settings: GlanceSettings) -> str:
    """Return which options registration by location lacks, or an empty text."""
    names = [name for name, value in (
        ("glance_store_auth_address", settings.store_auth_address),
        ("glance_store_user", settings.store_user),
        ("glance_store_key", settings.store_key)) if not value]
    return ", ".join(names)


def url(settings: GlanceSettings, container: str, object_name: str) -> str:
    """Return the location of an object, key included: exactly as Glance's store writes it.

    Glance finds the store by the text before the object's name (glance_store,
    ``SingleTenantStore._set_url_prefix``), so quoting and slashes follow that code.

    :raises ConfigError: an option is missing, or the key cannot stand in such a URL.
    """
    lacking = missing(settings)
    if lacking:
        raise exceptions.ConfigError(
            f"Registering images by location: {lacking} not set; copy them from the Swift store's "
            f"section of glance-api.conf, or set glance_registration = upload.")
    assert settings.store_auth_address and settings.store_user and settings.store_key
    if "/" in settings.store_user or "/" in settings.store_key:
        raise exceptions.ConfigError(
            "Registering images by location: glance_store_user and glance_store_key must not "
            "contain '/', which Glance does not quote in a location.")
    scheme, _sep, address = settings.store_auth_address.partition("://")
    return (f"swift+{'http' if scheme == 'http' else 'https'}://"
            f"{parse.quote(settings.store_user)}:{parse.quote(settings.store_key)}"
            f"@{(address or scheme).strip('/')}/{container}/{object_name}")


def unfit(client: Client, records: Records, image_id: str) -> str:
    """Return why this image cannot safely be registered by location, or an empty text.

    :raises ImageUnavailable: the image is gone.
    """
    lacking = missing(client.settings)
    if lacking:
        return f"{lacking} not set"
    older = locations_api.too_old(client)
    if older:
        return older
    image = records.seen_by_service(image_id)
    if image is None:
        return locations_api.HIDDEN
    other = records.newest_of({"status": "active"}, Identity.SERVICE)
    if image.shows_locations or (other is not None and other.shows_locations):
        return SHOWN
    if locations_api.users_may_read(client, image_id):
        return ("this Glance's policy lets users read locations, and so the Swift key: set "
                "fetch_image_location to rule:service_api in its policy file, as is the default")
    return ""


def register(client: Client, records: Records, image_id: str, published: Published) -> None:
    """Give Glance the location and see the image active with the right size.

    :raises ImageUnavailable: the image is gone.
    :raises ActivationPending: Glance has not finished in time.
    :raises RegistrationFailed: Glance refused or failed; the message says why, as far as known.
    :raises GlanceUnreachable: Glance did not answer, and has been given nothing.
    """
    doing = f"Registering image {image_id} by its location in Swift"
    location = url(client.settings, published.container, published.object_name)
    records.patch_queued(image_id, {"disk_format": published.disk_format,
                                    "container_format": "bare"}, doing)
    look = functools.partial(diagnosis.look, client.settings, published)
    for last in (False, True):
        with activation.given():
            request = locations_api.add(client, image_id, location, published.os_hash, doing)
            if activation.wait(client, records, image_id, published, request, doing, look):
                return
        finding = look()
        if last or not finding.all_well:
            break
        # Nothing to be seen from here: a lost lock of its database, a restart.  Once more.
        LOG.warning("%s: Glance failed for no visible reason (Glance request %s); trying once "
                    "more.", doing, request)
        time.sleep(_SECOND_TRY)
    raise exceptions.RegistrationFailed(
        f"{doing}: Glance took the location but could not use it"
        f"{f' (Glance request {request})' if request else ''}. {finding.text}")
