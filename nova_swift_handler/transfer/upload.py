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

The source is read front to back.  Runs of neighbouring blocks are dealt out to the segments that
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
from typing import Callable, Iterator, List, Optional, Set, Tuple, Union

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import names
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import removal
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer.source import DiskSource, Numbered
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import FULL_BITMAP, block_count

LOG = logging.getLogger(__name__)

RUN = 8
"""Neighbouring blocks (of those that are not zero) dealt to one segment at a time."""

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

Run = List[Numbered]


class Uploader:
    """Stores one disk.

    Memory: at most ``threads + 3`` runs of 16 MiB whatever the disk's size, and the block map.

    :param container: where the segments go.
    :param volume_id: written into each segment.
    :param segment_size: bytes above which a segment is closed.
    :param threads: segments sent at a time.
    :param progress: called with the bytes of disk seen so far and the disk's size.

    :ivar stored: the segments that Swift has, in no order.
    """

    def __init__(self, account: Account, container: str, volume_id: str, *, segment_size: int,
                 threads: int, progress: Callable[[int, int], None]) -> None:
        self._account = account
        self._container = container
        self._volume_id = volume_id
        self._limit = max(1, segment_size // segments.STRIDE)
        self._threads = threads
        self._progress = progress
        self._upload_id = uuid.uuid4()
        self._serial = 0
        self._virtual_size = 0
        self._lock = threading.Lock()
        self._runs: queue.Queue[Optional[Run]] = queue.Queue(_RUNS_WAITING)
        self._read = bytearray()
        self._error: Optional[exceptions.StoreError] = None
        self._failures = 0
        self._abandoned = False
        self._map: Optional[BlockMap] = None
        self.stored: List[Segment] = []

    def upload(self, source: DiskSource) -> Tuple[int, BlockMap, List[Segment]]:
        """Store the disk that *source* reads; return its size in bytes and where its blocks are.

        :raises StoreError: Swift refused segments again and again, or will not be persuaded.
        :raises VhdError, XapiError: as the source does.
        """
        wanted: Optional[Set[int]] = None
        for _attempt in range(_PASSES):
            self._error = None
            self._pass(source, wanted)
            blocks = self._map or BlockMap(block_count(source.virtual_size))
            # What was read and is not in a segment that Swift acknowledged is missing, however
            # it came to be lost.
            wanted = {number for number, read in enumerate(self._read)
                      if read and blocks.get(number) is None}
            if not wanted:
                self._discard_unacknowledged()
                return source.virtual_size, blocks, self.stored
            LOG.warning("%d blocks were lost with segments that Swift did not take (%s); reading "
                        "the disk again for them", len(wanted), self._error)
        raise self._error or exceptions.StoreError("Swift kept losing segments")

    def discard(self) -> None:
        """Remove the segments that were sent, for an upload that failed."""
        removal.remove(self._account, [(self._container, name) for name in self._sent()])

    def _discard_unacknowledged(self) -> None:
        """Remove segments that Swift may have although it did not say so: nothing names them."""
        acknowledged = {segment.name for segment in self.stored}
        removal.remove(self._account, [(self._container, name) for name in self._sent()
                                       if name not in acknowledged])

    def _sent(self) -> List[str]:
        return [names.segment(str(self._upload_id), serial)
                for serial in range(1, self._serial + 1)]

    def _pass(self, source: DiskSource, wanted: Optional[Set[int]]) -> None:
        workers = [threading.Thread(target=self._work, daemon=True)
                   for _number in range(self._threads)]
        for worker in workers:
            worker.start()
        try:
            self._deal(source, wanted)
        except BaseException:
            # Let no half-filled segment be completed: they could not be named by anything.
            self._abandoned = True
            raise
        finally:
            for _worker in workers:
                self._runs.put(None)
            for worker in workers:
                worker.join()

    def _deal(self, source: DiskSource, wanted: Optional[Set[int]]) -> None:
        run: Run = []
        # Closed at once when sending fails: the source has a disk attached in XAPI.
        with contextlib.closing(source.blocks(wanted)) as blocks:
            for number, data in blocks:
                if self._map is None:
                    self._begin(source.virtual_size)
                if data != _ZERO:
                    self._read[number] = 1
                    run.append((number, data))
                if len(run) == RUN:
                    self._hand_over(run)
                    run = []
                self._progress((number + 1) * constants.BLOCK_SIZE, source.virtual_size)
        if run:
            self._hand_over(run)

    def _begin(self, virtual_size: int) -> None:
        self._virtual_size = virtual_size
        self._map = BlockMap(block_count(virtual_size))
        self._read = bytearray(block_count(virtual_size))

    def _hand_over(self, run: Run) -> None:
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
            name = names.segment(str(self._upload_id), self._serial)
        entries: List[Tuple[int, bytes]] = []
        stored = self._account.put_stream(
            self._container, name, self._pieces(first, entries, ended))
        with self._lock:
            assert self._map is not None
            index = len(self.stored)
            self.stored.append(Segment(self._container, name, stored.etag, stored.size,
                                       len(entries)))
            for slot, (number, digest) in enumerate(entries):
                self._map.set(Place(number, index, slot, digest))

    def _pieces(self, first: List[Optional[Run]], entries: List[Tuple[int, bytes]],
                ended: List[bool]) -> Iterator[Union[bytes, memoryview]]:
        # Nobody else holds on to a run, and each block is let go once it is sent: memory counts.
        run = first.pop()
        while run is not None:
            while run:
                number, data = run.pop(0)
                if self._abandoned:
                    raise exceptions.StoreError("the upload was given up")
                entries.append((number, hashlib.sha256(data).digest()))
                yield FULL_BITMAP
                with memoryview(data) as view:
                    for start in range(0, len(data), _PIECE):
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
        return run
