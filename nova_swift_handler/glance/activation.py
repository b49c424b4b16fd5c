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

"""What becomes of an image after Glance has said yes to its location."""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Iterator

from nova_swift_handler import exceptions
from nova_swift_handler.glance.client import Client, Identity
from nova_swift_handler.glance.diagnosis import Finding
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records

_TASK = "location_import"
_SETTLING = 2.0
_HASH_RATE = 20 * 1024 ** 2  # bytes/s that a Glance which hashes first is given at least


@contextlib.contextmanager
def given() -> Iterator[None]:
    """Tell failures by which Glance refuses a location from those after which it may have it.

    In the block it is given one, and waited for.  An answer may be lost, and the location be
    taken: then the image becomes active, and must not have lost its bytes.

    :raises ActivationPending: it may have it.
    """
    try:
        yield
    except (exceptions.GlanceUnreachable, exceptions.GlanceBroken,
            exceptions.AccessRefused) as error:
        raise exceptions.ActivationPending(
            f"{error} Whether it has taken the location is not known.") from error


def wait(client: Client, records: Records, image_id: str, published: Published, request: str,
         doing: str, look: Callable[[], Finding], hidden: bool = True) -> bool:
    """Wait until the image is active; return False if Glance has failed and it is queued again.

    :param request: id under which Glance logged the location; empty if unknown.
    :param look: looks for what may keep Glance from using the location.
    :param hidden: whether users must not see the location.
    :raises ImageUnavailable: the image is gone.
    :raises ActivationPending: neither has happened in time.
    :raises RegistrationFailed: the image is active but not right, or of a strange status.
    """
    limit = client.settings.activation_timeout
    if published.os_hash:
        limit += published.size / _HASH_RATE
    deadline = time.monotonic() + limit
    pause = 0.05
    while True:
        image = records.get(image_id, doing)
        if image.status == "active":
            _check(image, published, doing, hidden)
            _settle(records, image, doing)
            return True
        if image.status not in ("queued", "importing", "saving"):
            raise exceptions.RegistrationFailed(
                f"{doing}: the image became '{image.status}'. See glance-api's log.")
        # Glance's task holds the image from before the 202 until it has ended.  Its outcome is
        # not asked for before: reading tasks makes Glance write to its database.
        if (image.status == "queued" and image.import_task is None
                and _failed(client, image_id, request)
                # It may have become active, or deleted, between the two questions.
                and records.get(image_id, doing).status == "queued"):
            return False
        if time.monotonic() > deadline:
            raise exceptions.ActivationPending(
                f"{doing}: still '{image.status}' after {limit:.0f} seconds. {look().text}")
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def _failed(client: Client, image_id: str, request: str) -> bool:
    """Whether Glance's task for our request has failed."""
    response = client.request("GET", f"/v2/images/{image_id}/tasks",
                              f"Asking why image {image_id} is not active",
                              identity=Identity.SERVICE, expected=(200, 403, 404))
    if response.status_code != 200:
        return False
    tasks = [task for task in response.json().get("tasks", ()) if task.get("type") == _TASK]
    if request:
        tasks = [task for task in tasks if task.get("request_id") == request]
    newest = max(tasks, key=lambda task: task.get("created_at") or "", default=None)
    return newest is not None and newest.get("status") == "failure"


def _check(image: Image, published: Published, doing: str, hidden: bool) -> None:
    if image.size != published.size:
        raise exceptions.RegistrationFailed(
            f"{doing}: it became active with {image.size} bytes, the VHD has {published.size}. "
            f"Delete the image; do not boot it.")
    if hidden and image.shows_locations:
        raise exceptions.RegistrationFailed(
            f"{doing}: this Glance shows the location, and so the Swift key, to users. Delete the "
            f"image, set show_image_direct_url and show_multiple_locations to false in "
            f"glance-api.conf, and change the key of the Glance store's user.")


def _settle(records: Records, image: Image, doing: str) -> None:
    """Give Glance's task a moment to end: who changes the image at once may collide with it.

    A Glance that hashes after the activation takes much longer, and is not waited for.
    """
    deadline = time.monotonic() + _SETTLING
    # The image is active: whatever happens to this question, it has been registered.
    with contextlib.suppress(exceptions.GlanceError):
        while image.import_task is not None and time.monotonic() < deadline:
            time.sleep(_SETTLING / 40)
            image = records.get(image.id, doing)
