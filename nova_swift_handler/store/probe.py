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

"""Find out what a cluster's static large objects can do, by trying.

A cluster does not say: Swift's ``/info`` names limits and no abilities, and Ceph's gateway takes
manifests with ranges and inline data, ignores both in silence, and serves wrong bytes.  So each
ability is tried with throw-away objects, and only what gives the right size and the right bytes
counts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import time
import uuid
from typing import Any, Callable, Dict, List, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.store import removal, tempurl
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry

LOG = logging.getLogger(__name__)

KEPT = ".abilities"
"""The object that holds the answer."""

_FORMAT = 1
_MOST_DEPTH = 5
_SIZE = 64 * 1024
# Limits where the cluster names none: what Swift's own were when it had the lowest.
_ENTRIES = 1000
_MANIFEST = 2 * 2 ** 20
_OBJECT = 5 * 2 ** 30
# In seconds: the objects vanish by themselves if this process is killed.
_LIFE = {"X-Delete-After": "3600"}
_KEY = "x-account-meta-temp-url-key"


def abilities(account: Account, container: str) -> Abilities:
    """Return what the cluster can do: what was found before, or by trying if nothing was.

    The answer is kept in *container*, the index's, with a fingerprint of the cluster's
    ``/info``: one that was upgraded or set up differently is tried anew, and so is one whose
    account has a key for TempURLs now and had none then.  What may have been an outage is not
    kept.

    :raises StoreError: the cluster could not be asked, or has no static large objects.
    """
    fingerprint = _fingerprint(account.info())
    with contextlib.suppress(exceptions.ObjectMissing):
        try:
            kept = account.get_json(container, KEPT)
            if (kept["format"], kept["info"]) == (_FORMAT, fingerprint):
                before = Abilities.parse(kept["abilities"])
                # The account may have got its key since.
                if kept["key"] or not account.head_account().get(_KEY):
                    return before
        except (exceptions.StoreCorrupt, KeyError, TypeError) as error:
            LOG.warning("Trying anew what the cluster can do: %s/%s is damaged: %s", container,
                        KEPT, error)
    found = probe(account, container)
    if found.certain:
        account.put_json(container, KEPT, {
            "format": _FORMAT, "info": fingerprint,
            "key": bool(account.head_account().get(_KEY)), "abilities": found.as_json()})
    return found


def probe(account: Account, container: str) -> Abilities:
    """Try what the cluster can do, with objects in *container* that are removed again.

    :raises StoreError: the cluster could not be asked, or has no static large objects at all.
    """
    trial = _Trial(account, container, account.info())
    try:
        return trial.run()
    finally:
        trial.clean_up()


def _fingerprint(info: Dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(info, sort_keys=True).encode("utf-8")).hexdigest()


class _Trial:
    """One run of the probe.

    A trial is a function that returns nothing if what it tried works, and raises if not.
    """

    def __init__(self, account: Account, container: str, info: Dict[str, Any]) -> None:
        self._account = account
        self._container = container
        self._prefix = ".probe/%s/" % uuid.uuid4()
        self._written: List[Tuple[str, str]] = []
        self._said: List[str] = []
        self._certain = True
        self._slo = _section(info, "slo")
        self._max_object = _number(_section(info, "swift"), "max_file_size", _OBJECT)

    def run(self) -> Abilities:
        size = max(_SIZE, 4 * _number(self._slo, "min_segment_size", 1))
        # Different bytes, so that one mistaken for the other is noticed.
        self._bytes = [os.urandom(size), os.urandom(size)]
        self._parts = [self._put("part%d" % number, data)
                       for number, data in enumerate(self._bytes)]
        self._both = self._stitch_whole()
        ranges = self._works("ranges of objects", self._ranges)
        inline = self._works("inline data", self._inline_data)
        nested = self._works("stitched objects in stitched ones", self._nested)
        depth = self._depth() if nested else 1
        nested_ranges = ranges and nested and self._works(
            "ranges of stitched objects", self._nested_ranges)
        symlinks = self._works("symbolic links", lambda: self._symlinks(ranges))
        digest = self._tempurl()
        entries = _number(self._slo, "max_manifest_segments", _ENTRIES)
        manifest = _number(self._slo, "max_manifest_size", _MANIFEST)
        self._said.append("limits: %d objects and %d bytes a manifest, %d bytes an object, "
                          "nested %d deep%s" % (
                              entries, manifest, self._max_object, depth,
                              "" if self._slo else " (/info names none: Swift's lowest)"))
        return Abilities(
            ranges=ranges, inline_data=inline, nested=nested, nested_ranges=nested_ranges,
            symlinks=symlinks, tempurl=bool(digest), tempurl_digest=digest, max_entries=entries,
            max_manifest=manifest, max_object=self._max_object, depth=depth,
            certain=self._certain, found=tuple(self._said))

    def clean_up(self) -> None:
        removal.remove(self._account, reversed(self._written), "a probe of the cluster")

    # -- the trials ---------------------------------------------------------------------------

    def _stitch_whole(self) -> Entry:
        try:
            return self._stitch("both", self._parts, b"".join(self._bytes))
        except exceptions.StoreUnreachable:
            raise
        except exceptions.StoreError as error:
            raise exceptions.AbilityMissing(
                "the cluster does not stitch objects of others (%s): static large objects are "
                "what all is stored with; have the middleware slo put into the pipeline of "
                "Swift's proxies" % error) from error

    def _ranges(self) -> None:
        quarter = len(self._bytes[0]) // 4
        # Two of one object behind one another are asked for by one request with two ranges.
        wanted = [(0, quarter, 2 * quarter), (1, 0, quarter), (1, 2 * quarter, 3 * quarter),
                  (0, 3 * quarter, 4 * quarter)]
        self._stitch("ranges", [_range(self._parts[part], first, end)
                                for part, first, end in wanted],
                     b"".join(self._bytes[part][first:end] for part, first, end in wanted))

    def _inline_data(self) -> None:
        first, second = (Entry(data=os.urandom(512)) for _each in range(2))
        self._stitch("inline", [first, self._parts[0], second],
                     first.data + self._bytes[0] + second.data)

    def _nested(self) -> None:
        self._nest(2, [self._parts[1], self._both],
                   self._bytes[1] + self._bytes[0] + self._bytes[1])

    def _nest(self, depth: int, entries: List[Entry], expected: bytes) -> Entry:
        return self._stitch("depth%d" % depth, entries, expected)

    def _depth(self) -> int:
        expected = b"".join(self._bytes)
        inner = self._both

        def deeper() -> None:
            nonlocal inner
            inner = self._nest(depth, [inner], expected)

        for depth in range(2, _MOST_DEPTH + 1):
            if self._fails(deeper):
                return depth - 1
        return _MOST_DEPTH

    def _nested_ranges(self) -> None:
        half = len(self._bytes[0]) // 2
        self._stitch("nested-range", [_range(self._both, half, 3 * half)],
                     b"".join(self._bytes)[half:3 * half])

    def _symlinks(self, ranges: bool) -> None:
        part, data = self._parts[0], self._bytes[0]
        name = self._note("link")
        self._account.symlink(self._container, name, str(part.path), _LIFE)
        self._check(name, data)
        link = Entry("/%s/%s" % (self._container, name), part.etag, part.size)
        end = len(data) // 2 if ranges else len(data)
        self._stitch("linked", [_range(link, 0, end), part] if ranges else [link, part],
                     data[:end] + data)

    def _tempurl(self) -> str:
        key = self._account.head_account().get(_KEY)
        if not key:
            self._said.append("TempURL: not tried, for the account has no key: `swift-vhd setup` "
                              "makes one")
            return ""
        for digest in tempurl.DIGESTS:
            if self._works("TempURL by %s" % digest.upper(),
                           functools.partial(self._open_signed, key, digest)):
                return digest
        return ""

    def _open_signed(self, key: str, digest: str) -> None:
        address = tempurl.signed(self._account.url, self._container, self._prefix + "both", key,
                                 int(time.time()) + 24 * 3600, digest)
        try:
            data = self._account.get_signed(address)
        except exceptions.StoreAuthFailed as error:
            raise exceptions.StoreError(str(error)) from error
        if data != b"".join(self._bytes):
            raise exceptions.StoreCorrupt("it gave other bytes than are stored")

    # -- how they are made and judged ---------------------------------------------------------

    def _works(self, what: str, attempt: Callable[[], Any]) -> bool:
        failure = self._fails(attempt)
        self._said.append("%s: %s" % (what, "no: %s" % failure if failure else "yes"))
        return not failure

    def _fails(self, attempt: Callable[[], Any]) -> str:
        """Return why an attempt failed; nothing if it did not."""
        try:
            attempt()
        except exceptions.StoreAuthFailed:
            raise
        except exceptions.StoreUnreachable as error:
            # If plain objects cannot be had either, it is an outage, which says nothing.
            self._check(self._prefix + "part0", self._bytes[0])
            self._certain = False
            return str(error)
        except exceptions.StoreError as error:
            return str(error)
        return ""

    def _put(self, name: str, data: bytes) -> Entry:
        noted = self._note(name)
        stored = self._account.put(self._container, noted, data, headers=_LIFE)
        return Entry("/%s/%s" % (self._container, noted), stored.etag, stored.size)

    def _stitch(self, name: str, entries: List[Entry], expected: bytes) -> Entry:
        noted = self._note(name)
        stored = self._account.put_manifest(self._container, noted, entries, headers=_LIFE)
        self._check(noted, expected)
        return Entry("/%s/%s" % (self._container, noted), stored.etag, stored.size)

    def _check(self, name: str, expected: bytes) -> None:
        stream = self._account.open(self._container, name)
        with contextlib.closing(stream):
            if stream.length != len(expected):
                raise exceptions.StoreCorrupt("it has %d bytes where its parts have %d"
                                              % (stream.length, len(expected)))
            if b"".join(iter(stream.read, b"")) != expected:
                raise exceptions.StoreCorrupt("it gives other bytes than its parts have")
        middle = bytearray(len(expected) // 2)
        self._account.read_into(self._container, name, len(expected) // 3, memoryview(middle))
        if middle != expected[len(expected) // 3:][:len(middle)]:
            raise exceptions.StoreCorrupt("a range of it has other bytes than its parts have")

    def _note(self, name: str) -> str:
        """Return an object's whole name, remembered before it is written."""
        whole = self._prefix + name
        self._written.append((self._container, whole))
        return whole


def _range(entry: Entry, first: int, end: int) -> Entry:
    return Entry(entry.path, entry.etag, entry.size, first, end - 1)


def _section(info: Dict[str, Any], name: str) -> Dict[str, Any]:
    section = info.get(name)
    return section if isinstance(section, dict) else {}


def _number(section: Dict[str, Any], name: str, default: int) -> int:
    value = section.get(name)
    return value if isinstance(value, int) and value > 0 else default
