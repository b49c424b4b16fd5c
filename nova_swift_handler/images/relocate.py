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

"""Give Glance the locations of our images anew: with another key, or before they expire.

What Glance's Swift user is called, and its key, stand in the location of each image that was
registered by location; an address has a time until which it is good.  Neither can be changed by
Glance's users, and the store's options in glance-api.conf do not count for images that are there.
"""

from __future__ import annotations

import calendar
import contextlib
import dataclasses
import email.utils
import logging
import urllib.parse
from typing import Iterator, Optional, Sequence, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import address, offered
from nova_swift_handler.glance import errors, location
from nova_swift_handler.glance.relocation import Located, Locations
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import HTTP, LOCATION
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.jobs import Services

LOG = logging.getLogger(__name__)

CURRENT, WOULD, DONE, NOT_OURS, FAILED = (
    "up to date", "to be relocated", "relocated", "not ours: left alone", "failed")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of an image's location.

    :ivar form: ``LOCATION`` or ``HTTP``; empty if it has neither of ours.
    :ivar state: one of this module's constants.
    :ivar detail: why, or until when an address is good.
    """

    image_id: str
    name: Optional[str]
    form: str
    state: str
    detail: str = ""


def relocate(services: Services, image_ids: Sequence[str], *, within: int,
             dry_run: bool = False) -> Iterator[Outcome]:
    """Yield what becomes of these images, or of all that have a location of ours if none is named.

    An image is relocated if its location is not the one that the configuration gives, or if its
    address is not signed with the account's key or expires soon.  To do it again changes nothing.

    :param within: seconds that are soon.
    :raises ConfigError: there is no Glance to do it by, or it does not show locations.
    :raises GlanceError, StoreError: Glance or Swift could not be asked at all.
    """
    if not services.glance.internal_endpoints:
        raise exceptions.ConfigError(
            "Relocating images: glance_internal_api_servers is not set. Start one more glance-api "
            "with a copy of glance-api.conf, on an address that operators alone can reach, that "
            "has show_multiple_locations = true, show_image_direct_url = false and delayed_delete "
            "= true, and name it there. Until that is done let the former Swift user of Glance "
            "keep its key: images whose location has it can be read as long as it is good.")
    ours = services.credentials.session()
    locations = Locations(dataclasses.replace(
        services.glance, endpoints=services.glance.internal_endpoints), ours)
    account = services.account(ours)
    work = _Relocation(services, account, services.images(None, ours), locations, within, dry_run)
    if image_ids:
        for image_id in image_ids:
            yield work.of(locations.get(image_id))
        return
    for located in list(locations.each({"status": "active"})):
        outcome = work.of(located)
        if outcome.form or outcome.state == FAILED:
            yield outcome


class _Relocation:
    def __init__(self, services: Services, account: Account, images: ImageService,
                 locations: Locations, within: int, dry_run: bool) -> None:
        self._glance = services.glance
        self._where = services.containers
        self._account = account
        self._images = images
        self._locations = locations
        self._soon = calendar.timegm(
            account.clock(services.containers.images).utctimetuple()) + within
        self._dry_run = dry_run
        self._seen: Optional[bool] = None

    def of(self, located: Located) -> Outcome:
        """Do it to one image."""
        image, form = located.image, ""
        try:
            form = self._form(located)
            if not form:
                return Outcome(image.id, image.name, "", NOT_OURS)
            if offered.view(self._account, self._where, image.id) is None:
                # Glance's own upload, perhaps: what it removes a location of, it may delete.
                return Outcome(image.id, image.name, form, NOT_OURS)
            return self._of(located, form)
        except exceptions.SwiftVhdError as error:
            LOG.debug("image %s", image.id, exc_info=error)
            return Outcome(image.id, image.name, form, FAILED,
                           errors.redact(str(error), self._glance.store_key))

    def _of(self, located: Located, form: str) -> Outcome:
        image = located.image
        wanted, detail = self._wanted(located, form)
        ours = [url for url in located.urls if self._kind(image.id, url)]
        if ours == [wanted]:
            return Outcome(image.id, image.name, form, CURRENT, detail)
        if self._dry_run:
            return Outcome(image.id, image.name, form, WOULD, detail)
        if wanted is None:
            wanted = address.make(self._account, self._where, image.id,
                                  self._glance.tempurl_lifetime)
        view = offered.view(self._account, self._where, image.id)
        try:
            self._locations.replace(located, wanted, ours)
        finally:
            # A Glance without delayed_delete has deleted it with the old location.
            self._offer_again(image.id, view)
        if not self._images.has_data(image.id):
            raise exceptions.GlanceError(
                "Image %s has its new location, and Glance cannot read it there; see glance-api's "
                "log" % image.id)
        return Outcome(image.id, image.name, form, DONE)

    def _form(self, located: Located) -> str:
        kinds = {self._kind(located.image.id, url) for url in located.urls}
        if LOCATION in kinds and HTTP in kinds and self._shown(located.image.id):
            # Where users see locations they may add some, which look like Glance's own.
            return HTTP
        return LOCATION if LOCATION in kinds else HTTP if HTTP in kinds else ""

    def _shown(self, image_id: str) -> bool:
        """Tell whether the Glance that users reach shows them locations."""
        if self._seen is None:
            self._seen = self._images.get(image_id).shows_locations
        return self._seen

    def _kind(self, image_id: str, url: str) -> str:
        """Return what kind of location of ours *url* is; nothing if it is none."""
        parts = urllib.parse.urlsplit(url)
        if not parts.path.endswith("/%s/%s" % (self._where.images, image_id)):
            return ""
        if parts.scheme in ("swift+http", "swift+https"):
            return LOCATION
        return HTTP if "temp_url_sig=" in parts.query else ""

    def _wanted(self, located: Located, form: str) -> Tuple[Optional[str], str]:
        """Return the location that it should have, None for a new address; and about that."""
        image_id = located.image.id
        if form == LOCATION:
            if self._shown(image_id):
                raise exceptions.GlanceError(
                    "Image %s is not given its location in Swift: %s" % (
                        image_id, location.SHOWN))
            return location.url(self._glance, self._where.images, image_id), ""
        best: Optional[str] = None
        detail, latest = "its address is not signed with the account's key", 0
        for url in located.urls:
            parsed = address.parse(self._account, self._where, image_id, url)
            if parsed is not None and parsed.genuine and parsed.expires > latest:
                latest = parsed.expires
                best = url if parsed.expires > self._soon else None
                detail = "its address is good until " + email.utils.formatdate(
                    parsed.expires, usegmt=True)
        return best, detail

    def _offer_again(self, image_id: str, view: Optional[str]) -> None:
        if view is None or offered.view(self._account, self._where, image_id) == view:
            return
        LOG.warning("Glance deleted what it reads of image %s with the old location; writing that "
                    "anew. Set delayed_delete = true for the glance-api of "
                    "glance_internal_api_servers.", image_id)
        container, _, name = view.lstrip("/").partition("/")
        with contextlib.suppress(exceptions.ObjectMissing):
            headers = self._account.headers(container, name)
            offered.make(self._account, self._where, image_id, container, name,
                         int(headers["content-length"]), headers["content-type"])
