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

"""What is wrong with what is stored, and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Tuple

SEGMENT, TABLE, PART = "segment", "table", "part"
HEAD, DISK, DELTA, RAW = "head", "disk.vhd", "delta.vhd", "disk.raw"
CLOSING, POINT, INDEX, IMAGE, BLOCK = "closing", "point", "index", "image", "block"
PROPERTIES = "properties"
ISO = "disk.iso"

REBUILT = frozenset((TABLE, PART, HEAD, DISK, DELTA, CLOSING, INDEX, IMAGE, PROPERTIES))
"""Kinds that ``rebuild`` makes anew."""

ABSENT = "it is not there"
"""The problem of an object that is gone."""

_REBUILD = "run `swift-vhd store rebuild`: it is made anew from the segments"
_ADVICE = {
    SEGMENT: "the data in it is lost unless Swift still has a good replica (see the object "
             "auditor's quarantine) or there is a copy elsewhere: PUT it back under this name, or "
             "delete these points; the volume's next snapshot stores the blocks again",
    BLOCK: "let Swift's object auditor replace the damaged replica and verify again; if the block "
           "stays bad, delete these points: the volume's next snapshot takes nothing of this "
           "segment, and stores the block again",
    POINT: "run `swift-vhd store rebuild`; if that finds no closing of it either, store the disk "
           "again",
    RAW: "run `swift-vhd snapshot raw` to write it anew, or delete the object",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something wrong.

    :ivar kind: of object, one of this module's constants.
    :ivar container: where it lies.
    :ivar name: of the object.
    :ivar problem: what is wrong.
    :ivar points: image ids of the points it hurts.
    :ivar blocks: numbers of the bad blocks, as these points count them.
    :ivar advice: what to do; as the kind suggests if empty.
    """

    kind: str
    container: str
    name: str
    problem: str
    points: Tuple[str, ...]
    blocks: Tuple[int, ...] = ()
    advice: str = ""

    @property
    def what_to_do(self) -> str:
        """Say what to do about it."""
        return self.advice or _ADVICE.get(self.kind, _REBUILD)

    def as_json(self) -> Dict[str, Any]:
        """Return a value for JSON."""
        return {"kind": self.kind, "object": "%s/%s" % (self.container, self.name),
                "problem": self.problem, "blocks": list(self.blocks),
                "points": list(self.points), "advice": self.what_to_do}
