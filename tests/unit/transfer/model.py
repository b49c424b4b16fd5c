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

"""Random histories of an installation beside a model of plain bytes.

Two volumes, and others made of their images, are written, resized, snapshotted and deleted;
uploads and deletions are killed, fail, lose answers, or have something else happen in their midst;
time passes and sweeps run.  Whatever is complete must then restore to what the model has.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import random
import struct
import threading
import uuid
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import deletion, lookup, names, sweep, views
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Subject
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.store.abilities import Abilities
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.transfer import fetch, jobs, snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import Blocks, DiskSource
from tests.unit.store.memory import MemoryAccount
from tests.unit.transfer.world import ABILITIES

MIB2 = 2 * 2 ** 20
ZERO = bytes(MIB2)
_SEEDS = 12
"""Different blocks there are: few, so that the same ones turn up in many places."""

POOR = dataclasses.replace(ABILITIES, ranges=False, inline_data=False, nested_ranges=False)
"""Of a cluster that stitches whole objects only."""

_GRACE = sweep.LEAST_GRACE

_MOST = 9
"""Blocks of the largest disk."""

Hook = Callable[[str, str, str], None]


class Befallen(MemoryAccount):
    """A Swift in memory whose requests can be befallen.

    :ivar before: called with (verb, container, name) before each request; what it raises is the
        request's answer.
    :ivar after: the same of those that write, when it is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calm()

    def calm(self) -> None:
        """Let nothing befall them."""
        self.before: Hook = lambda verb, container, name: None
        self.after: Hook = lambda verb, container, name: None

    def request(self, verb: str, container: str, name: str = "") -> None:
        self.before(verb, container, name)

    def put(self, container: str, name: str, data: bytes, content_type: str = "",
            headers: Optional[Mapping[str, str]] = None) -> Stored:
        made = super().put(container, name, data, content_type, headers)
        self.after("PUT", container, name)
        return made

    def put_manifest(self, container: str, name: str, entries: List[Entry],
                     content_type: str = "",
                     headers: Optional[Mapping[str, str]] = None) -> Stored:
        made = super().put_manifest(container, name, entries, content_type, headers)
        self.after("PUT", container, name)
        return made

    def post(self, container: str, name: str, headers: Mapping[str, str]) -> None:
        super().post(container, name, headers)
        self.after("POST", container, name)

    def delete(self, container: str, name: str) -> None:
        super().delete(container, name)
        self.after("DELETE", container, name)

    def data(self) -> Dict[str, Set[str]]:
        """Return what is below data/ and regions/, by container."""
        found: Dict[str, Set[str]] = {}
        for (container, name), each in self.objects.items():
            if name.startswith((names.DATA, names.REGIONS)) and (
                    each.delete_at is None or each.delete_at > self.now):
                found.setdefault(container, set()).add(name)
        return found


