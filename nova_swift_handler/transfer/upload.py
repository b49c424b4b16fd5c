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

"""Store a disk's blocks in segments, several of them being sent at a time.

The source is read front to back.  A block that the parent has so, or that an upload which did not
end has sent already, is not sent.  Runs of neighbouring blocks are dealt out to the segments that
are open, so each segment holds its blocks in ascending order and neighbours mostly together.
A segment that Swift refuses or that is cut is lost whole; its blocks are read and sent again
when the source has been read to its end.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import threading
import time
import uuid
from typing import Callable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inheritance, names
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.lineage import Heritage
from nova_swift_handler.catalog.publish import Disk
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.sources.source import DiskSource
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, block_count

LOG = logging.getLogger(__name__)

RUN = 8
"""Neighbouring blocks (of those that are sent) dealt to one segment at a time."""

_PIECE = 128 * 1024
"""Bytes handed to the HTTP client at a time.

It copies each piece into a chunk of HTTP's; with pieces of 2 MiB that took a third of the CPU time
of sending, for memory that is new to the process each time.
"""

_RUNS_WAITING = 2
_IDLE = 20.0
"""Seconds after which a segment that gets no more blocks is closed, before Swift cuts it."""

_PASSES = 3
_PATIENCE = 3
"""Segments lost one after the other, for each thread, before the upload is given up."""

_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_ZERO = bytes(constants.BLOCK_SIZE)


class Outgoing(NamedTuple):
    """A block that is to be sent, and the SHA-256 of its data."""

    number: int
    data: bytearray
    digest: bytes


Run = List[Outgoing]


class Uploader:
    """Stores one disk.

    Memory: at most ``threads + 3`` runs of 16 MiB whatever the disk's size, and the block map.

    :param container: where the segments go.
    :param volume_id: written into each segment.
    :param heritage: blocks that need not be sent; its map is taken over and changed.
    :param segment_size: bytes above which a segment is closed.
    :param threads: segments sent at a time.
    :param progress: called with the bytes of disk seen so far and the disk's size.

    :ivar upload_id: names the segments.
    """

    def __init__(self, account: Account, container: str, volume_id: str, heritage: Heritage, *,
                 segment_size: int, threads: int, progress: Callable[[int, int], None]) -> None:
        self._account = account
        self._container = container
        self._volume_id = volume_id
        self._heritage = heritage
        self._limit = max(1, min(segment_size // segments.STRIDE, segments.MAX_BLOCKS))
        self._threads = threads
        self._progress = progress
        self._upload_id = uuid.uuid4()
        self._serial = 0
        self._virtual_size = 0
        self._lock = threading.Lock()
        self._runs: queue.Queue[Optional[Run]] = queue.Queue(_RUNS_WAITING)
        self._pending = bytearray()
        self._changed = bytearray()
        self._gone: Set[int] = set()
        self._error: Optional[exceptions.StoreError] = None
        self._failures = 0
        self._abandoned = False
        self._map = BlockMap(0)
        self._stored = list(heritage.stored)

    @property
    def upload_id(self) -> str:
        """Which upload this is."""
        return str(self._upload_id)

    def upload(self, source: DiskSource) -> Disk:
        """Store the disk that *source* reads.

        What was sent stays in Swift if it fails: the next upload into the container uses it.

        :raises StoreError: Swift refused segments again and again, or will not be persuaded.
        :raises VhdError, XapiError: as the source does; or the disk changed while it was read.
        """
        wanted: Optional[Set[int]] = None
        for _attempt in range(_PASSES):
            self._error = None
            self._pass(source, wanted)
            # What was read and is not in a segment that Swift acknowledged is missing, however
            # it came to be lost.
            wanted = {number for number, pending in enumerate(self._pending) if pending}
            if wanted:
                LOG.warning("%d blocks were lost with segments that Swift did not take (%s); "
                            "reading the disk again for them", len(wanted), self._error)
                continue
            wanted = self._vanished()
            if not wanted:
                sent = self._stored[len(self._heritage.stored):]
                return Disk(
                    virtual_size=self._virtual_size, blocks=self._map, stored=self._stored,
                    changed=self._changed, upload_id=self.upload_id,
                    sent_blocks=sum(segment.blocks for segment in sent),
                    sent_bytes=sum(segment.size for segment in sent))
            LOG.warning("%d blocks were shared with segments that are gone; reading the disk "
                        "again for them", len(wanted))
        raise self._error or exceptions.StoreError(
            "segments that the disk shares with others kept vanishing")

    def _vanished(self) -> Set[int]:
        """Return, and take out of the map, the blocks of inherited segments that are gone."""
        inherited = [number for number in self._map.used()
                     if number < len(self._heritage.stored)]
        gone = inheritance.missing(self._account,
                                   [self._stored[number] for number in inherited])
        self._gone.update(number for number in inherited if self._stored[number] in gone)
        if not gone:
            return set()
        # What the parent lacks by now, a chain of which it is a part lacks too.
        self._heritage.parent = None
        lost = {place.block for place in self._map.places() if place.segment in self._gone}
        for number in lost:
            self._map.unset(number)
            self._pending[number] = 1
        return lost

    def _pass(self, source: DiskSource, wanted: Optional[Set[int]]) -> None:
        workers = [threading.Thread(target=self._work, daemon=True)
                   for _number in range(self._threads)]
        for worker in workers:
            worker.start()
        try:
            self._deal(source, wanted)
        except exceptions.StoreError:
            self._abandoned = True
            raise
        finally:
            # If the source failed, what was read of it is sent yet, for the next upload to use.
            for _worker in workers:
                self._runs.put(None)
            for worker in workers:
                worker.join()

    def _deal(self, source: DiskSource, wanted: Optional[Set[int]]) -> None:
        run: Run = []
        following = 0
        # Closed at once when sending fails: the source has a disk attached in XAPI.
        with contextlib.closing(source.blocks(wanted)) as blocks:
            # No ExitStack: that of Python 3.8 never ends when both raise the same error.
            try:
                for number, data in blocks:
                    self._begin(source.virtual_size)
                    if wanted is None:
                        self._zero(following, number)
                        following = number + 1
                    digest = self._news(number, data)
                    self._pending[number] = 0
                    if digest is not None:
                        self._pending[number] = 1
                        run.append(Outgoing(number, data, digest))
                    if len(run) == RUN:
                        self._hand_over(run)
                        run = []
                    self._progress((number + 1) * constants.BLOCK_SIZE, source.virtual_size)
            finally:
                self._hand_over(run)
        self._begin(source.virtual_size)
        if wanted is None:
            self._zero(following, len(self._map))

    def _begin(self, virtual_size: int) -> None:
        if virtual_size == self._virtual_size:
            return
        if self._virtual_size:
            raise exceptions.VhdError(
                "the disk had %d bytes when it was read first and has %d now; it must not change "
                "while it is stored" % (self._virtual_size, virtual_size))
        count = block_count(virtual_size)
        self._virtual_size = virtual_size
        # Not both: a map of the largest disk has 42 MiB.
        self._map = self._heritage.blocks = self._heritage.blocks.resized(count)
        self._pending = bytearray(count)
        self._changed = bytearray(count)

    def _zero(self, first: int, end: int) -> None:
        """Record that the blocks from *first* up to *end* are zero."""
        for number in range(first, end):
            if self._map.has(number):
                self._map.unset(number)
                self._changed[number] = 1

    def _news(self, number: int, data: bytearray) -> Optional[bytes]:
        """Return the SHA-256 of a block if it must be sent, else None."""
        if data == _ZERO:
            self._zero(number, number + 1)
            return None
        digest = hashlib.sha256(data).digest()
        before = self._map.get(number)
        if before is not None and before.digest == digest:
            return None
        self._changed[number] = 1
        found = self._heritage.unused.get(digest)
        if found is None or found[0] in self._gone:
            return digest
        self._map.set(Place(number, found[0], found[1], digest))
        return None

    def _hand_over(self, run: Run) -> None:
        if not run:
            return
        if self._error is not None and (
                (isinstance(self._error, exceptions.StoreAuthFailed)
                 and not self._error.passing)
                or self._failures > _PATIENCE * self._threads):
            raise self._error
        self._runs.put(run)

    def _work(self) -> None:
        ended: List[bool] = [False]
        while not ended[0]:
            runs = [self._runs.get()]
            if runs[0] is None:
                return
            if self._abandoned:
                continue
            try:
                self._send(runs, ended)
                self._failures = 0
            except Exception as error:  # noqa: BLE001  (it must not die with the thread)
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        if self._abandoned:
            return
        if not isinstance(error, exceptions.StoreError):
            LOG.exception("Unexpected failure while sending a segment")
            error = exceptions.StoreError("sending a segment failed: %r" % error)
        LOG.warning("A segment was lost: %s", error)
        with self._lock:
            self._error = error
            self._failures += 1
        time.sleep(min(_PAUSE * self._failures, _LONGEST_PAUSE))

    def _send(self, first: List[Optional[Run]], ended: List[bool]) -> None:
        """Send one segment that begins with the run in *first*; set *ended* if it took the end."""
        with self._lock:
            self._serial += 1
            name = names.segment(self.upload_id, self._serial)
        entries: List[Tuple[int, bytes]] = []
        stored = self._account.put_stream(
            self._container, name, self._pieces(first, entries, ended))
        with self._lock:
            index = len(self._stored)
            self._stored.append(Segment(self._container, name, stored.etag, stored.size,
                                        len(entries)))
            for slot, (number, digest) in enumerate(entries):
                self._map.set(Place(number, index, slot, digest))
                self._pending[number] = 0

    def _pieces(self, first: List[Optional[Run]], entries: List[Tuple[int, bytes]],
                ended: List[bool]) -> Iterator[Union[bytes, memoryview]]:
        # Nobody else holds on to a run, and each block is let go once it is sent: memory counts.
        run = first.pop()
        while run is not None:
            while run:
                block = run.pop(0)
                entries.append((block.number, block.digest))
                yield FULL_BITMAP
                view = memoryview(block.data)
                for start in range(0, len(view), _PIECE):
                    yield view[start:start + _PIECE]
            run = self._next(len(entries), ended)
        yield segments.Trailer(self._volume_id, self._upload_id, self._virtual_size,
                               entries).pack()

    def _next(self, count: int, ended: List[bool]) -> Optional[Run]:
        if count + RUN > self._limit:
            return None
        try:
            run = self._runs.get(timeout=_IDLE)
        except queue.Empty:
            return None
        ended[0] = run is None
        return None if self._abandoned else run
