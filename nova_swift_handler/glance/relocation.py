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

"""Other locations for images that are active, by a Glance that shows locations and takes some.

The newer locations API takes one for a queued image only.  ``PATCH /v2/images/{id}`` takes them at
any time where ``show_multiple_locations`` is true, which must be so for nobody but the service
account: so that is a glance-api of its own.  Glance adds and removes locations, but does not
exchange them (glance/location.py, ``_locations_proxy``: "Original locations is not empty"); and
what it removes it deletes in the store, by the credential that is in the location, unless its
``delayed_delete`` is true: then it marks the location in its database, and leaves it at that for
as long as there is the image (glance/scrubber.py: only images that are deleted themselves).

========================= ======= ==== =====================================================
call                      token   role policy (Glance 33's defaults)
========================= ======= ==== =====================================================
GET /v2/images            service admin get_images, get_image_location (project's reader)
PATCH /v2/images/{id}     service admin set_image_location (project's member),
                                        delete_image_location (``admin``)
========================= ======= ==== =====================================================
"""

from __future__ import annotations

from typing import Any, Container, Dict, Iterator, List, Mapping, NamedTuple, Tuple

from keystoneauth1 import session as ks_session

from nova_swift_handler import exceptions
from nova_swift_handler.glance import errors
from nova_swift_handler.glance.client import Client
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.records import PATCH, Records, path_of
from nova_swift_handler.glance.settings import GlanceSettings

_HIDDEN = ("the glance-api of glance_internal_api_servers does not show locations: set "
           "show_multiple_locations = true in its glance-api.conf (and in no other's)")


class Located(NamedTuple):
    """An image and where Glance has its bytes.

    :ivar urls: its locations, in the order in which Glance tries them.  They have keys in them.
    """

    image: Image
    urls: Tuple[str, ...]


class Locations:
    """The locations of images, as an internal Glance knows them.

    :param settings: whose endpoints are that Glance's.
    :param session: keystoneauth session of the service account.
    """

    def __init__(self, settings: GlanceSettings, session: ks_session.Session) -> None:
        self._client = Client(settings, session, None)
        self._records = Records(self._client)

    def get(self, image_id: str) -> Located:
        """Return one image.

        :raises ImageMissing: there is none.
        :raises ConfigError: this Glance does not show locations.
        """
        doing = f"Asking for the locations of image {image_id}"
        return _located(self._client.request("GET", path_of(image_id, doing), doing).json())

    def each(self, filters: Mapping[str, str]) -> Iterator[Located]:
        """Yield all images that match *filters*: hidden ones, and of any visibility, too.

        :raises ConfigError: this Glance does not show locations.
        """
        # Unless it is asked so, Glance leaves some out, also for admins.
        for hidden in ("false", "true"):
            for body in self._records.bodies({
                    **filters, "os_hidden": hidden, "visibility": "all"}):
                yield _located(body)

    def replace(self, located: Located, wanted: str, old: Container[str]) -> None:
        """Let an image have the location *wanted*, and none of those that are *old*.

        :raises GlanceError: Glance did not do so; see what it has by now.
        """
        patch: List[Dict[str, Any]] = []
        urls = list(located.urls)
        if wanted not in urls:
            urls.insert(0, wanted)
            patch.append({"op": "add", "path": "/locations/0",
                          "value": {"url": wanted, "metadata": {}}})
        # From the end, since each removal moves those behind it.
        patch += [{"op": "remove", "path": f"/locations/{at}"}
                  for at in reversed(range(len(urls))) if urls[at] != wanted and urls[at] in old]
        image_id = located.image.id
        doing = f"Relocating image {image_id}"
        if not patch:
            return
        response = self._client.request(
            "PATCH", f"/v2/images/{image_id}", doing, again=False, json=patch,
            expected=(200, 400, 403, 500), headers={"Content-Type": PATCH})
        if response.status_code != 200:
            said = _without(errors.said(response, self._client.settings.store_key),
                            [*located.urls, wanted])
            raise exceptions.GlanceError(f"{doing}: Glance answered {said}. "
                                         f"{_ADVICE[response.status_code]}")


_ADVICE = {
    400: "It does not accept the new location: it must have a store that reads it, with the same "
         "glance_store_* values as here, or of the type http and with Swift's host and port in "
         "[import_filtering_opts].",
    403: "Its policies set_image_location and delete_image_location must allow it to the service "
         "account (role 'admin'), and show_multiple_locations must be true.",
    500: "It could not let go of the old location: set delayed_delete = true in the "
         "glance-api.conf of that Glance, so that it does not try to delete there.",
}


def _located(body: Mapping[str, Any]) -> Located:
    image = Image.from_api(body)
    if not image.takes_locations:
        raise exceptions.ConfigError(f"Asking for the locations of image {image.id}: {_HIDDEN}.")
    return Located(image, tuple(one["url"] for one in body["locations"]))


def _without(text: str, urls: List[str]) -> str:
    """Return *text* without these locations, the keys of former users among them."""
    for url in urls:
        text = text.replace(url, "(a location)")
    return text
