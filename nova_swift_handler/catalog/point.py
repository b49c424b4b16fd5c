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

import calendar
import dataclasses
import email.utils
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, TypeVar

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.segment import Segment

FORMAT = 1
"""What readers must know to understand a point; see the specification's rules for newer ones."""

SNAPSHOT = "snapshot"
TEMPLATE = "template"
EXPORT = "export"
"""A disk that is there to be downloaded by an address, until that expires; it has no image."""

RANGES = "ranges"
"""Stitching of views out of ranges of segments: a view has the point's blocks and nothing else."""

WHOLE = "whole"
"""Stitching of whole segments, for clusters that know no ranges: a view has unused room in it."""

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class RegionRef:
    """A region as a point names it.

    :ivar index: which region of the disk it is.
    :ivar table: object name of its table.
    :ivar parts: the objects it is stitched from: ``{"name", "etag", "size"}``; none where views
        are stitched of whole segments.
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
    :ivar kind: ``SNAPSHOT``, ``TEMPLATE`` or ``EXPORT``.
    :ivar volume_id: what it is a point of.
    :ivar project_id: owner of the Glance image at the time of writing.
    :ivar image_created_at: when the image was created, as Glance writes it: ids can be reused.
    :ivar stored_at: the cluster's time when it was written, as Swift writes it.
    :ivar sequence: 1 for a volume's first point, and so on; two of one number are siblings.
    :ivar parent: image id of the point it was compared with at the time of writing.  A hint: the
        point that its ``delta.vhd`` refers to may be another by now.
    :ivar parent_container: the container of that point.
    :ivar base: image id of what the disk was made of, where that is known.
    :ivar virtual_size: bytes of the disk.
    :ivar vhd_size: bytes of ``disk.vhd``; 0 if the cluster cannot stitch it.
    :ivar blocks: how many of its blocks are not zero.
    :ivar digest: see ``BlockMap.digest``.
    :ivar origin: where it came from, for people.
    :ivar upload_id: the upload that made it, see ``names.closing``.
    :ivar sent_blocks: blocks that this upload sent.
    :ivar sent_bytes: bytes of the segments that this upload sent.
    :ivar stitching: how its views are made, ``RANGES`` or ``WHOLE``.
    :ivar head: etag of the object with the head of ``disk.vhd``.
    :ivar segments: every segment it lives on.
    :ivar writer: the program that wrote it.
    :ivar expires: of an export, the cluster's time from which it may be deleted, as Swift writes
        times; None of all else.
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
    parent_container: Optional[str]
    base: Optional[str]
    virtual_size: int
    vhd_size: int
    blocks: int
    digest: str
    origin: Dict[str, str]
    upload_id: str
    sent_blocks: int
    sent_bytes: int
    stitching: str
    head: str
    regions: List[RegionRef]
    segments: List[Segment]
    writer: str
    expires: Optional[str] = None

    @property
    def expires_at(self) -> Optional[int]:
        """When an export may be deleted, in seconds since 1970; None of all else."""
        if self.expires is None:
            return None
        return calendar.timegm(email.utils.parsedate_to_datetime(self.expires).utctimetuple())

    @property
    def path(self) -> str:
        """What the names of its objects begin with, for messages."""
        return "%s/points/%s" % (self.container, self.image_id)

    def as_json(self) -> Dict[str, Any]:
        """Return what ``point.json`` holds."""
        fields = dataclasses.asdict(self)
        if self.expires is None:
            del fields["expires"]
        return {"format": FORMAT, **fields}

    @classmethod
    def parse(cls, value: Any) -> Point:
        """Return the point that the JSON *value* describes.

        Fields that this release does not know are passed over: what must be known to read a
        point right raises ``FORMAT``.

        :raises PointInvalid: it is of another format, or not a point.
        """
        try:
            version = value["format"]
            if version != FORMAT:
                raise exceptions.PointInvalid(
                    "point %s is of format %s; this release reads format %d only: %s"
                    % (value.get("image_id"), version, FORMAT,
                       "upgrade nova_swift_handler here" if version > FORMAT
                       else "it was provisional; store the disk again"))
            point = _known(cls, {
                **value, "regions": [_known(RegionRef, region) for region in value["regions"]],
                "segments": [Segment.parse(segment) for segment in value["segments"]]})
            point._check()
            return point
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise exceptions.PointInvalid("a point.json is damaged: %r" % error) from error

    def _check(self) -> None:
        """Raise TypeError or ValueError if a field is none of its kind: all points are sorted."""
        for field in dataclasses.fields(self):
            kind = _KINDS.get(str(field.type))
            if kind is not None and not isinstance(getattr(self, field.name), kind):
                raise TypeError("its %s is %r" % (field.name, getattr(self, field.name)))
        for date in filter(None, (self.stored_at, self.expires)):
            email.utils.parsedate_to_datetime(date)


_KINDS: Dict[str, Tuple[type, ...]] = {
    "str": (str,), "int": (int,), "Optional[str]": (str, type(None)), "Dict[str, str]": (dict,)}


def _known(kind: Type[T], fields: Mapping[str, Any]) -> T:
    return kind(**{
        field.name: fields[field.name]
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
        if field.name in fields or field.default is dataclasses.MISSING})
