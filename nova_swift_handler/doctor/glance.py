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

"""Glance: its Swift store, and what it shows of it to whom."""

from __future__ import annotations

import io
from typing import Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.doctor import ordinary
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.doctor.swift import SETUP
from nova_swift_handler.doctor.throwaway import ThrowAway
from nova_swift_handler.glance import location, locations_api
from nova_swift_handler.glance.client import Client, Identity
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.published import Published
from nova_swift_handler.glance.records import Records
from nova_swift_handler.glance.settings import HTTP, LOCATION, UPLOAD, UserToken
from nova_swift_handler.store import presence

_REGISTERED = "registration by location"
_SHOWN = "what users see of locations"
_DELETED = "deleting an image in Glance"
_ELSEWHERE = (UPLOAD, HTTP)
"""Ways of registration that need no Swift user of Glance's."""
_HIDE = ("show_multiple_locations = False and show_image_direct_url = False in glance-api.conf; "
         "then give Glance's Swift user another password")


def reached(site: Site) -> Iterator[Finding]:
    """Look whether Glance answers, and what its API can do."""
    what = "Glance's API"
    try:
        version = locations_api.api_version(site.client)
    except exceptions.GlanceError as error:
        yield Finding(WRONG, what, str(error), "see whether glance-api is up, and "
                      "glance_api_servers in [swift_vhd]")
        return
    text = "version %d.%d" % version
    if version >= locations_api.API_VERSION or site.glance.registration == UPLOAD:
        yield Finding(OK, what, text)
    else:
        yield Finding(
            WRONG if site.glance.registration == LOCATION else WARNING, what,
            "%s has no locations API: each image becomes a full copy" % text,
            "upgrade Glance to 2024.1 or later, or set [swift_vhd] glance_registration = upload")


def store_user(site: Site) -> Iterator[Finding]:
    """Log in as Glance's Swift user."""
    what = "login of Glance's Swift user"
    if location.missing(site.glance):
        yield Finding(
            OK if site.glance.registration in _ELSEWHERE else WARNING, what,
            "%s not set: no image is registered by location" % location.missing(site.glance),
            "copy them from the Swift store's section of glance-api.conf into [swift_vhd]")
        return
    try:
        own = site.store_session.get_project_id()
    except exceptions.SwiftVhdError as error:
        yield Finding(WRONG, what, str(error), "openstack user show; copy the password from the "
                      "Swift store's section of glance-api.conf to [swift_vhd] glance_store_key")
        return
    if own != site.access.project_id:
        yield Finding(
            WRONG, what, "it is in project %s, the service account in %s: Glance looks for the "
            "disks in another Swift account" % (own, site.access.project_id),
            "set swift_store_user in glance-api.conf and [swift_vhd] glance_store_user to "
            "%s:USER" % site.access.project_name)
    else:
        yield Finding(OK, what, site.glance.store_user or "")


def size_cap(_site: Site) -> Iterator[Finding]:
    """Say what cannot be seen."""
    yield Finding(NOT_CHECKED, "Glance's image_size_cap", "Glance tells it to nobody; its default "
                  "refuses images of more than 1 TiB",
                  "image_size_cap = 2196875771904 in glance-api.conf, for disks up to 2040 GiB")


def tried(site: Site) -> Iterator[Finding]:
    """Register a small image as a snapshot is, look at it as a user, and delete it."""
    if site.glance.registration in _ELSEWHERE or location.missing(site.glance):
        yield Finding(NOT_CHECKED, _REGISTERED, "it is not what is configured")
        return
    if not presence.container_exists(site.account, site.containers.images):
        yield Finding(NOT_CHECKED, _REGISTERED, "container %s is not there"
                      % site.containers.images, SETUP)
        return
    records = Records(site.client)
    with ordinary.user(site) as user:
        image = records.create({"name": "swift-vhd doctor", "disk_format": "vhd",
                                "container_format": "bare", "visibility": "private"})
        try:
            yield from _lived(site, records, image, user)
        finally:
            records.delete(image.id)


