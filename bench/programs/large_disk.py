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

"""A disk of any size, all of whose blocks hold data, of which Swift has but some in its segments.

Takes a pickle of (verb, services, container, volume id, bytes of the disk, share of blocks that
change, seed).  The container holds a point of a small disk already.

``parent``: publish a point of the large disk; its blocks are those of the small one, again and
again.  No data is sent.  ``second``: snapshot the large disk after some blocks changed.  Those
are real; of the others only the SHA-256 is there, as if it had just been computed.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import sys
import types
import uuid
from typing import Any, Collection, List, Optional, Set

from nova_swift_handler.catalog import lookup
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.intent import Intent
from nova_swift_handler.catalog.lineage import Heritage
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Disk, Publisher, Subject
from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.transfer import snapshot, upload
from nova_swift_handler.transfer.jobs import Services
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource
from nova_swift_handler.vhd import constants
from nova_swift_handler.vhd.layout import block_count


class Known(bytearray):
    """Stands for a block whose SHA-256 is *digest*."""

    digest: bytes


def _sha256(data: Any) -> Any:
    if isinstance(data, Known):
        return types.SimpleNamespace(digest=lambda: data.digest)
    return hashlib.sha256(data)


class LargeDisk(DiskSource):
    """The parent's disk, with new data in some blocks."""

    def __init__(self, virtual_size: int, digests: List[bytes], changed: Set[int]) -> None:
        self.virtual_size = virtual_size
        self._digests = digests
        self._changed = changed
        self._data = os.urandom(constants.BLOCK_SIZE)

    def blocks(self, wanted: Optional[Collection[int]] = None) -> Blocks:
        """See :meth:`DiskSource.blocks`."""
        for number in range(block_count(self.virtual_size)):
            if wanted is not None and number not in wanted:
                continue
            if number in self._changed:
                data = bytearray(self._data)
                data[:8] = number.to_bytes(8, "big")
            else:
                data = Known(b"\1")
                data.digest = self._digests[number % len(self._digests)]
            yield number, data


def _small(account: Account, container: str) -> Point:
    return min(lookup.points(account, container), key=lambda point: point.sequence)


def _subject(volume_id: str) -> Subject:
    return Subject(str(uuid.uuid4()), "snapshot", volume_id, "project", "2026-01-01T00:00:00Z", {})


def parent(services: Services, account: Account, container: str, volume_id: str,
           virtual_size: int) -> None:
    """Publish the large disk's first point."""
    small, stored = lookup.blocks(account, _small(account, container))
    places = list(small.places())
    blocks = BlockMap(block_count(virtual_size))
    for number in range(len(blocks)):
        place = places[number % len(places)]
        blocks.set(Place(number, place.segment, place.slot, place.digest))
    disk = Disk(virtual_size, blocks, stored, bytearray(b"\1") * len(blocks), str(uuid.uuid4()),
                0, 0)
    abilities = probe.abilities(account, services.containers.index)
    subject = _subject(volume_id)
    with Intent(account, container, disk.upload_id, subject.image_id) as announced:
        Publisher(account, services.containers, container, abilities).publish(
            subject, disk, Heritage(sequence=2), True, announced)


def second(services: Services, account: Account, container: str, volume_id: str,
           virtual_size: int, share: float, seed: int) -> None:
    """Store the large disk's next point."""
    small, _stored = lookup.blocks(account, _small(account, container))
    count = block_count(virtual_size)
    changed = random.Random(seed).sample(range(count), round(count * share))  # noqa: S311
    source = LargeDisk(virtual_size, [place.digest for place in small.places()], set(changed))
    del small
    upload.hashlib = types.SimpleNamespace(sha256=_sha256)  # type: ignore[assignment]
    with snapshot.stored(services, account, _subject(volume_id), source, container,
                         Report(lambda event: None), for_glance=True):
        pass


def main() -> None:
    """Do it."""
    (verb, services, container, volume_id, virtual_size, share,
     seed) = pickle.load(sys.stdin.buffer)  # noqa: S301  (the bench's own)
    account = services.account()
    if verb == "parent":
        parent(services, account, container, volume_id, virtual_size)
    else:
        second(services, account, container, volume_id, virtual_size, share, seed)


if __name__ == "__main__":
    main()
