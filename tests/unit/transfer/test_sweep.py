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

"""A sweep beside uploads and deletions, each stopped at every request for the other to pass.

Whoever goes first, and wherever it is stopped: once both are done, all that has a date of expiry
may go, and every complete point is whole.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import intent, lookup, names, raw, sweep
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store.manifest import Entry
from tests.unit.store.memory import MemoryAccount

from .world import ABILITIES, DAY, NAMES, Killed, Mortal, Paused, World

GRACE = 7 * DAY
A = NAMES.volume("a")

THIRD = {0: 10, 1: 31, 2: 12, 4: 34}
"""What the deleted point's disk held: who stores it again finds all of it there, dead."""


@pytest.fixture(scope="module")
def template() -> World:
    """Volume a: two points, and a third that was deleted; volume b was made of the second.

    What the second's disk.raw consisted of is there, but not that itself.
    """
    world = World()
    world.upload("a", {0: 10, 1: 11, 2: 12})
    second = world.upload("a", {0: 10, 1: 21})
    third = world.upload("a", THIRD)
    world.upload("b", {0: 10, 1: 21, 3: 43}, base=second.image_id)
    world.delete(third)
    _publish_raw(world, world.account)
    world.account.delete(A, names.of_point(second.image_id, names.RAW_VIEW))
    world.account.now += 10 * DAY
    return world


@pytest.fixture
def world(template: World) -> World:
    return template.copied()


def swept(world: World, account: Optional[MemoryAccount] = None, **more: Any) -> sweep.Swept:
    return sweep.sweep(account or world.account, A, GRACE, young=0, **more)


Act = Callable[[World, MemoryAccount], Any]


def _sweep(world: World, account: MemoryAccount) -> None:
    swept(world, account)


def _store_again(world: World, account: MemoryAccount) -> None:
    world.upload("a", THIRD, account)


def _store_more(world: World, account: MemoryAccount) -> None:
    world.upload("a", {0: 10, 1: 31, 4: 54}, account)


def _store_elsewhere(world: World, account: MemoryAccount) -> None:
    world.upload("c", {0: 10, 1: 21, 4: 64}, account, base=_point(world, 2).image_id)


def _delete_first(world: World, account: MemoryAccount) -> None:
    world.delete(_point(world, 1), account)


def _delete_second(world: World, account: MemoryAccount) -> None:
    world.delete(_point(world, 2), account)


def _delete_both_and_sweep(world: World, account: MemoryAccount) -> None:
    _delete_second(world, account)
    _delete_first(world, account)
    swept(world, account)


def _store_and_delete(world: World, account: MemoryAccount) -> None:
    point = world.upload("a", THIRD, account)
    _delete_second(world, account)
    world.delete(point, account)


def _sweep_and_store(world: World, account: MemoryAccount) -> None:
    swept(world, account)
    _store_again(world, account)


def _publish_raw(world: World, account: MemoryAccount) -> None:
    if not any(point.container == A and point.sequence == 2 for point in world.points()):
        return
    point = _point(world, 2)
    try:
        raw.publish(account, ABILITIES, point, *lookup.blocks(account, point))
    except (exceptions.ObjectMissing, exceptions.PointInvalid):
        assert point not in world.points()
    else:
        assert point not in world.points() or (
            A, names.of_point(point.image_id, names.RAW_VIEW)) in account.objects


def _point(world: World, sequence: int) -> Point:
    return next(point for point in world.points()
                if point.container == A and point.sequence == sequence)


PAIRS = [
    (_sweep, _store_again), (_store_again, _sweep),
    (_sweep, _store_more), (_store_more, _sweep),
    (_sweep, _store_elsewhere), (_store_elsewhere, _sweep),
    (_sweep, _delete_first), (_delete_first, _sweep),
    (_sweep, _delete_second), (_delete_second, _sweep),
    (_store_again, _delete_both_and_sweep), (_store_elsewhere, _delete_both_and_sweep),
    (_sweep, _store_and_delete), (_delete_second, _store_again), (_store_again, _delete_second),
    (_delete_second, _delete_first), (_delete_first, _delete_second),
    (_sweep, _sweep_and_store), (_delete_first, _sweep_and_store),
    (_sweep, _publish_raw), (_publish_raw, _sweep), (_publish_raw, _delete_second),
    (_delete_second, _publish_raw), (_publish_raw, _delete_both_and_sweep),
]