@functools.lru_cache(_SEEDS)
def block(seed: int) -> bytes:
    """Return a block's bytes."""
    return hashlib.sha256(b"%d" % seed).digest() * (MIB2 // 32)


@dataclasses.dataclass(frozen=True)
class Content:
    """What is on a disk: its size in bytes, and the seed of each block that is not zero."""

    size: int
    seeds: Tuple[Tuple[int, int], ...]

    def blocks(self) -> Iterator[Tuple[int, bytes]]:
        """Yield number and bytes of the blocks that are not zero."""
        for number, seed in self.seeds:
            room = self.size - number * MIB2
            if room > 0:
                yield number, block(seed)[:room].ljust(MIB2, b"\0")


class Disk:
    """A disk that a guest writes."""

    def __init__(self, content: Content) -> None:
        self.size = content.size
        self.seeds = dict(content.seeds)

    def content(self) -> Content:
        """Return what is on it now."""
        return Content(self.size, tuple(sorted(self.seeds.items())))

    def resize(self, size: int) -> None:
        """Make it larger, or smaller: what was beyond its end then is lost."""
        if size < self.size:
            # The last block was cut: its rest would come back with its seed.
            self.seeds = {number: seed for number, seed in self.seeds.items()
                          if (number + 1) * MIB2 <= size}
        else:
            self.seeds = {number: seed for number, seed in self.seeds.items()
                          if (number + 1) * MIB2 <= self.size}
        self.size = size


class Source(DiskSource):
    """Reads a disk; blocks of zeros come now and then though they need not."""

    def __init__(self, content: Content, zeros: List[int]) -> None:
        self._content = content
        self._zeros = zeros
        self.virtual_size = content.size

    def blocks(self, wanted: Optional[object] = None) -> Blocks:
        held = dict(self._content.blocks())
        for number in sorted({*held, *self._zeros}):
            if wanted is None or number in wanted:  # type: ignore[operator]
                yield number, bytearray(held.get(number, ZERO))


class Trouble:
    """Lets something befall one request, the n-th from now on of those that are called for.

    :param where: a verb, empty for any, and what the object's name begins with.
    :ivar struck: whether it has.
    """

    def __init__(self, swift: Befallen, request: int, act: Callable[[], None],
                 late: bool = False, forever: bool = False,
                 where: Tuple[str, str] = ("", "")) -> None:
        self._swift = swift
        self._where = where
        self._left = request
        self._act = act
        self._late = late
        self._forever = forever
        self._lock = threading.Lock()
        self.struck = False

    def __enter__(self) -> Trouble:
        if self._late:
            self._swift.after = self._hook
        else:
            self._swift.before = self._hook
        return self

    def __exit__(self, *_error: object) -> None:
        self._swift.calm()

    def _hook(self, verb: str, container: str, name: str) -> None:
        with self._lock:
            if self._left > 0 and not (verb.startswith(self._where[0])
                                       and name.startswith(self._where[1])):
                return
            self._left -= 1
            strike = self._left == 0 or (self._forever and self._left < 0)
            self.struck = self.struck or strike
        if strike:
            self._act()


def dead() -> None:
    """The process is no more: none of its requests reaches Swift."""
    raise exceptions.StoreAuthFailed("killed")


def failing() -> None:
    """A request fails, all its repetitions included."""
    raise exceptions.StoreUnreachable("503")


class History:
    """A history in one installation.

    :param swift: *account* itself, where it is in memory: its time moves, its requests suffer.
    :param read: reads a view, being given container and name.
    :ivar points: what each point must restore to.
    :ivar perhaps: the same of those that may be there or not, an upload or deletion having failed.
    """

    def __init__(self, account: Account, swift: Optional[Befallen], abilities: Abilities,
                 seed: int, read: Callable[[str, str], bytes], prefix: str = "m") -> None:
        self.account = account
        self.names = names.Containers(prefix)
        self.points: Dict[str, Content] = {}
        self.perhaps: Dict[str, Content] = {}
        self.done = ["seed %d" % seed]
        self._swift = swift
        self._abilities = abilities
        self._random = random.Random(seed)
        self._read = read
        self._disks: Dict[str, Disk] = {}
        self._volumes: Dict[str, str] = {}
        self._bases: Dict[str, str] = {}
        for container in (self.names.index, self.names.images, self.names.templates,
                          self.names.isos):
            account.put_container(container, {})
        for volume in ("a", "b"):
            self._disks[volume] = Disk(Content(self._size(), ()))
            self._write(volume)
            self._write(volume)

    def run(self, steps: int) -> None:
        """Do so many things."""
        actions = [(5, self.snapshot), (3, self.write), (1, self.resize), (2, self.delete),
                   (2, self.sweep), (1, self.clone), (1, self.wait), (1, self.reuse),
                   (1, self.template)]
        for _step in range(steps):
            self._random.choices([action for _weight, action in actions],
                                 [weight for weight, _action in actions])[0]()

    # -- what happens -------------------------------------------------------------------------

    def write(self) -> None:
        """A guest writes."""
        volume = self._any_volume()
        self._write(volume)
        self.done.append("write %s" % volume)

    def resize(self) -> None:
        """An instance is resized."""
        volume = self._any_volume()
        self._disks[volume].resize(self._size())
        self.done.append("resize %s to %d" % (volume, self._disks[volume].size))

    def clone(self) -> None:
        """An instance is booted of an image, and has a volume of its own."""
        if self.points and len(self._disks) < 4:
            image_id = self._random.choice(sorted(self.points))
            volume = "c%d" % len(self._disks)
            self._disks[volume] = Disk(self.points[image_id])
            self._bases[volume] = image_id
            self.done.append("clone %s to %s" % (image_id, volume))
            self._write(volume)

    def wait(self) -> None:
        """Time passes."""
        if self._swift is not None:
            seconds = self._random.choice([60, 3600, 7 * 3600, 3 * 86400])
            self._swift.now += seconds
            self.done.append("wait %d" % seconds)

    def sweep(self) -> None:
        """A sweep runs; now and then it is killed."""
        self.done.append("sweep")
        with self._trouble(self.done, [dead, failing]), contextlib.suppress(
                exceptions.StoreError):
            self._sweep()

    def forget(self) -> None:
        """Let all that nobody needs go: what died is over, sweeps run, and their grace passes."""
        assert self._swift is not None
        for image_id in sorted(self.perhaps):
            for container in self._containers():
                with contextlib.suppress(exceptions.ObjectMissing):
                    point = Point.parse(self.account.get_json(
                        container, names.of_point(image_id, names.POINT)))
                    deletion.delete(self.account, self.names, self._abilities, point)
                    self.done.append("delete %s, at last" % image_id)
        for container in self._containers():
            deletion.relink_broken(self.account, self._abilities, container)
        for _time in range(3):
            self._swift.now += 2 * _GRACE
            self._sweep()
        self._swift.now += 2 * _GRACE
        self.done.append("all that nobody needs goes")

    def snapshot(self) -> None:
        """A snapshot is taken, whatever befalls it."""
        volume = self._any_volume()
        self.done.append("snapshot %s" % volume)
        self._take(volume, self._trouble(self.done, [dead, failing, self._meanwhile]))

    def reuse(self) -> None:
        """What a killed upload left is condemned, and the next one uses it before it goes."""
        if self._swift is None:
            return
        volume = self._any_volume()
        self._write(volume)
        self.done.append("snapshot %s, killed; and again when what it left is condemned" % volume)
        self._take(volume, Trouble(self._swift, 1, dead, forever=True,
                                   where=("PUT", names.POINTS)))
        self._swift.now += 7 * 3600
        self._sweep()
        self._take(volume, contextlib.nullcontext())
        self._swift.now += 2 * _GRACE

    def _take(self, volume: str, trouble: contextlib.AbstractContextManager[object]) -> None:
        content = self._disks[volume].content()
        image_id = self._new_id()
        zeros = [number for number in range(-(-content.size // MIB2))
                 if self._random.random() < 0.2]
        self.perhaps[image_id] = content
        with trouble:
            try:
                self._store(volume, image_id, Source(content, zeros))
            except exceptions.SwiftVhdError as error:
                self.done.append("  %s failed: %s" % (image_id, error))
                return
        self.done.append("  as %s" % image_id)
        self.points[image_id] = self.perhaps.pop(image_id)
        self._volumes[image_id] = self.names.volume(volume)

    def template(self) -> None:
        """A template is made of a point: no data is moved, and no bond stays between them."""
        if not self.points:
            return
        original = self._random.choice(sorted(self.points))
        image_id = self._new_id()
        self.done.append("template of %s" % original)
        self.perhaps[image_id] = self.points[original]
        with self._trouble(self.done, [dead, failing, self._meanwhile]):
            try:
                self._share(original, image_id)
            except exceptions.SwiftVhdError as error:
                self.done.append("  %s failed: %s" % (image_id, error))
                return
        self.done.append("  as %s" % image_id)
        self.points[image_id] = self.perhaps.pop(image_id)
        self._volumes[image_id] = self.names.templates

    def delete(self) -> None:
        """A point is deleted, any of them."""
        if not self.points:
            return
        image_id = self._random.choice(sorted(self.points))
        self.done.append("delete %s" % image_id)
        with self._trouble(self.done, [dead, failing, self._meanwhile]):
            self._delete(image_id)

    def _meanwhile(self) -> None:
        """Something else happens in the midst of a request."""
        if self._swift is not None:
            self._swift.calm()
        what = self._random.choice(["sweep", "delete", "sweep and wait"])
        self.done.append("  in whose midst: %s" % what)
        with contextlib.suppress(exceptions.StoreError):
            if what == "delete" and self.points:
                self._delete(self._random.choice(sorted(self.points)))
            else:
                self._sweep()
        if what == "sweep and wait" and self._swift is not None:
            self._swift.now += 3600

    # -- what must be true --------------------------------------------------------------------

    def check(self) -> None:
        """See that every point that should be there is, and that each that is restores."""
        for image_id in sorted(self.points):
            point = lookup.find(self.account, self.names, image_id)
            assert point is not None, "%s is lost: %s" % (image_id, self)
        for container in self._containers():
            for point in lookup.points(self.account, container):
                self._check(point)

    def _check(self, point: Point) -> None:
        content = {**self.perhaps, **self.points}[point.image_id]
        expected = dict(content.blocks())
        assert point.virtual_size == content.size
        blocks, stored = lookup.blocks(self.account, point)
        restored = {number: bytes(data) for number, data in
                    fetch.fetch(self.account, blocks, stored, 2)}
        assert restored == expected, "%s restores wrong: %s" % (point.image_id, self)
        if point.kind == "export" and not self._abilities.shares_blocks:
            assert sum(segment.blocks for segment in point.segments) == point.blocks, (
                "%s shows others' blocks: %s" % (point.image_id, self))
        if point.image_id not in self.points:
            return  # taken back in part, or deleted in part: what is left of it restores
        assert read_vhd(self._view(point, names.DISK_VIEW)) == expected, str(self)
        assert self._chain(point) == expected, "the chain of %s: %s" % (point.image_id, self)

    def _view(self, point: Point, view: str) -> bytes:
        return self._read(point.container, names.of_point(point.image_id, view))

    def _chain(self, point: Point) -> Dict[int, bytes]:
        """Return what the chain of ``delta.vhd`` gives, whole disk first."""
        ids = [point.image_id]
        while True:
            parent = views.parent_of(self.account, point.container, ids[-1])
            if parent is None:
                break
            assert parent not in ids, "a circle: %s" % self
            ids.append(parent)
        disk: Dict[int, bytes] = {}
        for image_id in reversed(ids):
            disk.update(read_vhd(self._read(
                point.container, names.of_point(image_id, names.DELTA_VIEW)), zeros=True))
        return {number: data for number, data in disk.items() if data != ZERO}

    def __str__(self) -> str:
        return "\n" + "\n".join(self.done)

    def needed(self) -> Dict[str, Set[str]]:
        """Return the names of the objects below data/ and regions/ that points need."""
        found: Dict[str, Set[str]] = {container: set() for container in self._containers()}
        for container in self._containers():
            for point in lookup.points(self.account, container):
                found[container].add(names.closing(point.upload_id))
                for ref in point.regions:
                    found[container].update([ref.table, *(part["name"] for part in ref.parts)])
                for segment in point.segments:
                    found[segment.container].add(segment.name)
        return {container: held for container, held in found.items() if held}

    # -- within -------------------------------------------------------------------------------

    def _containers(self) -> List[str]:
        there = [self.names.templates]
        for volume in sorted(self._disks):
            with contextlib.suppress(exceptions.ObjectMissing):
                self.account.head_container(self.names.volume(volume))
                there.append(self.names.volume(volume))
        return there

    def _sweep(self) -> None:
        for container in self._containers():
            sweep.sweep(self.account, container, _GRACE)

    def _store(self, volume: str, image_id: str, source: DiskSource) -> None:
        # Now and then one to be downloaded, which other points share with as with any.
        export = self._random.random() < 0.2
        subject = Subject(image_id, "export" if export else "snapshot", volume, "p",
                          "2026-01-01T00:00:00Z", {}, 3600 if export else None)
        with snapshot.stored(
                self._services(), self.account, subject, source, self.names.volume(volume),
                Report(lambda event: None), for_glance=not export,
                base_image_id=self._bases.get(volume)):
            pass

    def _share(self, original: str, image_id: str) -> None:
        point = Point.parse(self.account.get_json(
            self._volumes[original], names.of_point(original, names.POINT)))
        with snapshot.shared(
                self._services(), self.account,
                Subject(image_id, "template", image_id, "p", "2026-01-01T00:00:00Z", {}), point,
                self.names.templates, Report(lambda event: None), for_glance=True):
            pass

    def _services(self) -> jobs.Services:
        return jobs.Services(
            Credentials("password", {}), StoreSettings(self.names.prefix, segment_size=4 * MIB2),
            TransferSettings(upload_threads=2), GlanceSettings())

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _delete(self, image_id: str) -> None:
        self.perhaps[image_id] = self.points.pop(image_id)
        container = self._volumes[image_id]
        try:
            point = Point.parse(self.account.get_json(
                container, names.of_point(image_id, names.POINT)))
            deletion.delete(self.account, self.names, self._abilities, point)
        except exceptions.StoreError as error:
            self.done.append("  which failed: %s" % error)

    def _trouble(self, done: List[str], acts: List[Callable[[], None]]
                 ) -> contextlib.AbstractContextManager[object]:
        if self._swift is None or self._random.random() < 0.4:
            return contextlib.nullcontext()
        act = self._random.choice(acts)
        where = self._random.choice([("", ""), ("PUT", names.DATA), ("", names.DATA),
                                     ("", names.REGIONS), ("PUT", names.POINTS)])
        request = self._random.randint(1, 4 if where[1] else 60)
        late = act is failing and self._random.random() < 0.5
        done.append("  (%s%s at request %d of %s)" % (
            act.__name__, ", its answer lost," if late else "", request, " ".join(where)))
        return Trouble(self._swift, request, act, late, act is dead, where)

    def _any_volume(self) -> str:
        return self._random.choice(sorted(self._disks))

    def _size(self) -> int:
        return self._random.randint(1, _MOST) * MIB2 - self._random.choice([0, 0, 512, 1536])

    def _write(self, volume: str) -> None:
        disk = self._disks[volume]
        for _number in range(self._random.randint(1, 4)):
            number = self._random.randrange(-(-disk.size // MIB2))
            if self._random.random() < 0.25:
                disk.seeds.pop(number, None)
            else:
                disk.seeds[number] = self._random.randrange(_SEEDS)


def read_vhd(data: bytes, zeros: bool = False) -> Dict[int, bytes]:
    """Return the blocks of a VHD whose every sector is there.

    :param zeros: return those that are zero too.
    """
    assert data[:8] == data[-512:-504] == b"conectix"
    table, _version, count = struct.unpack_from(">QII", data, 512 + 16)
    result = {}
    for number, sector in enumerate(struct.unpack_from(">%dI" % count, data, table)):
        if sector != 0xFFFFFFFF:
            start = sector * 512
            assert data[start:start + 512] == b"\xff" * 512
            held = data[start + 512:start + 512 + MIB2]
            if zeros or held != ZERO:
                result[number] = held
    return result
