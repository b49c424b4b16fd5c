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

"""Images' records in Glance: read, create, change, delete."""

from __future__ import annotations

import re
import uuid
from typing import Any, Dict, Iterator, List, Mapping, Optional

import tenacity

from nova_swift_handler import exceptions
from nova_swift_handler.glance import errors
from nova_swift_handler.glance.client import Client, Identity
from nova_swift_handler.glance.image import Image

PATCH = "application/openstack-images-v2.1-json-patch"
_PAGE = 1000  # what Glance's api_limit_max allows by default; it gives fewer if that is less


def path_of(image_id: str, doing: str) -> str:
    """Return the path of an image that somebody may have named.

    :raises ImageMissing: it would be the path of something else, so it is no image's id.
    """
    if not re.fullmatch(r"[\w-]+", image_id, re.ASCII):
        raise exceptions.ImageMissing(f"{doing}: {image_id!r} is no id of an image.")
    return f"/v2/images/{image_id}"


class Records:
    """Reads and changes images' records, as the user unless told otherwise."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, image_id: str, doing: str = "",
            identity: Identity = Identity.USER) -> Image:
        """Return the image's record.

        :raises ImageMissing: Glance does not show it, or it is deleted.
        """
        doing = doing or f"Reading image {image_id}"
        image = Image.from_api(self._client.request(
            "GET", path_of(image_id, doing), doing, identity=identity).json())
        if image.status in ("deleted", "pending_delete"):
            raise exceptions.ImageMissing(f"{doing}: the image is deleted.")
        return image

    def seen_by_service(self, image_id: str) -> Optional[Image]:
        """Return the image's record as the service account sees it; None where only users do.

        :raises ImageUnavailable: nobody does: it is gone.
        """
        try:
            return self.get(image_id, f"Looking at image {image_id} as the service account",
                            Identity.SERVICE)
        except exceptions.ImageUnavailable:
            self.get(image_id)
            return None

    def list(self, filters: Mapping[str, str]) -> List[Image]:
        """Return all images that Glance shows and that match *filters* (attribute or property)."""
        return [Image.from_api(body) for body in self.bodies(filters)]

    def bodies(self, filters: Mapping[str, str]) -> Iterator[Dict[str, Any]]:
        """Yield all images that Glance shows and that match *filters*, as Glance describes them.
        """
        params: Dict[str, str] = dict(filters, limit=str(_PAGE))
        while True:
            body = self._client.request("GET", "/v2/images", "Listing images",
                                        params=params).json()
            yield from body["images"]
            if not body.get("next") or not body["images"]:
                return
            params["marker"] = body["images"][-1]["id"]

    def create(self, values: Mapping[str, Any]) -> Image:
        """Create a queued image with these attributes and properties.

        :raises GlanceError: Glance does not allow it.
        """
        # The id is chosen here so that a call whose answer was lost can be made again.
        image_id = str(uuid.uuid4())
        doing = f"Creating the image '{values.get('name')}'"
        body = {name: value for name, value in values.items() if value is not None}
        response = self._client.request("POST", "/v2/images", doing, expected=(201, 409),
                                        json=dict(body, id=image_id))
        if response.status_code == 409:
            return self.get(image_id, doing)
        return Image.from_api(response.json())

    def claim(self, image_id: str, values: Mapping[str, Any]) -> Optional[Image]:
        """Create a queued image of this very id; return None if an image has it, or had it.

        Of several who ask for the same id at once one gets it.  Not tried again: an answer that
        was lost cannot be told from another's success.

        :raises GlanceError: Glance does not allow it.
        """
        body = {name: value for name, value in values.items() if value is not None}
        response = self._client.request(
            "POST", "/v2/images", f"Creating the image '{values.get('name')}'",
            expected=(201, 409), again=False, json=dict(body, id=image_id))
        return Image.from_api(response.json()) if response.status_code == 201 else None

    def patch(self, image_id: str, wanted: Mapping[str, Any], doing: str) -> Image:
        """Give the image the *wanted* attributes and properties (None removes a property).

        :raises ImageUnavailable: the image is gone.
        :raises GlanceError: Glance does not allow it, e.g. formats of an image with data.
        """
        def once() -> Image:
            image = self.get(image_id, doing)
            changes = image.changes(wanted)
            if not changes:
                return image
            return Image.from_api(self._client.request(
                "PATCH", f"/v2/images/{image_id}", doing, again=False, json=changes,
                headers={"Content-Type": PATCH}).json())

        # Computed anew each time: the first attempt may have worked though its answer was lost.
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exceptions.GlanceUnreachable),
            stop=tenacity.stop_after_delay(self._client.settings.retry_time),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=5), reraise=True)(once)

    def patch_queued(self, image_id: str, wanted: Mapping[str, Any], doing: str) -> Image:
        """Do :meth:`patch` to an image that has no data yet and is given none by anybody.

        :raises RegistrationFailed: it is not queued.
        """
        image = self.get(image_id, doing)
        if image.status != "queued":
            raise exceptions.RegistrationFailed(
                f"{doing}: it is '{image.status}', only a queued image can be given data. If "
                f"somebody else uploaded to it, snapshot again.")
        return self.patch(image_id, wanted, doing)

    def delete(self, image_id: str) -> None:
        """Delete the image; one that is gone is success.

        :raises GlanceError: Glance does not allow it, e.g. for a protected image.
        """
        doing = f"Deleting image {image_id}"
        response = self._client.request("DELETE", f"/v2/images/{image_id}", doing,
                                        expected=(204, 404, 403, 409))
        if response.status_code in (403, 409):
            raise exceptions.GlanceError(f"{doing}: Glance answered {errors.said(response)}.")

    def members(self, image_id: str) -> List[str]:
        """Return the ids of the projects with which the image is shared."""
        return [one["member_id"] for one in self._client.request(
            "GET", f"/v2/images/{image_id}/members", f"Asking with whom image {image_id} is shared"
        ).json()["members"]]

    def share(self, image_id: str, project_id: str) -> None:
        """Share the image with a project; that it is already is success.

        :raises GlanceError: Glance does not allow it.
        """
        self._client.request(
            "POST", f"/v2/images/{image_id}/members",
            f"Sharing image {image_id} with project {project_id}", expected=(200, 409),
            json={"member": project_id})

    def newest_of(self, params: Mapping[str, str], identity: Identity) -> Optional[Image]:
        """Return one image that matches *params*, or None."""
        body = self._client.request("GET", "/v2/images", "Listing images", identity=identity,
                                    params=dict(params, limit="1")).json()
        return Image.from_api(body["images"][0]) if body["images"] else None