def _runs(template: World, act: Act, other: Act) -> Iterator[World]:
    """Do *act*, *other* being done before its n-th request, for every n."""
    at = 0
    while True:
        at += 1
        world = template.copied()
        paused = Paused(world.account, at, lambda: other(
            world, Paused(world.account)))  # noqa: B023  (done before it changes)
        act(world, paused)
        yield world
        if paused.made < at:
            return


@pytest.mark.parametrize(("act", "other"), PAIRS,
                         ids=lambda act: act.__name__.lstrip("_"))
def test_at_every_request(template: World, act: Act, other: Act) -> None:
    count = 0
    for world in _runs(template, act, other):
        count += 1
        world.account.expire()
        world.check()
    assert count >= 10


def test_a_raw_disk_of_a_point_that_is_deleted_meanwhile_goes_with_it(template: World) -> None:
    for act, other in ((_publish_raw, _delete_second), (_delete_second, _publish_raw)):
        gone = _point(template, 2)
        for world in _runs(template, act, other):
            if gone not in world.points():
                assert [name for _container, name in world.account.objects
                        if gone.image_id in name] == []


def test_sweeps_give_space_back_and_only_that(world: World) -> None:
    before = {name for container, name in world.account.objects if container == A}
    found = swept(world)
    assert found.condemned
    assert found.bytes > 2 * 2 ** 21
    assert (found.pardoned, found.lost, found.spared) == (0, 0, 0)
    gone = [name for container, name in world.account.expire() if container == A]
    assert len(gone) == found.condemned
    assert set(gone) < before
    assert all(name.startswith(("data/", "regions/")) or "/disk.raw.parts/" in name
               for name in gone)
    assert all((point.container, names.closing(point.upload_id)) in world.account.objects
               for point in world.points())
    world.check()
    again = swept(world)
    assert (again.condemned, again.waiting, again.live) == (0, 0, found.live)


def test_a_dry_run_tells_the_same_and_changes_nothing(world: World) -> None:
    before = {key: value.modified for key, value in world.account.objects.items()}
    told = swept(world, dry_run=True)
    assert before == {key: value.modified for key, value in world.account.objects.items()}
    assert told == swept(world)
    assert swept(world, dry_run=True).waiting == told.condemned


def test_what_is_condemned_keeps_its_date(world: World) -> None:
    found = swept(world)
    dates = {key: value.delete_at for key, value in world.account.objects.items()}
    world.account.now += DAY
    again = swept(world)
    assert (again.condemned, again.waiting) == (0, found.condemned)
    assert dates == {key: value.delete_at for key, value in world.account.objects.items()
                     if key in dates}


def test_all_of_a_volume_without_points_goes(world: World) -> None:
    for point in world.points():
        world.delete(point)
    swept(world)
    world.account.expire()
    left = [name for container, name in world.account.objects if container == A]
    # Volume b has no point either, but its own sweep is not this one.
    assert left == [sweep.STATE]


def test_what_is_young_is_left(world: World) -> None:
    swept(world)
    world.account.expire()
    for name in (names.segment("upload", 1), names.REGIONS + "young",
                 names.of_point("of-no-one", "disk.raw.parts/young")):
        world.account.put(A, name, b"young")
    found = sweep.sweep(world.account, A, GRACE)
    assert (found.condemned, found.spared) == (1, 2)  # data are announced
    world.account.now += DAY
    assert sweep.sweep(world.account, A, GRACE).condemned == 2


def test_a_grace_shorter_than_an_upload_is_refused(world: World) -> None:
    with pytest.raises(exceptions.ConfigError, match="43200"):
        sweep.sweep(world.account, A, 3600)


def test_remains_of_views_and_of_points_are_condemned(world: World) -> None:
    second = _point(world, 2)
    own = names.of_point(second.image_id, "")
    dead = [own + "delta.vhd.parts/head-of-before", own + "disk.vhd.parts/part.0",
            "points/of-no-one/disk.vhd", "points/of-no-one/delta.vhd.parts/head"]
    for name in dead:
        world.account.put(A, name, b"x")
    swept(world)
    gone = {name for _container, name in world.account.expire()}
    assert set(dead) < gone
    world.check()


