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

"""What a listing of the index tells of each stored disk, so that a list of them reads none.

The content type of the index's object has it as parameters: a listing of a container shows content
types, and nothing else that a writer is free to choose.  It is for lists only: who reads or
deletes a disk asks its ``point.json``.  Objects that an older release has written have none of
this; of them ``point.json`` is read.
"""

from __future__ import annotations

import calendar
import contextlib
import dataclasses
import email.utils
import logging
import urllib.parse
from concurrent import futures
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names, readable
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import parallel
from nova_swift_handler.store.account import JSON, Account
from nova_swift_handler.vhd import constants

LOG = logging.getLogger(__name__)

ISO = "iso"
_VERSION = "1"


@dataclasses.dataclass(frozen=True)
class Summary:
    """A stored disk or ISO, as far as lists tell.

    :ivar kind: as in the index: a point's, or ``ISO``.
    :ivar container: the one that holds it.
    :ivar virtual_size: bytes of the disk, or of the ISO.
    :ivar logical: bytes of its blocks that are not zero; of an ISO all.
    :ivar stored: bytes that were stored for it: what its parent lacked.
    :ivar sequence: see ``Point``; 0 of an ISO.
    :ivar parent: image id of the point it was compared with.
    :ivar chained: whether its ``delta.vhd`` referred to that one when it was written.
    :ivar base: image id of what the disk was made of.
    :ivar project_id: the image's owner when it was stored.
    :ivar stored_at: when that was, in seconds since 1970.
    :ivar expires_at: of an export, likewise.
    """

    image_id: str
    kind: str
    container: str
    virtual_size: int
    logical: int
    stored: int
    stored_at: int
    sequence: int = 0
    parent: Optional[str] = None
    chained: bool = False
    base: Optional[str] = None
    project_id: str = ""
    expires_at: Optional[int] = None

    def agrees(self, other: Summary) -> bool:
        """Tell whether *other* says the same, but for what the disk itself does not tell.

        Of an ISO that is also when it was stored: its object's date is near that, not the same.
        """
        own = dataclasses.replace(self, chained=other.chained)
        if self.kind == ISO:
            own = dataclasses.replace(own, stored_at=other.stored_at)
        return own == other


@dataclasses.dataclass(frozen=True)
class Lost:
    """An entry of the index that cannot be told more of.

    :ivar problem: why.
    """

    image_id: str
    kind: str
    container: str
    problem: str


Entry = Union[Summary, Lost]


def of_point(point: Point, chained: Optional[bool] = None) -> Summary:
    """Return the summary of a point.

    :param chained: see ``Summary``; if None, that is taken to be so if its parent lies in the same
        container: but for a disk that grew, it is.
    """
    if chained is None:
        chained = point.parent is not None and point.parent_container == point.container
    return Summary(
        image_id=point.image_id, kind=point.kind, container=point.container,
        virtual_size=point.virtual_size, logical=point.blocks * constants.BLOCK_SIZE,
        stored=point.sent_bytes, stored_at=_seconds(point.stored_at), sequence=point.sequence,
        parent=point.parent, chained=chained, base=point.base, project_id=point.project_id,
        expires_at=point.expires_at)


def content_type(summary: Summary) -> str:
    """Return the content type that tells *summary*; the image id is the object's name."""
    values: Dict[str, Any] = {"summary": _VERSION}
    for field in dataclasses.fields(Summary):
        value = getattr(summary, field.name)
        if field.name != "image_id" and value != field.default:
            values[field.name] = int(value) if isinstance(value, bool) else value
    return "; ".join([JSON] + ["%s=%s" % (name, urllib.parse.quote(str(value), safe=""))
                                 for name, value in values.items()])


def parse(row: Mapping[str, Any]) -> Optional[Summary]:
    """Return what a *row* of the index's listing tells; None if that is nothing, or too little."""
    values = {}
    for part in row["content_type"].split(";")[1:]:
        name, _, value = part.strip().partition("=")
        values[name] = urllib.parse.unquote(value)
    if values.get("summary") != _VERSION:
        return None
    try:
        return Summary(row["name"], **{
            field.name: _READ.get(str(field.type), str)(values[field.name])
            for field in dataclasses.fields(Summary) if field.name in values})
    except (TypeError, ValueError):
        return None


