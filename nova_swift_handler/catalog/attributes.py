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

"""What the image of a template or ISO is to look like in Glance, beside its bytes."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, Mapping, Optional

from nova_swift_handler import exceptions

PROPERTY = "property."
"""What the keys begin with under which the custom properties of the image are."""

VISIBILITIES = ("private", "shared", "community", "public")

_BASE = ("visibility", "min_disk", "min_ram", "protected")
_TRUTH = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class Attributes:
    """Attributes of an image that people choose; None leaves one as it is.

    :ivar visibility: one of ``VISIBILITIES``.
    :ivar min_disk: GiB that a root disk must have.
    :ivar min_ram: MiB of memory that an instance must have.
    :ivar protected: whether Glance refuses to delete the image.
    :ivar properties: its custom properties.
    """

    visibility: Optional[str] = None
    min_disk: Optional[int] = None
    min_ram: Optional[int] = None
    protected: Optional[bool] = None
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def lines(self) -> Dict[str, str]:
        """Return what ``<name>.properties`` says of them, see the specification."""
        lines = {name: str(value).lower() for name, value in self._base().items()}
        lines.update({PROPERTY + key: value for key, value in self.properties.items()})
        return lines

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Attributes:
        """Return what the lines of ``<name>.properties`` say; other lines are passed over.

        :raises PointInvalid: one says nothing that can be.
        """
        def number(key: str) -> Optional[int]:
            return int(values[key]) if key in values else None

        try:
            visibility = values.get("visibility")
            if visibility is not None and visibility not in VISIBILITIES:
                raise ValueError("visibility=%s" % visibility)
            protected = _TRUTH[values["protected"].lower()] if "protected" in values else None
            return cls(visibility, number("min_disk"), number("min_ram"), protected, {
                key[len(PROPERTY):]: value for key, value in values.items()
                if key.startswith(PROPERTY)})
        except (KeyError, ValueError) as error:
            raise exceptions.PointInvalid(
                "the properties of %r say what no image can be: %s; mend that line of the object "
                "in Swift, or delete the line" % (values.get("name"), error)) from error

    def image(self, name: str) -> Dict[str, Any]:
        """Return what Glance is to say of the image *name*, attributes and custom properties."""
        return {**self.properties, **self._base(), "name": name}

    def changed(self, changes: Attributes, unset: Iterable[str] = ()) -> Attributes:
        """Return these with *changes*, the custom properties *unset* being gone."""
        gone = set(unset)
        kept = {key: value for key, value in self.properties.items() if key not in gone}
        return dataclasses.replace(self, **changes._base(),
                                   properties={**kept, **changes.properties})

    def _base(self) -> Dict[str, Any]:
        named = {name: getattr(self, name) for name in _BASE}
        return {name: value for name, value in named.items() if value is not None}


def is_chosen(key: str) -> bool:
    """Tell whether a line of ``<name>.properties`` is about an attribute that people choose."""
    return key in _BASE or key.startswith(PROPERTY)