def test_isos_stay_whole_and_their_remains_go(world: World) -> None:
    isos = NAMES.isos
    stored = world.account.put(isos, "data/one/000000", b"an ISO")
    world.account.put(isos, "data/two/000000", b"of a failed upload")
    world.account.put(isos, "an iso.properties", b"name=an iso\n")
    world.account.put_manifest(isos, "points/i/disk.iso", [
        Entry("/%s/data/one/000000" % isos, stored.etag, stored.size)])
    world.account.now += DAY
    assert sweep.sweep(world.account, isos, GRACE).condemned == 1
    assert [key for key in world.account.expire() if key[0] == isos] == [
        (isos, "data/two/000000")]
    assert world.account.read(isos, "points/i/disk.iso") == b"an ISO"


def test_parts_of_views_that_are_nested_stay(world: World) -> None:
    second = _point(world, 2)
    blocks, stored = lookup.blocks(world.account, second)
    raw.publish(world.account, ABILITIES, second, blocks, stored)
    before = world.account.read(A, names.of_point(second.image_id, names.RAW_VIEW))
    swept(world)
    world.account.expire()
    assert world.account.read(A, names.of_point(second.image_id, names.RAW_VIEW)) == before


def test_a_reference_without_use_goes_and_one_in_use_stays(world: World) -> None:
    swept(world)
    world.account.expire()
    there = (A, names.reference(NAMES.volume("b")))
    assert there in world.account.objects
    for point in world.points():
        if point.container == NAMES.volume("b"):
            world.delete(point)
    swept(world)
    world.account.expire()
    assert there not in world.account.objects


def _dead_data(world: World) -> List[str]:
    """Return the segments of volume a that no point names; the deleted third's."""
    named = {segment.path for point in world.points() for segment in point.segments}
    return [name for container, name in world.account.objects
            if container == A and name.startswith(names.DATA)
            and "/%s/%s" % (A, name) not in named and not name.endswith("/" + names.CLOSING)]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("kind", [intent.UPLOAD, intent.DELETE, intent.RAW])
def test_while_somebody_is_at_work_nothing_is_condemned(world: World, kind: str,
                                                        dry_run: bool) -> None:
    with intent.Intent(world.account, A, "u", "image", kind=kind):
        found = swept(world, dry_run=dry_run)
    assert found.condemned == 0
    assert found.spared >= len(_dead_data(world)) > 0
    assert not _dated(world)


def test_what_an_upload_elsewhere_may_come_to_name_is_kept_for_it(world: World) -> None:
    kept, *others = _dead_data(world)
    segment = Segment(A, kept, "", 0, 0)
    with intent.Intent(world.account, NAMES.volume("b"), "u", "image", [segment]):
        swept(world)
    assert kept not in _dated(world)
    assert set(others) <= set(_dated(world))
    swept(world)
    assert kept in _dated(world)


def test_a_point_that_cannot_be_read_stops_it(world: World) -> None:
    second = _point(world, 2)
    world.account.put_json(A, names.of_point(second.image_id, names.POINT),
                           dict(second.as_json(), format=99))
    with pytest.raises(exceptions.PointInvalid, match="store rebuild"):
        swept(world)
    assert not _dated(world)


def test_a_referring_container_that_cannot_be_listed_stops_it(world: World) -> None:
    class Closed(Paused):
        def request(self, verb: str, container: str, name: str = "") -> None:
            if container == NAMES.volume("b"):
                raise exceptions.StoreUnreachable("503")

    with pytest.raises(exceptions.StoreUnreachable):
        swept(world, Closed(world.account))
    assert not _dated(world)


def test_a_referring_container_that_is_there_and_not_listed_stops_it(world: World) -> None:
    class Partitioned(Paused):
        def listing(self, container: str, prefix: str = "",
                    delimiter: Optional[str] = None) -> Iterator[Dict[str, Any]]:
            if container == NAMES.volume("b"):
                raise exceptions.ObjectMissing("404")
            return super().listing(container, prefix, delimiter)

    with pytest.raises(exceptions.ObjectMissing):
        swept(world, Partitioned(world.account))
    assert not _dated(world)


def test_a_referring_container_that_is_gone_refers_no_more(world: World) -> None:
    b = NAMES.volume("b")
    for key in [key for key in world.account.objects if key[0] == b]:
        del world.account.objects[key]
    del world.account.there[b]
    swept(world)
    assert (A, names.reference(b)) in world.account.expire()
    world.check()


