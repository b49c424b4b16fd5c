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

"""Whether an ISO is there as it was stored."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Callable, Iterator, List, Mapping

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import finding, names
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account

_PIECE = 1024 * 1024
_AGAIN = ("let Swift's object auditor replace a damaged replica and verify again; if it stays so, "
          "delete the ISO and store it again")


def check(account: Account, where: names.Containers, values: Mapping[str, str], whole: bool,
          progress: Callable[[int, int], None] = lambda done, total: None) -> List[Finding]:
    """Return what is wrong with the ISO whose properties are *values*.

    :param whole: whether to read it; else only sizes and etags are asked for.
    :param progress: called with the bytes read and those there are.
    :raises StoreError: Swift could not be asked.
    """
    found = list(_index(account, where, values)) + list(_parts(account, where.isos, values))
    if whole and not found:
        found += _content(account, where.isos, values, progress)
    return found


def _index(account: Account, where: names.Containers,
           values: Mapping[str, str]) -> Iterator[Finding]:
    wanted = (where.isos, names.of_point(values["id"], names.ISO_VIEW))
    try:
        entry = account.get_json(where.index, values["id"])
        problem = ("" if (entry["container"], entry["view"]) == wanted
                   else "it leads elsewhere: %s" % entry["view"])
    except exceptions.ObjectMissing:
        problem = finding.ABSENT
    except (exceptions.StoreCorrupt, KeyError, TypeError) as error:
        problem = "it is damaged: %r" % error
    if problem:
        yield _bad(values, finding.INDEX, where.index, values["id"], problem)


def _parts(account: Account, container: str, values: Mapping[str, str]) -> Iterator[Finding]:
    name = names.of_point(values["id"], names.ISO_VIEW)
    try:
        entries = account.manifest(container, name)
    except (exceptions.ObjectMissing, exceptions.StoreCorrupt) as error:
        yield _bad(values, finding.ISO, container, name, finding.ABSENT if isinstance(
            error, exceptions.ObjectMissing) else str(error))
        return
    size = sum(entry.length for entry in entries)
    if str(size) != values.get("size"):
        yield _bad(values, finding.ISO, container, name, "it has %d bytes, its properties say %s"
                   % (size, values.get("size")))
    for entry in entries:
        place, _, part = (entry.path or "").lstrip("/").partition("/")
        try:
            there = account.head(place, part)
        except exceptions.ObjectMissing:
            yield _bad(values, finding.SEGMENT, place, part, finding.ABSENT)
            continue
        if (there.size, there.etag) != (entry.size, entry.etag):
            yield _bad(values, finding.SEGMENT, place, part,
                       "it has %d bytes and etag %s, not %s and %s" % (
                           there.size, there.etag, entry.size, entry.etag))


def _content(account: Account, container: str, values: Mapping[str, str],
             progress: Callable[[int, int], None]) -> Iterator[Finding]:
    name = names.of_point(values["id"], names.ISO_VIEW)
    digest, done = hashlib.sha256(), 0
    try:
        with contextlib.closing(account.open(container, name)) as stream:
            piece = stream.read(_PIECE)
            while piece:
                digest.update(piece)
                done += len(piece)
                progress(done, stream.length)
                piece = stream.read(_PIECE)
    except exceptions.StoreError as error:
        presence.refuse_outage(account, container)
        yield _bad(values, finding.ISO, container, name, "it cannot be read: %s" % error)
        return
    found = "sha256:" + digest.hexdigest()
    if found != values.get("checksum"):
        yield _bad(values, finding.ISO, container, name, "its bytes have the checksum %s, its "
                   "properties say %s" % (found, values.get("checksum")))


def _bad(values: Mapping[str, str], kind: str, container: str, name: str,
         problem: str) -> Finding:
    return Finding(kind, container, name, problem, (values["id"],), advice=_AGAIN)
