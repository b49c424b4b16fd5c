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

"""Verify points: their objects alone, a sample of their blocks, or every block.

Blocks that several points share are read once.  Memory: 33 bytes for each stored block of the
container, and ``threads`` blocks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from concurrent import futures
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import finding, lookup, names, readable
from nova_swift_handler.catalog import segment as segments
from nova_swift_handler.catalog.audit import headers
from nova_swift_handler.catalog.finding import Finding
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.region import Region
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import presence
from nova_swift_handler.store.account import Account
from nova_swift_handler.vhd import constants

HEADERS, SAMPLE, ALL = "headers", "sample", "all"
LEVELS = (HEADERS, SAMPLE, ALL)

_RUN = 4
"""Most neighbouring blocks that one request reads."""

_NONE = bytes(hashlib.sha256().digest_size)

Slot = Tuple[Segment, int]


@dataclasses.dataclass(frozen=True)
class How:
    """How thoroughly to verify.

    :ivar level: one of ``LEVELS``.
    :ivar share: of the blocks, that a sample has; from 0 to 1.
    :ivar seed: the same one chooses the same sample.
    :ivar threads: ranges read at a time.
    """

    level: str = HEADERS
    share: float = 0.02
    seed: int = 0
    threads: int = 4


@dataclasses.dataclass
class Verdict:
    """What was found.

    :ivar container: whose points were verified.
    :ivar points: their image ids.
    :ivar blocks: how many blocks were read.
    :ivar findings: what is wrong.
    """

    container: str
    points: List[str]
    blocks: int
    findings: List[Finding]

    def bad(self, image_id: str) -> List[Finding]:
        """Return what is wrong with one point."""
        return [each for each in self.findings if image_id in each.points]

    def as_json(self) -> Dict[str, Any]:
        """Return a value for JSON."""
        return {"container": self.container, "points": self.points, "blocks_read": self.blocks,
                "findings": [each.as_json() for each in self.findings]}


def verify(account: Account, containers: names.Containers, container: str, how: How,
           only: Iterable[str] = (), for_glance: headers.Wanted = lambda image_id: False,
           progress: Callable[[int, int], None] = lambda done, total: None) -> Verdict:
    """Verify the points of *container*.

    :param only: image ids of the points to verify; all by default.
    :param progress: called with the bytes read and those to be read; at the level ``HEADERS`` with
        the checks done and to be done.
    :raises StoreError: Swift could not be asked.
    """
    wanted = set(only)
    points, findings = readable.points(account, container)
    if wanted:
        points = [point for point in points if point.image_id in wanted]
        findings = [each for each in findings if wanted & set(each.points)]
    ids = sorted({point.image_id for point in points}
                 | {image_id for each in findings for image_id in each.points})
    count = 0
    if how.level == HEADERS:
        findings += headers.check(account, containers, points, for_glance, progress)
    else:
        findings += headers.check(account, containers, points, for_glance)
        blocks = _Blocks(account, points, {
            each.name for each in findings
            if each.kind == finding.TABLE or each.problem == finding.ABSENT})
        count = blocks.read(how, progress)
        findings += blocks.findings()
    return Verdict(container, ids, count, sorted(findings, key=headers.sort_key))


class _Run(NamedTuple):
    segment: Segment
    slot: int
    blocks: int


class _Blocks:
    """The blocks of some points, each stored one once.

    :param broken: names of objects that need not be read.
    """

    def __init__(self, account: Account, points: List[Point], broken: Set[str]) -> None:
        self._account = account
        self._points = points
        self._broken = broken
        self._digests: Dict[Segment, bytearray] = {}
        self._bad: Dict[Slot, str] = {}
        for region in self._regions(points):
            for place in region.places:
                self._add(region.stored[place.segment], place.slot, place.digest)

    def _regions(self, points: Iterable[Point]) -> Iterator[Region]:
        """Yield the regions of *points*, each once."""
        seen = set(self._broken)
        for point in points:
            for ref in point.regions:
                if ref.table not in seen:
                    seen.add(ref.table)
                    yield lookup.region(self._account, point, ref)

    def _add(self, segment: Segment, slot: int, digest: bytes) -> None:
        known = self._digests.setdefault(segment, bytearray(len(_NONE) * segment.blocks))
        start = slot * len(_NONE)
        before = known[start:start + len(_NONE)]
        if before not in (_NONE, digest):
            self._bad[segment, slot] = "two tables give it different digests"
        known[start:start + len(_NONE)] = digest

    def read(self, how: How, progress: Callable[[int, int], None]) -> int:
        """Read and hash the blocks that *how* chooses; return how many there were."""
        runs = list(self._chosen(how))
        total = sum(run.blocks for run in runs)
        done = 0
        with futures.ThreadPoolExecutor(how.threads) as pool:
            for count in pool.map(self._read, runs):
                done += count
                progress(done * constants.BLOCK_SIZE, total * constants.BLOCK_SIZE)
        return total

    def _chosen(self, how: How) -> Iterator[_Run]:
        # Chosen by a seed, not against anybody.
        chance = random.Random(how.seed)  # noqa: S311
        for segment in sorted(self._digests, key=lambda each: each.path):
            if segment.name in self._broken:
                continue
            run = _Run(segment, 0, 0)
            for slot in range(segment.blocks):
                wanted = self._digest(segment, slot) != _NONE and (
                    how.level == ALL or chance.random() < how.share)
                if run.blocks and (not wanted or run.blocks == _RUN):
                    yield run
                    run = run._replace(blocks=0)
                if wanted:
                    run = _Run(segment, slot if not run.blocks else run.slot, run.blocks + 1)
            if run.blocks:
                yield run

    def _digest(self, segment: Segment, slot: int) -> bytes:
        return bytes(self._digests[segment][slot * len(_NONE):(slot + 1) * len(_NONE)])

    def _read(self, run: _Run) -> int:
        data = memoryview(bytearray(run.blocks * segments.STRIDE))
        try:
            self._account.read_into(run.segment.container, run.segment.name,
                                    run.slot * segments.STRIDE, data)
        except exceptions.StoreError as error:
            presence.refuse_outage(self._account, run.segment.container)
            for slot in range(run.slot, run.slot + run.blocks):
                self._bad[run.segment, slot] = "it cannot be read: %s" % error
            return run.blocks
        for number in range(run.blocks):
            start = number * segments.STRIDE + constants.BITMAP_SIZE
            found = hashlib.sha256(data[start:start + constants.BLOCK_SIZE]).digest()
            if found != self._digest(run.segment, run.slot + number):
                self._bad[run.segment, run.slot + number] = "its SHA-256 differs"
        return run.blocks

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, with the points that it hurts."""
        hurt: Dict[Slot, Tuple[Set[str], Set[int]]] = {
            slot: (set(), set()) for slot in self._bad}
        where = {segment for segment, _slot in self._bad}
        for point in self._points:
            if not where & set(point.segments):
                continue
            for region in self._regions([point]):
                for place in region.places:
                    slot = (region.stored[place.segment], place.slot)
                    if slot in hurt:
                        hurt[slot][0].add(point.image_id)
                        hurt[slot][1].add(place.block)
        together: Dict[Tuple[Segment, str, Tuple[str, ...]], List[Tuple[int, Set[int]]]] = {}
        for (segment, number), (ids, blocks) in sorted(
                hurt.items(), key=lambda each: (each[0][0].path, each[0][1])):
            together.setdefault(
                (segment, self._bad[segment, number], tuple(sorted(ids))), []).append(
                    (number * segments.STRIDE, blocks))
        for (segment, problem, points), those in together.items():
            numbers = sorted({block for _place, blocks in those for block in blocks})
            yield Finding(
                finding.BLOCK, segment.container, segment.name,
                "block %s, at byte %s of the segment, cannot be had as it was stored: %s" % (
                    _some(numbers), _some([place for place, _blocks in those]), problem),
                points, tuple(numbers))


def _some(numbers: List[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (
        " and %d more" % (len(numbers) - 8) if len(numbers) > 8 else "")