class Short(Paused):
    """A way into an account whose listings end too early.

    :param rows: how many rows they have.
    :param honest: whether the container tells how many there are.
    """

    def __init__(self, account: MemoryAccount, rows: int, honest: bool) -> None:
        super().__init__(account)
        self._rows_told = rows
        self._honest = honest

    def listing(self, container: str, prefix: str = "",
                delimiter: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        told = [row["name"] for row in super().listing(container)][:self._rows_told]
        for row in list(super().listing(container, prefix, delimiter)):
            if container != A or row.get("name") in told:
                yield row

    def head_container(self, container: str) -> Dict[str, str]:
        found = super().head_container(container)
        if container == A and not self._honest:
            found["x-container-object-count"] = str(self._rows_told)
        return found


def _length(world: World) -> int:
    return sum(1 for container, _name in world.account.objects if container == A)


def test_a_listing_that_was_cut_short_stops_it(template: World) -> None:
    for rows in range(_length(template)):
        world = template.copied()
        with pytest.raises(exceptions.StoreError, match="listing"):
            swept(world, Short(world.account, rows, honest=True))
        assert not _dated(world)


def test_a_listing_without_points_that_were_there_stops_it(template: World) -> None:
    seen = template.copied()
    swept(seen)  # remembers the points
    stopped = 0
    for rows in range(_length(seen)):
        world = seen.copied()
        try:
            swept(world, Short(world.account, rows, honest=False))
        except exceptions.StoreError:
            stopped += 1
        # References are listed behind the points: where these are known, so were those.
        told = sorted(name for container, name in seen.account.objects if container == A)[:rows]
        if names.reference(NAMES.volume("b")) in told or stopped == rows + 1:
            world.account.expire()
            world.check()
    assert stopped


def test_an_upload_whose_point_is_not_listed_stops_it(world: World) -> None:
    point = _point(world, 2)

    class Old(Paused):
        def _rows(self, *args: Any) -> List[Dict[str, Any]]:
            return [row for row in super()._rows(*args)
                    if point.image_id not in row.get("name", "")]

        def head_container(self, container: str) -> Dict[str, str]:
            return {**super().head_container(container), "x-container-object-count": "0"}

    with pytest.raises(exceptions.StoreError, match="lacks"):
        swept(world, Old(world.account))
    assert not _dated(world)


class Frozen(Paused):
    """A way into an account whose listings are those of another, older one."""

    def __init__(self, account: MemoryAccount, older: MemoryAccount) -> None:
        super().__init__(account)
        self._older = older

    def listing(self, *args: Any, **kwargs: Any) -> Iterator[Dict[str, Any]]:
        yield from self._older.listing(*args, **kwargs)


@pytest.mark.parametrize("act", [_store_again, _store_more, _store_elsewhere, _delete_first])
def test_what_a_sweep_with_old_listings_did_the_next_one_mends(
        template: World, act: Act) -> None:
    world = template.copied()
    older = world.account.copied()
    act(world, world.account)
    try:
        swept(world, Frozen(world.account, older))
    except exceptions.StoreError:
        assert not _dated(world)
    world.account.now += DAY
    swept(world)
    world.account.expire()
    world.check()


@pytest.mark.parametrize("other", [_store_again, _store_elsewhere, _delete_first])
def test_what_a_killed_sweep_left_the_next_one_mends(template: World, other: Act) -> None:
    at = 0
    while True:
        at += 1
        world = template.copied()
        mortal = Mortal(world.account, at)
        try:
            swept(world, mortal)
        except Killed:
            other(world, world.account)
            world.account.now += DAY
            swept(world)
            world.account.expire()
            world.check()
            continue
        return


def test_an_upload_after_a_sweep_was_killed_needs_no_further_sweep(template: World) -> None:
    at = 0
    while True:
        at += 1
        world = template.copied()
        try:
            swept(world, Mortal(world.account, at))
        except Killed:
            _store_again(world, world.account)
            world.account.expire()
            world.check()
            continue
        return


def test_a_sweep_that_fails_takes_back_what_it_did(template: World) -> None:
    class Failing(Paused):
        def request(self, verb: str, container: str, name: str = "") -> None:
            super().request(verb, container, name)
            if self.made == self._at:
                raise exceptions.StoreUnreachable("503")

    at, failed = 0, 0
    while True:
        at += 1
        world = template.copied()
        account = Failing(world.account, at)
        try:
            swept(world, account)
        except exceptions.StoreUnreachable:
            failed += 1
            if account.made > at:
                _store_again(world, world.account)
                world.account.expire()
                world.check()
            continue
        break
    assert failed > 10


def _dated(world: World) -> List[str]:
    """Return what in volume a is condemned."""
    return [name for (container, name), found in world.account.objects.items()
            if container == A and found.delete_at is not None
            and not name.startswith(names.INTENTS)]


class Recorded(Paused):
    """A way into an account that remembers what was asked of it."""

    def __init__(self, account: MemoryAccount) -> None:
        super().__init__(account)
        self.asked: List[Any] = []

    def request(self, verb: str, container: str, name: str = "") -> None:
        self.asked.append((verb, name))


class Stopping(Paused):
    """A sweep's way into an account: it stops before condemning, and is killed after it.

    :ivar reached: set once it has stopped.
    :ivar go: what it waits for then.
    """

    def __init__(self, account: MemoryAccount, stop: int, kill: int) -> None:
        super().__init__(account)
        self.reached, self.go = threading.Event(), threading.Event()
        self._stop, self._kill = stop, kill

    def request(self, verb: str, container: str, name: str = "") -> None:
        self.made += 1
        if self.made == self._stop:
            self.reached.set()
            assert self.go.wait(60)
        if self.made >= self._kill:
            raise Killed


def test_an_upload_looks_after_itself_when_a_sweep_dies_beside_it(template: World) -> None:
    # A sweep that saw no upload, but condemns and dies while one is under way.
    plain = Recorded(template.copied().account)
    swept(template, plain)
    posts = [number for number, (verb, _name) in enumerate(plain.asked, 1) if verb == "POST"]
    condemning = [number for number in posts if number < posts[0] + 2 * len(posts)]
    at, settled = 0, 0
    while True:
        at += 1
        world = template.copied()
        stopping = Stopping(world.account, condemning[0] - 1, condemning[-1] + 1)

        def dying(world: World = world, stopping: Stopping = stopping) -> None:
            with pytest.raises(Killed):
                swept(world, stopping)

        thread = threading.Thread(target=dying)
        thread.start()
        assert stopping.reached.wait(60)

        class Upload(Paused):
            point_at = 0

            def request(self, verb: str, container: str, name: str = "") -> None:
                super().request(verb, container, name)
                if name.endswith("/" + names.POINT) and verb == "PUT":
                    self.point_at = self.made

        upload = Upload(world.account, at, lambda stopping=stopping, thread=thread: (
            stopping.go.set(), thread.join()))
        _store_again(world, upload)
        stopping.go.set()
        thread.join()
        if at > upload.point_at + 1:
            # It has looked already: then the next sweep is what saves it.
            world.account.now += DAY
            swept(world)
        else:
            settled += 1
        world.account.expire()
        world.check()
        if upload.made < at:
            assert settled > 10
            return


@pytest.mark.parametrize("act", [_store_again, _store_more, _store_elsewhere, _publish_raw])
def test_an_upload_that_was_stopped_for_hours_looks_after_what_was_swept_meanwhile(
        template: World, act: Act) -> None:
    at = 0
    while True:
        at += 1
        world = template.copied()
        paused = Paused(world.account, at)

        def stopped(world: World = world, paused: Paused = paused) -> None:
            world.account.now += intent.LIFETIME + 1
            paused.now = world.account.now
            swept(world)

        paused._act = stopped
        act(world, paused)
        world.account.expire()
        world.check()
        if paused.made < at:
            return


def test_a_sweep_condemns_no_further_once_somebody_begins(
        template: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_BATCH", 1)
    world = template.copied()

    class Begun(Recorded):
        def request(self, verb: str, container: str, name: str = "") -> None:
            super().request(verb, container, name)
            if [each[0] for each in self.asked].count("POST") == 1 and verb == "POST":
                world.account.put_json(A, names.intent("u"), {"kind": "upload", "image_id": "i"})

    begun = Begun(world.account)
    found = swept(world, begun)
    # One is condemned, and pardoned again.
    assert [verb for verb, _name in begun.asked].count("POST") == 2
    assert (found.condemned, found.spared) == (0, 1)
    assert not _dated(world)
