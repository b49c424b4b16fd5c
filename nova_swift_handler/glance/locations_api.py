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

"""Glance's newer API for locations: ``/v2/images/{id}/locations``."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

import tenacity

from nova_swift_handler import exceptions
from nova_swift_handler.glance import errors
from nova_swift_handler.glance.client import BROKEN, Client, Identity

API_VERSION = (2, 17)
HIDDEN = "the service account may not see this image: it needs the role 'admin' besides 'service'"
_FILTERED = ("It filters the addresses it reads: in glance-api.conf, [import_filtering_opts] "
             "allowed_ports must have Swift's port, as in allowed_ports = [80,443,8080], and "
             "allowed_hosts, if it is set, Swift's host.")


def too_old(client: Client) -> str:
    """Return that this Glance does not have the API, or an empty text."""
    version = api_version(client)
    if version >= API_VERSION:
        return ""
    return (f"this Glance's newest API is {version[0]}.{version[1]}, the locations API came "
            f"with {API_VERSION[0]}.{API_VERSION[1]}")


def users_may_read(client: Client, image_id: str) -> bool:
    """Tell whether the user on whose behalf this is done may read an image's locations."""
    if client.user is None:
        return False
    return bool(client.request(
        "GET", f"/v2/images/{image_id}/locations", f"Asking for the locations of image {image_id}",
        expected=(200, 401, 403, 404, 405)).status_code == 200)


def add(client: Client, image_id: str, location: str, os_hash: Optional[Tuple[str, str]],
        doing: str) -> str:
    """Give a queued image a location, as the service account.

    :param os_hash: see ``Published``.
    :returns: the id under which Glance logged it.
    :raises RegistrationFailed: Glance refused.
    """
    body: Dict[str, Any] = {"url": location}
    if os_hash:
        body["validation_data"] = {"os_hash_algo": os_hash[0], "os_hash_value": os_hash[1]}
    attempts = 0

    def once() -> Any:
        nonlocal attempts
        attempts += 1
        return client.request("POST", f"/v2/images/{image_id}/locations", doing, again=False,
                              identity=Identity.SERVICE, expected=(202, 400, 403, 409), json=body)

    def worth_it(retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        return isinstance(error, exceptions.GlanceUnreachable) or (
            isinstance(error, exceptions.GlanceBroken) and attempts < BROKEN)

    response = tenacity.Retrying(
        retry=worth_it, stop=tenacity.stop_after_delay(client.settings.retry_time),
        wait=tenacity.wait_random_exponential(multiplier=0.25, max=5), reraise=True)(once)
    # A conflict on a later attempt means that an earlier one, its answer lost, was taken.
    if response.status_code == 202 or (response.status_code == 409 and attempts > 1):
        return errors.request_id(response) if response.status_code == 202 else ""
    advice = ("The service account needs the roles 'admin' and 'service' in its project."
              if response.status_code == 403 else
              "Only a queued image without data can be given a location."
              if response.status_code == 409 else _FILTERED if location.startswith("http") else
              "See glance-api's log.")
    raise exceptions.RegistrationFailed(
        f"{doing}: Glance answered {errors.said(response, client.settings.store_key)}. {advice}")


def api_version(client: Client) -> Tuple[int, int]:
    """Return the newest version of the images API."""
    response = client.request("GET", "/versions", "Asking Glance for its version",
                              identity=Identity.SERVICE, expected=(200, 300))
    newest: Optional[Tuple[int, int]] = None
    for version in response.json().get("versions", ()):
        major, _dot, minor = str(version.get("id", "")).lstrip("v").partition(".")
        if major.isdigit() and minor.isdigit():
            newest = max(newest or (0, 0), (int(major), int(minor)))
    return newest or (0, 0)
