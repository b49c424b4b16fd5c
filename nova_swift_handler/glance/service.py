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

"""All of Glance that the transfers and the command line use."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions
from nova_swift_handler.glance import registration
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.data import ImageData
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records
from nova_swift_handler.glance.settings import GlanceSettings, UserToken

__all__ = ["GlanceSettings", "Image", "ImageData", "ImageService", "Published", "UserToken"]


class ImageService:
    """Images as one user sees them, and their registration by the service account.

    Not to be shared by threads.  Every method raises ``GlanceUnreachable`` if Glance (or Keystone)
    does not answer, ``GlanceError`` if it answers something unexpected; messages carry Glance's
    request id.  Roles and policies: :mod:`~nova_swift_handler.glance.location` and
    :mod:`~nova_swift_handler.glance.upload`.

    :param session: keystoneauth session of the service account.
    :param user: on whose behalf; None acts as the service account, which may see every image: for
        operators' tools only, never for a request of a user that came without a token.
    """

    def __init__(self, settings: GlanceSettings, session: ks_session.Session,
                 user: Optional[UserToken]) -> None:
        self._client = Client(settings, session, user)
        self._records = Records(self._client)

    def get(self, image_id: str) -> Image:
        """Return the image's record.

        :raises ImageUnavailable: it does not exist or the user may not see it.
        """
        return self._records.get(image_id)

    def sees_all(self) -> bool:
        """Tell whether the service account has the role that Glance shows every image to.

        Glance's default policies: ``admin``.  To others an image that they may not see looks as
        if it were not there.
        """
        return "admin" in self._client.service_roles()

    def exists(self, image_id: str) -> bool:
        """Tell whether there is such an image, deleted ones not counting.

        One that Glance refuses to show is there.
        """
        try:
            self.get(image_id)
        except exceptions.AccessRefused:
            return True
        except exceptions.ImageUnavailable:
            return False
        return True

    def list(self, **filters: str) -> List[Image]:
        """Return the images the user sees whose attributes or properties equal *filters*.

        Glance leaves out hidden ones, and other projects' community images; see :meth:`every`.
        """
        return self._records.list(filters)

    def every(self, **filters: str) -> Iterator[Image]:
        """Yield the same, and what Glance leaves out unless it is asked for it."""
        for hidden in ("false", "true"):
            yield from self._records.list({**filters, "os_hidden": hidden, "visibility": "all"})

    def check_download(self, image_id: str) -> Image:
        """Return the record of an active image whose bytes Glance would give this user.

        Seeing an image is less than having it: a project's ``reader`` sees it, a ``member``
        may download it (policies get_image, download_image), nobody a deactivated one.

        :raises ImageUnavailable: Glance would not give it, or it is not active.
        """
        image = self.get(image_id)
        doing = f"Asking Glance for image {image_id}"
        if image.status != "active":
            raise exceptions.ImageUnavailable(
                f"{doing}: it is not active but {image.status}.")
        # The policy is asked before the range is: a store that knows no ranges says 400 then.
        self._fetch(image_id, doing, {"Range": "bytes=0-0", "Accept-Encoding": "identity"}).close()
        return image

    def has_data(self, image_id: str) -> bool:
        """Tell whether Glance can read an active image's bytes; the first of them are asked for.

        :raises GlanceUnreachable: Glance did not answer.
        """
        try:
            # No Range: to one, Glance says no of a store that knows none, whatever is there.
            response = self._fetch(image_id, f"Reading image {image_id}",
                                   {"Accept-Encoding": "identity"})
        except exceptions.GlanceUnreachable:
            raise
        except exceptions.GlanceError:
            return False
        response.close()
        return bool(response.status_code == 200)

    def open_data(self, image_id: str) -> ImageData:
        """Return the image's bytes as a checked stream; close it.

        :raises ImageUnavailable: Glance does not give it to the user, or it is not active.
        :raises ImageCorrupt: Glance has no data for it, or not of the recorded size.
        """
        image = self.get(image_id)
        doing = f"Downloading image {image_id} from Glance"
        if image.status != "active":
            raise exceptions.ImageUnavailable(f"{doing}: it is not active but {image.status}.")
        return ImageData(image, lambda headers: self._fetch(image_id, doing, headers))

    def create(self, name: str, disk_format: str, container_format: str,
               properties: Optional[Mapping[str, str]] = None, visibility: str = "private",
               owner: Optional[str] = None, **attributes: Any) -> Image:
        """Create a queued image.

        :param owner: project id; another project's needs the role ``admin``, as does the
            visibility ``public`` (policies add_image, publicize_image).
        :param attributes: further base attributes: protected, min_disk, min_ram, tags...
        """
        return self._records.create(dict(
            dict(properties or {}, **attributes), name=name, disk_format=disk_format,
            container_format=container_format, visibility=visibility, owner=owner))

    def claim(self, image_id: str, values: Mapping[str, Any]) -> Optional[Image]:
        """Create a queued image of this very id; return None if an image has it, or had it.

        Of several who ask for the same id at once one gets it.

        :param values: base attributes and properties.
        """
        return self._records.claim(image_id, values)

    def prepare(self, image_id: str, disk_format: str, container_format: str,
                properties: Mapping[str, Optional[str]]) -> Image:
        """Give a queued image its formats and properties; a property of value None is removed.

        :raises ImageUnavailable: the image is gone.
        """
        wanted: Dict[str, Any] = dict(properties)
        wanted.update(disk_format=disk_format, container_format=container_format)
        return self._records.patch(image_id, wanted, f"Preparing image {image_id}")

    def change(self, image_id: str, wanted: Mapping[str, Any]) -> Image:
        """Give an image these base attributes and custom properties; None removes a property.

        :raises ImageUnavailable: the image is gone.
        :raises GlanceError: Glance does not allow it.
        """
        return self._records.patch(image_id, wanted, f"Changing image {image_id}")

    def choose(self, image_id: str) -> Tuple[str, str]:
        """Return how :meth:`register` will register the image, and why.

        :raises RegistrationFailed: ``location`` is configured but not safely possible.
        """
        return registration.choose(self._client, self._records, image_id)

    def register(self, image_id: str, published: Published) -> str:
        """Make a queued image active; return ``location``, ``http`` or ``upload``.

        Sets disk_format ``vhd`` and container_format ``bare`` (in place) or ``ovf`` (upload).

        :raises ImageUnavailable: the image was deleted meanwhile.
        :raises RegistrationFailed: it could not be made active; says why and what to do.
        """
        return registration.register(self._client, self._records, image_id, published)

    def members(self, image_id: str) -> List[str]:
        """Return the ids of the projects with which an image is shared."""
        return self._records.members(image_id)

    def share(self, image_id: str, project_id: str) -> None:
        """Share an image with a project, which has yet to accept it."""
        self._records.share(image_id, project_id)

    def delete(self, image_id: str) -> None:
        """Delete the image; one that is gone already is success."""
        self._records.delete(image_id)

    def _fetch(self, image_id: str, doing: str, headers: Dict[str, str]) -> Any:
        settings = self._client.settings
        expected = (200, 204, 206, 400, 416) if "Range" in headers else (200, 204)
        return self._client.request(
            "GET", f"/v2/images/{image_id}/file", doing, expected=expected, stream=True,
            headers=headers, timeout=(settings.connect_timeout, settings.idle_timeout))
