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

"""Names of containers and objects."""

from __future__ import annotations

import dataclasses
import uuid

DISK_VIEW = "disk.vhd"
DELTA_VIEW = "delta.vhd"
RAW_VIEW = "disk.raw"
ISO_VIEW = "disk.iso"
HEAD = "head"
POINT = "point.json"
POINTS = "points/"
DATA = "data/"
CLOSING = "closing"
REGIONS = "regions/"
INTENTS = "intents/"
SWEEPS = INTENTS + "sweep-"
REFERENCES = "references/"
TAKING = "taking/"
ZEROS = ("zeros/a", "zeros/b")
"""A block of zeros, twice: two ranges of one object behind one another are slow to read."""


@dataclasses.dataclass(frozen=True)
class Containers:
    """The containers of one installation.

    :ivar prefix: what every container's name begins with.
    """

    prefix: str

    @property
    def index(self) -> str:
        """One small object an image, saying where its point lies."""
        return self.prefix + "-index"

    @property
    def images(self) -> str:
        """What Glance reads: one object an image that is registered by location."""
        return self.prefix + "-images"

    @property
    def templates(self) -> str:
        """Templates, with ``<name>.properties`` beside them."""
        return self.prefix + "-templates"

    @property
    def isos(self) -> str:
        """ISO images, with ``<name>.properties`` beside them."""
        return self.prefix + "-isos"

    @property
    def catalogue(self) -> str:
        """What is published for other clouds, with an index; made when something is."""
        return self.prefix + "-catalogue"

    def volume(self, volume_id: str) -> str:
        """Everything of one volume."""
        return "%s-volume-%s" % (self.prefix, volume_id)


def of_point(image_id: str, part: str) -> str:
    """Return the object name of a *part* of the point of image *image_id*."""
    return "points/%s/%s" % (image_id, part)


def view_parts(image_id: str, view: str) -> str:
    """Return what the names of a *view*'s parts begin with; large views have some."""
    return of_point(image_id, view) + ".parts/"


def closing(upload_id: str) -> str:
    """Return the name of the object that tells, among an upload's segments, what they make."""
    return "%s%s/%s" % (DATA, upload_id, CLOSING)


def intent(upload_id: str) -> str:
    """Return the name of the object that announces an upload while it is under way."""
    return INTENTS + upload_id


def taking(name: str) -> str:
    """Return what the names of the objects begin with that give *name* to one at a time."""
    return "%s%s/" % (TAKING, name)


def deletion(image_id: str, own: str = "") -> str:
    """Return the name of the object that announces a deletion of what is image *image_id*'s.

    Without *own*, the deletion's id, what the names of all such objects begin with.
    """
    return "%sdelete-%s-%s" % (INTENTS, image_id, own)


def reference(container: str) -> str:
    """Return the name of the object that tells that points of *container* name segments here."""
    return REFERENCES + container


def segment(upload_id: str, serial: int) -> str:
    """Return the object name of a segment; never used twice, since *upload_id* is not."""
    return "data/%s/%06d" % (upload_id, serial)


def is_id(text: str) -> bool:
    """Tell whether *text* is an id of Glance's: a uuid, written as people write one."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
