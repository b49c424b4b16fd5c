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

"""Have an image's id for oneself, where several may want to make the same image at once.

Swift has nothing to lock with, Glance has: its database gives an id to one image, and of all who
ask for it one is told 201 and the others 409.  So who makes an image that others may be making
too asks for an id that all of them would ask for.  An id that Glance has deleted is kept in its
table until that is purged, and cannot be had: then the next one is asked for, which all derive in
the same way.

An announcement in Swift, see ``catalog.intent``, tells whether an image that is not active yet is
somebody's who is at work, or was left by one that was killed.

Who deletes what is stored because Glance has no image of it announces that and then asks Glance
once more (:func:`check_gone`, :func:`check_another`); who brings the image back claims it and then
looks whether what is stored is being deleted (:meth:`Announced.check_kept`).  So in whatever order
they come, one of them sees the other.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from typing import Any, Callable, Dict, Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import intent, names
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.store.account import Account

LOG = logging.getLogger(__name__)

_PATIENCE = 60.0
_PAUSE = 0.2
_DELETED = 100
"""How many images of a name may have been deleted since Glance's table was purged."""


class Busy(exceptions.SwiftVhdError):
    """Somebody else is at it just now."""


class Announced:
    """Work on what is to become image *seed*, or one of those derived from that.

    :ivar seed: the first id.
    """

    def __init__(self, account: Account, container: str, seed: str, upload_id: str) -> None:
        self.seed = seed
        self._account = account
        self._container = container
        self._own = names.intent(upload_id)

    def check_alone(self) -> None:
        """See that nobody else is at work on the same.

        :raises Busy: somebody is, or was killed at it less than some hours ago.
        """
        for each in intent.under_way(self._account, self._container):
            if (each.get("image_id") == self.seed and each["name"] != self._own
                    and each.get("kind") == intent.UPLOAD):
                raise Busy("another process is storing or registering image %s; if that was "
                           "killed, its announcement %s/%s vanishes within %d hours, or delete it"
                           % (self.seed, self._container, each["name"],
                              intent.LIFETIME // 3600))

    def check_kept(self) -> None:
        """See that nobody deletes what is stored of the first id.

        :raises Busy: somebody does, or was killed at it less than some hours ago.
        """
        name = intent.deleting(self._account, self._container, self.seed)
        if name is not None:
            raise Busy("what is stored of image %s is being deleted; if whoever did so was "
                       "killed, delete it again, or the announcement %s/%s"
                       % (self.seed, self._container, name))

    def wait_kept(self) -> None:
        """Wait until nobody deletes what is stored of the first id, for as long as that may take.

        :raises Busy: somebody still does.
        """
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.check_kept()
            except Busy:
                if time.monotonic() > until:
                    raise
            time.sleep(_PAUSE)


def own(images: ImageService, image_id: str, created_at: Optional[str]) -> Optional[Image]:
    """Return the image that something is stored for; None if Glance has it no more.

    Once Glance's table was purged anybody may have made an image of the id: that is another, and
    whoever deletes what is stored must not delete that.

    :param created_at: when it was; of None any image of the id will do.
    :raises GlanceError: Glance could not be asked.
    """
    try:
        image = images.get(image_id)
    except exceptions.AccessRefused:
        raise
    except exceptions.ImageUnavailable:
        return None
    return image if created_at in (None, image.created_at) else None


def check_another(account: Account, container: str, images: ImageService, image_id: str,
                  found: Callable[[], Optional[Image]]) -> None:
    """See, once a deletion is announced, that an image of its id, if there is one, is another's.

    It may have been made of what is stored just now: who does so is announced until that says of
    which image it is.

    :param found: looks anew for the image of what is stored, see :func:`own`.
    :raises Busy: so it is.
    """
    if images.exists(image_id) and (
            image_id in intent.storing(account, container) or found() is not None):
        check_gone(images, image_id)


def check_gone(images: ImageService, image_id: str) -> None:
    """See that Glance still has no image of what is about to be deleted.

    :raises Busy: it has one again.
    """
    if images.exists(image_id):
        raise Busy("what is stored of image %s stays: it was registered again just now; if it is "
                   "to go, delete it again" % image_id)


@contextlib.contextmanager
def announced(account: Account, container: str, seed: str) -> Iterator[Announced]:
    """Announce work on image *seed* for as long as the context is."""
    upload_id = str(uuid.uuid4())
    with intent.Intent(account, container, upload_id, seed):
        yield Announced(account, container, seed, upload_id)


def claim(images: ImageService, work: Announced, values: Dict[str, Any],
          ours: Callable[[Image], bool],
          otherwise_used: Callable[[Image], bool] = lambda image: False) -> Image:
    """Return an image that is the caller's to make active, or is active already.

    It has the id that was announced, or one derived from it if Glance has deleted that, or has
    given it to what is something else by now.

    :param values: attributes and properties of the image.
    :param ours: tells whether an image that is there can be one that was made here for the same.
    :param otherwise_used: tells whether one of those, which is active, is something else by now.
    :raises Busy: somebody else makes it.
    :raises NameRefused: another image has the id.
    """
    image_id = work.seed
    for _attempt in range(_DELETED):
        made = images.claim(image_id, values)
        if made is not None:
            return made
        try:
            there = images.get(image_id)
        except exceptions.AccessRefused:
            raise
        except exceptions.ImageUnavailable:
            LOG.info("Glance has deleted an image %s, whose id it gives to no other", image_id)
            image_id = following(image_id)
            continue
        if not ours(there):
            raise exceptions.NameRefused(
                "image %s is needed for %r, and is another's: %r of project %s; delete that, or "
                "this one here" % (image_id, values.get("name"), there.name, there.owner))
        if there.status in ("active", "deactivated"):
            if not otherwise_used(there):
                return there
            image_id = following(image_id)
            continue
        work.check_alone()
        if there.status == "queued":
            return there
        LOG.warning("Deleting image %s: who filled it was killed, and it stays '%s' for ever",
                    image_id, there.status)
        images.delete(image_id)
        image_id = following(image_id)
    raise exceptions.GlanceError(
        "no image could be made of %r: Glance has deleted %d images of it already and keeps their "
        "ids; purge its database (glance-manage db purge)" % (values.get("name"), _DELETED))


def following(image_id: str) -> str:
    """Return the id to ask for when Glance has deleted *image_id*."""
    return str(uuid.uuid5(uuid.UUID(image_id), "nova_swift_handler"))
