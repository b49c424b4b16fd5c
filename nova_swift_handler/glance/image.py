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

"""An image as Glance describes it."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Tuple

BASE = frozenset((
    "id", "name", "owner", "status", "disk_format", "container_format", "size", "virtual_size",
    "created_at", "updated_at", "visibility", "protected", "checksum", "os_hash_algo",
    "os_hash_value", "os_hidden", "min_disk", "min_ram", "tags", "self", "file", "schema",
    "stores", "locations", "direct_url",
))
"""Names of attributes that all images have; any other name is a custom property's."""

_INTERNAL = "os_glance_"  # what Glance notes for itself, e.g. which task holds the image
_LOCK = "os_glance_import_task"


@dataclasses.dataclass(frozen=True)
class Image:
    """An image's record.

    :ivar owner: project id; None for an image without owner.
    :ivar size: bytes as stored; None while there is no data.
    :ivar virtual_size: bytes of the disk, where Glance knows.
    :ivar created_at: as Glance writes it, ``YYYY-MM-DDTHH:MM:SSZ``.
    :ivar checksum: md5 of the bytes, hexadecimal; None when Glance never computed it.
    :ivar os_hash_algo: name of the algorithm of *os_hash_value*, e.g. ``sha512``.
    :ivar min_disk: GiB a root disk must have.
    :ivar min_ram: MiB of memory an instance must have.
    :ivar properties: the custom properties, all text, without those Glance keeps for itself.
    :ivar shows_locations: Glance lists locations to whoever sees the image; a location with a key
        in it would be given away.
    :ivar hidden: lists leave it out.
    :ivar takes_locations: Glance lists them, and takes some, in the image's record.
    :ivar import_task: Glance's task that holds the image while it works on it in the background.
    """

    id: str
    name: Optional[str]
    owner: Optional[str]
    status: str
    disk_format: Optional[str]
    container_format: Optional[str]
    size: Optional[int]
    created_at: str
    visibility: str
    protected: bool
    checksum: Optional[str]
    os_hash_algo: Optional[str]
    os_hash_value: Optional[str]
    min_disk: int
    properties: Dict[str, str]
    shows_locations: bool = False
    import_task: Optional[str] = None
    virtual_size: Optional[int] = None
    takes_locations: bool = False
    min_ram: int = 0
    hidden: bool = False
    tags: Tuple[str, ...] = ()

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> Image:
        """Return the image that the images API v2 describes as *body*."""
        return cls(
            id=body["id"],
            name=body.get("name"),
            owner=body.get("owner"),
            status=body["status"],
            disk_format=body.get("disk_format"),
            container_format=body.get("container_format"),
            size=body.get("size"),
            created_at=body.get("created_at", ""),
            visibility=body.get("visibility", ""),
            protected=bool(body.get("protected")),
            checksum=body.get("checksum"),
            os_hash_algo=body.get("os_hash_algo"),
            os_hash_value=body.get("os_hash_value"),
            min_disk=int(body.get("min_disk") or 0),
            properties={name: value for name, value in body.items()
                        if name not in BASE and not name.startswith(_INTERNAL)
                        and value is not None},
            shows_locations="locations" in body or "direct_url" in body,
            import_task=body.get(_LOCK),
            virtual_size=body.get("virtual_size"),
            takes_locations="locations" in body,
            min_ram=int(body.get("min_ram") or 0),
            hidden=bool(body.get("os_hidden")),
            tags=tuple(body.get("tags") or ()),
        )

    def changes(self, wanted: Mapping[str, Any]) -> List[Dict[str, Any]]:
        """Return the JSON patch (RFC 6902) that gives this image the *wanted* values.

        *wanted* maps names of base attributes or of custom properties to values; a custom property
        of value None is removed.  What is as wanted already is left out.
        """
        patch: List[Dict[str, Any]] = []
        for name, value in sorted(wanted.items()):
            path = "/" + name.replace("~", "~0").replace("/", "~1")
            if name in BASE:
                if getattr(self, name, None) != value:
                    patch.append({"op": "replace", "path": path, "value": value})
            elif value is None:
                if name in self.properties:
                    patch.append({"op": "remove", "path": path})
            elif name not in self.properties:
                patch.append({"op": "add", "path": path, "value": value})
            elif self.properties[name] != value:
                patch.append({"op": "replace", "path": path, "value": value})
        return patch
