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

"""``point.json``: the small immutable object whose presence makes a point complete."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.segment import Segment

FORMAT = 0
"""Format 0 is provisional; points of it are not read by later releases."""


@dataclasses.dataclass(frozen=True)
class RegionRef:
    """A region as a point names it.

    :ivar index: which region of the disk it is.
    :ivar table: object name of its table.
    :ivar parts: the objects it is stitched from: ``{"name", "etag", "size"}``.
    :ivar blocks: blocks in it that are not zero.
    """

    index: int
    table: str
    parts: List[Dict[str, Any]]
    blocks: int


@dataclasses.dataclass(frozen=True)
class Point:
    """A stored disk.

    :ivar container: the container that holds it; its objects are named relative to that.
    :ivar image_id: id of its Glance image, a uuid.
    :ivar kind: ``snapshot`` or ``template``.
    :ivar volume_id: what it is a point of.
    :ivar project_id: owner of the Glance image at the time of writing.
    :ivar image_created_at: when the image was created, as Glance writes it: ids can be reused.
    :ivar stored_at: the cluster's time when it was written, as Swift writes it.
    :ivar sequence: 1 for a volume's first point, and so on.
    :ivar parent: image id of the point it was compared with.
    :ivar virtual_size: bytes of the disk.
    :ivar vhd_size: bytes of ``disk.vhd``.
    :ivar blocks: how many of its blocks are not zero.
    :ivar digest: see ``BlockMap.digest``.
    :ivar origin: where it came from, for people.
    :ivar segments: every segment it lives on.
    """

    container: str
    image_id: str
    kind: str
    volume_id: str
    project_id: str
    image_created_at: str
    stored_at: str
    sequence: int
    parent: Optional[str]
    virtual_size: int
    vhd_size: int
    blocks: int
    digest: str
    origin: Dict[str, str]
    regions: List[RegionRef]
    segments: List[Segment]
    writer: str

    def as_json(self) -> Dict[str, Any]:
        """Return what ``point.json`` holds."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def parse(cls, value: Any) -> Point:
        """Return the point that the JSON *value* describes.

        :raises PointInvalid: it is of another format, or not a point.
        """
        try:
            fields = dict(value)
            version = fields.pop("format")
            if version != FORMAT:
                raise exceptions.PointInvalid(
                    "point %s is of format %s; this release reads format %d only"
                    % (fields.get("image_id"), version, FORMAT))
            fields["regions"] = [RegionRef(**region) for region in fields["regions"]]
            fields["segments"] = [Segment(**segment) for segment in fields["segments"]]
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise exceptions.PointInvalid("a point.json is damaged: %r" % error) from error
