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

"""An installation in a Swift in memory, what is in it checked to the byte."""

from __future__ import annotations

import hashlib
import struct
import threading
import types
import uuid
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

from nova_swift_handler.catalog import deletion, lookup, names, views
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.store import probe
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.transfer import snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource
from nova_swift_handler.vhd import constants
from tests.unit.store.memory import MemoryAccount, Object
from tests.unit.vhd import disks

ABILITIES = Abilities(
    ranges=True, inline_data=True, nested=True, nested_ranges=True, symlinks=True, tempurl=False,
    tempurl_digest="", max_entries=1000, max_manifest=8 * 2 ** 20, max_object=5 * 2 ** 30,
    depth=5)
NAMES = names.Containers("p")
DAY = 86400

Held = Dict[int, int]
"""What a disk holds: block number to the seed of its bytes."""

_noise: Dict[int, Tuple[bytes, bytes]] = {}
_digests: Dict[Tuple[str, int], bytes] = {}
_ZERO = hashlib.sha256(bytes(constants.BLOCK_SIZE)).digest()


def noise(seed: int) -> Tuple[bytes, bytes]:
    """Return a block and its SHA-256."""
    if seed not in _noise:
        data = disks.noise(constants.BLOCK_SIZE, seed)
        _noise[seed] = data, hashlib.sha256(data).digest()
    return _noise[seed]


class Source(DiskSource):
    def __init__(self, held: Held, blocks: int) -> None:
        self._held = held
        self.virtual_size = blocks * constants.BLOCK_SIZE

    def blocks(self, wanted: Optional[Any] = None) -> Blocks:
        for number, seed in sorted(self._held.items()):
            if wanted is None or number in wanted:
                yield number, bytearray(noise(seed)[0])


