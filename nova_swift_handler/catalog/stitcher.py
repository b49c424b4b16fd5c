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

"""Stitch one object of any number of entries: in parts, where one manifest cannot hold them."""

from __future__ import annotations

import collections
import itertools
from concurrent import futures
from typing import Callable, Deque, Iterable, Iterator, List, Mapping, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.store import manifest
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.manifest import Entry

_WORKERS = 4


class Stitcher:
    """Stores stitched objects of one container.

    :param content_type: of the objects.
    :param note: called with each object's name before it is written.
    """

    def __init__(self, account: Account, abilities: Abilities, container: str,
                 content_type: str = "application/octet-stream",
                 note: Callable[[str], None] = lambda name: None) -> None:
        self._account = account
        self._abilities = abilities
        self._container = container
        self._content_type = content_type
        self._note = note

    def put(self, name: str, parts: str, entries: Iterable[Entry], depth: int,
            headers: Optional[Mapping[str, str]] = None) -> Stored:
        """Store *entries* as one object.

        They are consumed as they are sent, so that millions need no memory.  A failure leaves
        parts behind; the next attempt with the same entries overwrites them.

        :param entries: no long row of inline data among them: Swift takes no manifest that names
            no object.
        :param parts: what the names of its parts begin with, if it has any; a part is named by
            its content, and by its place so that equal parts are still two objects.
        :param depth: manifests that may be nested in each other, this one counted.
        :param headers: of the object itself, as ``Account.put`` takes them.
        :raises AbilityMissing: it would have to be nested deeper.
        """
        chunks = self._chunks(entries)
        first = list(itertools.islice(chunks, 2))
        if len(first) < 2:
            self._note(name)
            return self._account.put_manifest(
                self._container, name, first[0] if first else [], self._content_type, headers)
        if depth < 2:
            raise exceptions.AbilityMissing(
                "%s/%s cannot be stitched: it has more parts than this cluster's manifests can "
                "name, %d entries and %d bytes each and %d deep; have max_manifest_segments and "
                "max_manifest_size raised in Swift's proxies"
                % (self._container, name, self._abilities.max_entries,
                   self._abilities.max_manifest, self._abilities.depth))
        return self.put(name, parts, self._put_parts(parts, itertools.chain(first, chunks)),
                        depth - 1, headers)

    def _put_parts(self, parts: str, chunks: Iterator[List[Entry]]) -> Iterator[Entry]:
        """Store each chunk as a part; yield the entries that name them, in order."""
        waiting: Deque[futures.Future[Entry]] = collections.deque()
        pool = futures.ThreadPoolExecutor(_WORKERS)
        try:
            for serial, chunk in enumerate(chunks):
                waiting.append(pool.submit(self._put_part, parts, serial, chunk))
                if len(waiting) > _WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            pool.shutdown()

    def _put_part(self, parts: str, serial: int, chunk: List[Entry]) -> Entry:
        name = "%s%s.%d" % (parts, manifest.digest(chunk), serial)
        self._note(name)
        stored = self._account.put_manifest(self._container, name, chunk, self._content_type)
        return Entry("/%s/%s" % (self._container, name), stored.etag, stored.size)

    def _chunks(self, entries: Iterable[Entry]) -> Iterator[List[Entry]]:
        """Cut *entries* into as many as one manifest can hold."""
        chunk: List[Entry] = []
        objects, size = 0, 2
        for entry in entries:
            length = manifest.size_of(entry)
            named = entry.path is not None
            if chunk and (size + length > self._abilities.max_manifest
                          or objects + named > self._abilities.max_entries):
                yield chunk
                chunk, objects, size = [], 0, 2
            chunk.append(entry)
            objects += named
            size += length
        if chunk:
            yield chunk
