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

"""Zeros of any number, stitched of a few that are stored."""

from __future__ import annotations

from typing import Callable, List, NamedTuple

from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry

_STORED = 8 * 2 ** 20
"""Bytes of the objects that hold zeros; below 1 MiB Swift would hold back who reads many."""

_SHORT, _FULL = 16, 512
"""Entries of the stitched ones: Swift reads a manifest whole for each entry that names it, so
short runs have a short one of their own; and two nested full ones are 2 TiB."""


class _Step(NamedTuple):
    entry: Entry
    depth: int


class Zeros:
    """Zeros in one container: two equal objects, and objects stitched of them by turns.

    Two, because parts of one object that follow one another are slow to read.

    :param parts: what the objects' names begin with.
    :param note: called with each object's name before it is written.

    :ivar depth: how many manifests are nested in the deepest of them.
    """

    def __init__(self, account: Account, abilities: Abilities, container: str,
                 parts: str, note: Callable[[str], None] = lambda name: None) -> None:
        self._account = account
        self._container = container
        self._parts = parts
        self._note = note
        self._full = max(2, min(_FULL, abilities.max_entries))
        self._steps: List[_Step] = []

    @property
    def depth(self) -> int:
        return self._steps[-1].depth if self._steps else 0

    def put(self, longest: int) -> None:
        """Store what is needed for runs of up to *longest* bytes; nothing for 0."""
        if not longest:
            return
        pair = [self._put_stored(letter) for letter in "ab"]
        self._steps = [_Step(pair[0], 0)]
        for count in sorted({min(_SHORT, self._full), self._full}):
            if self._steps[-1].entry.size < longest:
                self._steps.append(_Step(self._put_stitched(
                    [pair[number % 2] for number in range(count)]), 1))
        while self._steps[-1].entry.size < longest:
            self._steps.append(_Step(
                self._put_stitched([self._steps[-1].entry] * self._full), self.depth + 1))

    def entry(self, length: int) -> Entry:
        """Return an entry of *length* zeros.

        The shortest object that has as many is used.
        """
        step = next(step for step in self._steps if step.entry.size >= length)
        return Entry(step.entry.path, step.entry.etag, step.entry.size, 0, length - 1)

    def _put_stored(self, letter: str) -> Entry:
        name = "%szeros-%d.%s" % (self._parts, _STORED, letter)
        self._note(name)
        stored = self._account.put(self._container, name, bytes(_STORED))
        return Entry("/%s/%s" % (self._container, name), stored.etag, stored.size)

    def _put_stitched(self, entries: List[Entry]) -> Entry:
        name = "%szeros-%d" % (self._parts, sum(entry.size for entry in entries))
        self._note(name)
        stored = self._account.put_manifest(self._container, name, entries)
        return Entry("/%s/%s" % (self._container, name), stored.etag, stored.size)
