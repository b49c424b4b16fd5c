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

"""Registration by address: Glance is given a TempURL of the one image, and copies nothing.

For a Glance that has the store ``http`` and cannot be given a location in Swift safely: one
without the newer locations API whose ``show_multiple_locations`` is true, so that it takes
locations with the image's record (PATCH, policy set_image_location: the owner's project), or one
that shows what it is given.  Who sees the location can read this image and nothing else, which
Glance lets him do anyhow, until the address expires.  Then Glance cannot read the image any more:
it must be renewed in time, see :mod:`~nova_swift_handler.glance.relocation`.

Deleting such an image deletes nothing in Swift (glance_store's http store cannot).
"""

from __future__ import annotations

import functools
from typing import Any, Dict, Optional

import requests

from nova_swift_handler import exceptions
from nova_swift_handler.glance import activation, errors, locations_api
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.diagnosis import LIMITS, Finding
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import PATCH, Records
from nova_swift_handler.glance.settings import GlanceSettings

_ADVICE = ("Its glance-api.conf must have a store of the type http (enabled_backends = ..., "
           "web:http), and [import_filtering_opts] must allow Swift's host and port.")


def unfit(client: Client, records: Records, image_id: str) -> str:
    """Return why this image cannot be registered by address, or an empty text.

    :raises ImageUnavailable: the image is gone.
    """
    older = locations_api.too_old(client)
    if older:
        if records.get(image_id).takes_locations:
            return ""
        return f"{older}, and it takes none without (show_multiple_locations is false)"
    return "" if records.seen_by_service(image_id) else locations_api.HIDDEN


def register(client: Client, records: Records, image_id: str, published: Published) -> None:
    """Give Glance a TempURL and see the image active with the right size.

    :raises ImageUnavailable: the image is gone.
    :raises ActivationPending: Glance has not finished in time.
    :raises RegistrationFailed: Glance refused or failed; the message says why, as far as known.
    :raises GlanceUnreachable: Glance did not answer, and has been given nothing.
    :raises AbilityMissing: this Swift, or this account, cannot have TempURLs.
    """
    doing = f"Registering image {image_id} by a TempURL"
    if published.address is None:
        raise exceptions.RegistrationFailed(f"{doing}: no address of it can be made.")
    url = published.address(client.settings.tempurl_lifetime)
    records.patch_queued(image_id, {"disk_format": published.disk_format,
                                    "container_format": "bare"}, doing)
    older = locations_api.too_old(client)
    look = functools.partial(_look, client.settings, url, published)
    with activation.given():
        request = (_patch(client, image_id, url, published, doing) if older else
                   locations_api.add(client, image_id, url, published.os_hash, doing))
        is_active = activation.wait(client, records, image_id, published, request, doing, look,
                                    hidden=False)
    if not is_active:
        raise exceptions.RegistrationFailed(
            f"{doing}: Glance took the address but could not use it"
            f"{f' (Glance request {request})' if request else ''}. {look().text}")


def _patch(client: Client, image_id: str, url: str, published: Published, doing: str) -> str:
    """Add the location to the image's record; return the id under which Glance logged it."""
    known: Optional[Dict[str, str]] = None
    if published.os_hash:
        known = dict(zip(("os_hash_algo", "os_hash_value"), published.os_hash))
    response = _add(client, image_id, url, known, doing)
    if known and response.status_code == 409:
        # It takes hashes of its own hashing_algorithm only, and of no other.
        response = _add(client, image_id, url, None, doing)
    if response.status_code != 200:
        raise exceptions.RegistrationFailed(
            f"{doing}: Glance answered {errors.said(response, client.settings.store_key)}. "
            f"{_ADVICE}")
    return errors.request_id(response)


def _add(client: Client, image_id: str, url: str, known: Optional[Dict[str, str]],
         doing: str) -> Any:
    value: Dict[str, Any] = {"url": url, "metadata": {}}
    if known:
        value["validation_data"] = known
    return client.request(
        "PATCH", f"/v2/images/{image_id}", doing, again=False, expected=(200, 400, 403, 409),
        json=[{"op": "add", "path": "/locations/-", "value": value}],
        headers={"Content-Type": PATCH})


def _look(settings: GlanceSettings, url: str, published: Published) -> Finding:
    """Look for what keeps Glance from reading *url*."""
    try:
        response = requests.get(url, headers={"Range": "bytes=0-0"}, stream=True,
                                verify=settings.tls,
                                timeout=(settings.connect_timeout, settings.read_timeout))
    except requests.RequestException as exc:
        return Finding(errors.redact(f"Swift's address cannot be reached from here either: {exc}",
                                     settings.store_key))
    response.close()
    if response.status_code not in (200, 206):
        return Finding(f"Swift answers HTTP {response.status_code} to a read by the TempURL; "
                       f"`swift-vhd store probe` tells whether it serves stitched objects so.")
    size = response.headers.get("Content-Range", "").rpartition("/")[2]
    if size.isdigit() and int(size) != published.size:
        return Finding(f"The object has {size} bytes, the image {published.size}.")
    return Finding(f"The address can be read from here. {_ADVICE} {LIMITS} glance-api's log has "
                   f"the details.", all_well=True)