class Paused(MemoryAccount):
    """Another way into an account: before the n-th request made by it, something happens.

    :ivar made: requests made so far.
    """

    def __init__(self, account: MemoryAccount, at: int = 0,
                 act: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self.__dict__.update(objects=account.objects, there=account.there, lock=account.lock,
                             now=account.now)
        self.made = 0
        self._at = at
        self._act = act
        self._gate = threading.RLock()

    def request(self, verb: str, container: str, name: str = "") -> None:
        with self._gate:
            self.made += 1
            if self.made == self._at:
                self._act()


class Killed(Exception):
    """The caller of a request is no more."""


class Mortal(Paused):
    """A way into an account whose user is killed before the n-th request."""

    def request(self, verb: str, container: str, name: str = "") -> None:
        self.made += 1
        if self.made >= self._at:
            raise Killed


class World:
    """An installation, and what each of its points should be.

    :ivar account: where it is.
    :ivar disks: what each image's disk holds.
    """

    def __init__(self) -> None:
        self.account = MemoryAccount()
        self.disks: Dict[str, Held] = {}
        self.services: Any = types.SimpleNamespace(
            containers=NAMES, store=StoreSettings("p", segment_size=8 * 2 ** 20),
            transfer=TransferSettings(upload_threads=1))
        for name in (NAMES.index, NAMES.images, NAMES.templates, NAMES.isos):
            self.account.put_container(name, {})
        self.account.put_json(NAMES.index, probe.KEPT, {
            "format": 1, "info": probe._fingerprint({}), "key": True,
            "abilities": ABILITIES.as_json()})

    def copied(self) -> World:
        made = World()
        made.account = self.account.copied()
        made.disks = dict(self.disks)
        return made

    def upload(self, volume: str, held: Held, account: Optional[MemoryAccount] = None,
               base: Optional[str] = None, blocks: int = 5) -> Point:
        with self.storing(volume, held, account, base, blocks) as point:
            return point

    def storing(self, volume: str, held: Held, account: Optional[MemoryAccount] = None,
                base: Optional[str] = None, blocks: int = 5) -> ContextManager[Point]:
        """Give a complete point, withdrawn if the caller's block raises."""
        image_id = str(uuid.uuid4())
        self.disks[image_id] = dict(held)
        subject = Subject(image_id, "snapshot", volume, "project", "2026-01-01T00:00:00Z", {})
        return snapshot.stored(
            self.services, account or self.account, subject, Source(held, blocks),
            NAMES.volume(volume), Report(lambda event: None), for_glance=True,
            base_image_id=base)

    def delete(self, point: Point, account: Optional[MemoryAccount] = None) -> None:
        deletion.delete(account or self.account, NAMES, ABILITIES, point)

    def points(self) -> List[Point]:
        return [point for container in sorted(self.account.there)
                for point in lookup.points(self.account, container)]

    def check(self) -> None:
        """Compare every complete point, and all of its views, with what it should be."""
        for point in self.points():
            wanted = {number: noise(seed)[1]
                      for number, seed in self.disks[point.image_id].items()}
            blocks, stored = lookup.blocks(self.account, point)
            found = {}
            for place in blocks.places():
                segment = stored[place.segment]
                there = self.account.objects.get((segment.container, segment.name))
                assert there is not None, "segment %s is gone" % segment.path
                assert there.etag == segment.etag
                assert segment.container == point.container or (
                    segment.container, names.reference(point.container)) in self.account.objects
                found[place.block] = _digest(there, place.offset + constants.BITMAP_SIZE)
            assert found == wanted
            assert self._view(point, names.DISK_VIEW) == wanted
            assert self.chain(point) == wanted
            raw = names.of_point(point.image_id, names.RAW_VIEW)
            if (point.container, raw) in self.account.objects:
                assert self._raw(point.container, raw) == wanted

    def chain(self, point: Point) -> Dict[int, bytes]:
        """Return the digests of the disk that the chain of ``delta.vhd`` gives."""
        parent = views.parent_of(self.account, point.container, point.image_id)
        disk: Dict[int, bytes] = {}
        if parent is not None:
            before = [one for one in self.points() if one.image_id == parent]
            assert before, "a delta.vhd refers to point %s, which is gone" % parent
            disk = self.chain(before[0])
        disk.update(self._view(point, names.DELTA_VIEW))
        return {number: digest for number, digest in disk.items() if digest != _ZERO}

    def _raw(self, container: str, name: str) -> Dict[int, bytes]:
        """Return the digests of the blocks that are not zero in a raw disk."""
        data = memoryview(self.account.read(container, name))
        digests = (hashlib.sha256(data[at:at + constants.BLOCK_SIZE]).digest()
                   for at in range(0, len(data), constants.BLOCK_SIZE))
        return {number: digest for number, digest in enumerate(digests) if digest != _ZERO}

    def _view(self, point: Point, view: str) -> Dict[int, bytes]:
        """Return the digests of the blocks that a VHD holds, by its BAT."""
        pieces = self._pieces(point.container, names.of_point(point.image_id, view))
        head = pieces[0][0].data
        table_at, = struct.unpack_from(">Q", head, 512 + 16)
        count, = struct.unpack_from(">I", head, 512 + 28)
        found = {}
        for number, sector in enumerate(struct.unpack_from(">%dI" % count, head, table_at)):
            if sector != 0xFFFFFFFF:
                found[number] = _at(pieces, sector * 512 + constants.BITMAP_SIZE)
        return found

    def _pieces(self, container: str, name: str) -> List[Tuple[Object, int, int]]:
        """Return what a stitched object gives: (plain object, first byte, length)."""
        there = self.account.objects.get((container, name))
        assert there is not None, "%s/%s is gone" % (container, name)
        if there.entries is None:
            return [(there, 0, there.size)]
        result = []
        for entry in there.entries:
            if entry.path is None:
                result.append((Object(entry.data, "", len(entry.data), 0, {}), 0,
                               len(entry.data)))
                continue
            below = self._pieces(*entry.path.lstrip("/").split("/", 1))
            assert entry.etag == self.account.objects[
                tuple(entry.path.lstrip("/").split("/", 1))].etag  # type: ignore[index]
            if entry.first is not None and entry.last is not None:
                (plain, start, _length), = below
                below = [(plain, start + entry.first, entry.last - entry.first + 1)]
            result += below
        return result


def _at(pieces: List[Tuple[Object, int, int]], offset: int) -> bytes:
    for there, first, length in pieces:
        if offset < length:
            return _digest(there, first + offset)
        offset -= length
    raise AssertionError("a block lies beyond the VHD's end")


def _digest(there: Object, offset: int) -> bytes:
    key = there.etag, offset
    if key not in _digests:
        data = there.data[offset:offset + constants.BLOCK_SIZE]
        _digests[key] = hashlib.sha256(data).digest()
    return _digests[key]
