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

"""Entries of static large objects, and how to write them so that Swift serves them fast.

What Swift does with them (swift 2.38, measured): at most 1000 entries that name objects, at most
8 MiB of manifest; inline data does not count as an entry; two ranges of one object one behind the
other are fetched by one multi-range request, which is slow, so neighbours are merged; an object
below 1 MiB is rate limited.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from typing import Any, Dict, Iterable, Iterator, List, Optional

MAX_OBJECT_ENTRIES = 1000


@dataclasses.dataclass(frozen=True)
class Entry:
    """A part of a stitched object: a whole object, a range of one, or inline bytes.

    :ivar path: ``/container/object``; None for inline bytes.
    :ivar etag: the named object's etag; None to accept whatever is there.
    :ivar size: bytes of the whole named object.
    :ivar first: where the range begins, bytes; None for the whole object.
    :ivar last: the range's last byte, inclusive as Swift has it.
    :ivar data: the inline bytes.
    """

    path: Optional[str] = None
    etag: Optional[str] = None
    size: int = 0
    first: Optional[int] = None
    last: Optional[int] = None
    data: bytes = b""

    @property
    def length(self) -> int:
        """Bytes that this part adds."""
        if self.path is None:
            return len(self.data)
        if self.first is None or self.last is None:
            return self.size
        return self.last - self.first + 1

    def as_json(self) -> Dict[str, Any]:
        """Return the entry as Swift's manifest PUT takes it."""
        if self.path is None:
            return {"data": base64.b64encode(self.data).decode("ascii")}
        value: Dict[str, Any] = {"path": self.path, "size_bytes": self.size}
        if self.etag is not None:
            value["etag"] = self.etag
        if self.first is not None and self.last is not None:
            value["range"] = "%d-%d" % (self.first, self.last)
        return value

    @classmethod
    def parse(cls, value: Dict[str, Any]) -> Entry:
        """Return the entry that Swift describes in answer to ``multipart-manifest=get``.

        :raises ValueError, KeyError, TypeError: it is none.
        """
        if "data" in value:
            return cls(data=base64.b64decode(value["data"], validate=True))
        first, last = None, None
        if value.get("range"):
            first, last = (int(number) for number in value["range"].split("-"))
        return cls(value["name"], value["hash"], int(value["bytes"]), first, last)


def size_of(entry: Entry) -> int:
    """Return the bytes that *entry* takes in a manifest's JSON."""
    return len(_json([entry]))


def digest(entries: List[Entry]) -> str:
    """Return the SHA-256, in hexadecimal, of a manifest of *entries*."""
    return hashlib.sha256(_json(entries)).hexdigest()


def _json(entries: List[Entry]) -> bytes:
    return json.dumps([entry.as_json() for entry in entries]).encode("utf-8")


def merged(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield *entries* with ranges that continue one another made one."""
    before: Optional[Entry] = None
    for entry in entries:
        if (before is not None and before.path is not None and before.path == entry.path
                and before.last is not None and entry.first == before.last + 1):
            before = dataclasses.replace(before, last=entry.last)
            continue
        if before is not None:
            yield before
        before = entry
    if before is not None:
        yield before