_READ: Dict[str, Any] = {"int": int, "Optional[int]": int, "bool": lambda text: text == "1"}


def each(account: Account, containers: names.Containers) -> List[Entry]:
    """Return what the index has, by image id.

    One request for 10,000 entries; two more for each that was written without a summary.

    :raises StoreError: Swift could not be asked.
    """
    rows = [row for row in account.listing(containers.index) if not row["name"].startswith(".")]
    found = [parse(row) for row in rows]
    unread = [row["name"] for row, summary in zip(rows, found) if summary is None]
    if unread:
        LOG.info("Reading %d disks one by one, which an earlier release stored; `swift-vhd "
                 "housekeep` writes down what lists need.", len(unread))
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        read = dict(zip(unread, pool.map(lambda name: one(account, containers, name), unread)))
    entries = [summary or read[row["name"]] for row, summary in zip(rows, found)]
    return [entry for entry in entries if entry is not None]


def of_containers(account: Account, containers: names.Containers,
                  wanted: Iterable[str]) -> Dict[str, List[Summary]]:
    """Return, by age, what the points of the containers *wanted* are; of one that has gone, none.

    Which there are the containers' listings tell, and what they are the index does.  Points that
    it does not know are read; those of them that cannot be are passed over.

    :raises StoreError: Swift could not be asked.
    """
    wanted = list(wanted)
    known: Dict[Tuple[str, str], Summary] = {}
    with contextlib.suppress(exceptions.ObjectMissing):  # without an index all are read
        known.update(((entry.container, names.of_point(entry.image_id, names.POINT)), entry)
                     for entry in (each(account, containers) if wanted else ())
                     if isinstance(entry, Summary))
    with futures.ThreadPoolExecutor(parallel.REQUESTS) as pool:
        listings = readable.listed_everywhere(account, pool, wanted)
        read = readable.read_all(account, pool, {
            container: [row for row in rows if (container, row.name) not in known]
            for container, rows in listings.items()})
    found = {}
    for container, rows in listings.items():
        readable.tell(read[container].findings)
        found[container] = sorted(
            [*(known[container, row.name] for row in rows if (container, row.name) in known),
             *map(of_point, read[container].whole)],
            key=lambda entry: (entry.sequence, entry.image_id))
    return found


def one(account: Account, containers: names.Containers, image_id: str) -> Optional[Entry]:
    """Return what is stored of an image, read and not believed from a listing; None if nothing.

    :raises StoreError: Swift could not be asked.
    """
    try:
        entry = account.get_json(containers.index, image_id)
        kind, container, view = entry["kind"], entry["container"], entry["view"]
    except exceptions.ObjectMissing:
        return None
    except (exceptions.StoreCorrupt, KeyError, TypeError) as error:
        return Lost(image_id, "", "", "its entry in the index is damaged: %r" % error)
    try:
        if kind == ISO:
            headers = account.headers(container, view)
            return of_iso(image_id, container, int(headers["content-length"]),
                          _seconds(headers["last-modified"]))
        return of_point(Point.parse(account.get_json(
            container, names.of_point(image_id, names.POINT))))
    except exceptions.ObjectMissing:
        return Lost(image_id, kind, container, "its disk is gone")
    except (exceptions.PointInvalid, exceptions.StoreCorrupt) as error:
        return Lost(image_id, kind, container, str(error))


def of_iso(image_id: str, container: str, size: int, stored_at: int) -> Summary:
    """Return the summary of an ISO of *size* bytes."""
    return Summary(image_id, ISO, container, virtual_size=size, logical=size, stored=size,
                   stored_at=stored_at)


def renew(account: Account, containers: names.Containers, summary: Summary) -> None:
    """Write *summary* down in the index, if the image is still there.

    :raises ObjectMissing: it is not.
    """
    # A POST, not a PUT: an entry that was deleted meanwhile must not come back.
    account.post(containers.index, summary.image_id, {"Content-Type": content_type(summary)})


def _seconds(date: str) -> int:
    return calendar.timegm(email.utils.parsedate_to_datetime(date).utctimetuple())
