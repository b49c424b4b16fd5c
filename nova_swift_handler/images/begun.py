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

"""Images that are being filled, told from those that a killed command has left queued."""

from __future__ import annotations

import contextlib
import logging
from typing import Iterator, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.glance.image import Image
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.transfer import alive
from nova_swift_handler.transfer.jobs import operator, transfer_id

LOG = logging.getLogger(__name__)

MARK = "swift_vhd_filled_by"
"""The property of a queued image that says who fills it; an active one has it no more."""


@contextlib.contextmanager
def announced() -> Iterator[str]:
    """Give what an image is to be marked with while the context is."""
    mark = transfer_id(operator())
    with alive.announced(mark):
        yield mark


def remove_abandoned(images: ImageService, name: str, owner: Optional[str]) -> None:
    """Delete the queued images *name* that a command which was killed on this machine has left.

    Of other machines' nobody here knows whether they are being filled.

    :param owner: the project whose images they are.  Others' are left alone: anybody can give an
        image that property, and snapshots of what was booted from it inherit it.
    """
    # Names are compared here: to Glance, some say something else, as "in:a,b" does.
    for image in images.every(status="queued"):
        if (image.name or "", image.owner) != (name, owner):
            continue
        mark = image.properties.get(MARK, "")
        if not mark or alive.is_alive(mark):
            continue
        if not mark.startswith(operator() + "/"):
            LOG.warning("Image %s, called %r too, is queued, to be filled by %s; if nothing does "
                        "so any more, delete it", image.id, name, mark)
            continue
        try:
            # It may have been filled since it was listed, and the command so have come to its end.
            if not _is_left(images.get(image.id), mark):
                continue
            LOG.warning("Deleting image %s, which a command that was killed has left queued",
                        image.id)
            images.delete(image.id)
        except exceptions.ImageUnavailable:
            continue
        except exceptions.GlanceError as error:
            LOG.warning("Image %s stays: %s", image.id, error)


def _is_left(image: Image, mark: str) -> bool:
    return image.status == "queued" and image.properties.get(MARK) == mark