def _lived(site: Site, records: Records, image: Image,
           user: Optional[UserToken]) -> Iterator[Finding]:
    seen = _seen(site, image.id, user) or _shown_elsewhere(records)
    if seen:
        # With a location, its key would be shown: no further.
        yield Finding(WRONG, _SHOWN, seen, _HIDE)
        return
    reason = location.unfit(site.client, records, image.id)
    if reason:
        yield Finding(WRONG if site.glance.registration == LOCATION else WARNING, _REGISTERED,
                      "each image becomes a full copy: %s" % reason,
                      "put that right, or set [swift_vhd] glance_registration = upload")
        return
    with ThrowAway(site) as made:
        names = ("data/segment", "points/disk.vhd")
        part = made.put(made.container, names[0])
        whole = made.stitch(made.container, names[1], (made.container, names[0]), part)
        made.stitch(site.containers.images, image.id, (made.container, names[1]), whole)
        try:
            location.register(site.client, records, image.id, Published(
                whole.size, site.containers.images, image.id, lambda: (io.BytesIO(), 0)))
        except exceptions.GlanceError as error:
            yield Finding(WRONG, _REGISTERED, str(error), "see glance-api's log; [swift_vhd] "
                          "glance_store_* and the Swift store's section of glance-api.conf must "
                          "be the same")
            return
        yield Finding(OK, _REGISTERED, "an image that lies in %s became active"
                      % site.containers.images)
        seen = _seen(site, image.id, user)
        if seen:
            yield Finding(WRONG, _SHOWN, seen, _HIDE)
        elif user is None:
            yield Finding(NOT_CHECKED, _SHOWN, "the service account sees none; an ordinary user "
                          "to ask as cannot be made of it", "openstack image show, as a user: it "
                          "must have neither locations nor direct_url")
        else:
            yield Finding(OK, _SHOWN, "neither locations nor direct_url")
        records.delete(image.id)
        gone = [name for name in names if not made.is_there(made.container, name)]
        if gone:
            yield Finding(WRONG, _DELETED, "it took the segments that the image was stitched of, "
                          "which others may share", "openstack role list --user %s; it must have "
                          "none of Swift's operator_roles" % site.glance.store_user)
        elif made.is_there(site.containers.images, image.id):
            yield Finding(NOT_CHECKED, _DELETED, "Glance has said yes, and deleted nothing in "
                          "Swift yet (delayed_delete in glance-api.conf)")
        else:
            yield Finding(OK, _DELETED, "it left what the image was stitched of alone")


def _seen(site: Site, image_id: str, user: Optional[UserToken]) -> str:
    """Return what an ordinary user, or the service account, is shown and should not be."""
    asked = [("the service account", site.client, Identity.SERVICE)]
    if user is not None:
        asked.insert(0, ("an ordinary user", Client(site.glance, site.session, user),
                         Identity.USER))
    for who, client, identity in asked:
        answer = client.request("GET", "/v2/images/%s" % image_id, "Looking at a new image",
                                identity=identity)
        shown = [name for name in ("locations", "direct_url") if name in answer.json()]
        if shown:
            return "%s is shown %s, and so the key of Glance's Swift user" % (
                who, " and ".join(shown))
    if user is not None:
        answer = asked[0][1].request(
            "GET", "/v2/images/%s/locations" % image_id, "Asking for an image's locations",
            identity=Identity.USER, expected=(200, 401, 403, 404, 405))
        if answer.status_code == 200 and answer.json():
            return ("an ordinary user may read an image's locations, and so the key of Glance's "
                    "Swift user (policy fetch_image_location)")
    return ""


def _shown_elsewhere(records: Records) -> str:
    """Return what is shown of an image that has a location already."""
    other = records.newest_of({"status": "active"}, Identity.SERVICE)
    if other is not None and other.shows_locations:
        return "whoever sees image %s is shown its location, with the key in it" % other.id
    return ""
