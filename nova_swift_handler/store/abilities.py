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

"""What a cluster's static large objects can do."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Tuple

from nova_swift_handler import exceptions


@dataclasses.dataclass(frozen=True)
class Abilities:
    """What was found out about a cluster by trying; see :mod:`.probe`.

    :ivar ranges: a stitched object may hold ranges of others.
    :ivar inline_data: it may hold bytes that are in the manifest itself.
    :ivar nested: it may hold stitched objects.
    :ivar nested_ranges: it may hold ranges of stitched objects.
    :ivar symlinks: an object may be reached, and stitched, by a symbolic link.
    :ivar tempurl: a stitched object can be had by TempURL with the account's key; False as well
        where the account has no key.
    :ivar tempurl_digest: the digest to sign these with, as hashlib names it; empty for none.
    :ivar max_entries: entries that a manifest may have which name objects; inline data are none.
    :ivar max_manifest: bytes that a manifest may have, as JSON.
    :ivar max_object: bytes that an object may have which is not stitched.
    :ivar depth: how deep stitched objects may be nested and still be read right; 1 without
        nesting, and not tried beyond 5.
    :ivar certain: False if something counts as missing because the cluster failed inside, or did
        not answer, when just that was tried.
    :ivar found: the same in words, a line each.
    """

    ranges: bool
    inline_data: bool
    nested: bool
    nested_ranges: bool
    symlinks: bool
    tempurl: bool
    tempurl_digest: str
    max_entries: int
    max_manifest: int
    max_object: int
    depth: int
    certain: bool = True
    found: Tuple[str, ...] = ()

    @property
    def shares_blocks(self) -> bool:
        """Whether views can be stitched of single blocks and shared regions.

        Without, they are stitched of whole segments.
        """
        return self.ranges and self.inline_data and self.nested

    def as_json(self) -> Dict[str, Any]:
        """Return a value for JSON."""
        return {**dataclasses.asdict(self), "found": list(self.found)}

    @classmethod
    def parse(cls, value: Any) -> Abilities:
        """Return the abilities that :meth:`as_json` made *value* of.

        :raises StoreCorrupt: they are none.
        """
        try:
            fields = {**value, "found": tuple(value["found"])}
            for field in dataclasses.fields(cls):
                # Annotations are text here; bool is an int, and an int no bool.
                if type(fields[field.name]).__name__ != field.type.partition("[")[0].lower():
                    raise ValueError("%s is %r" % (field.name, fields[field.name]))
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise exceptions.StoreCorrupt(
                "what is kept about the cluster's abilities is damaged: %r" % error) from error
