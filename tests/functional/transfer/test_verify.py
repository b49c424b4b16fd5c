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

"""Whatever is lost or damaged is found, named, and made anew where the data allow it."""

from __future__ import annotations

import pathlib
import uuid
from typing import Any, Callable, Dict, Iterator, List, Set

import pytest

from nova_swift_handler.catalog import finding, lookup, names, tree
from nova_swift_handler.catalog import usage as usages
from nova_swift_handler.catalog.audit import rebuild, record, verify
from nova_swift_handler.catalog.audit.verify import Verdict
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.store import lifetime, probe
from tests.functional.proxy import ANSWER, Proxy
from tests.functional.store.conftest import Site

from .shop import MIB2, Shop
from .test_deltas import Disk, read_chain, snapshot


class Volume:
    """A volume of three points; the second is the parent of the third, and a block became zero.

    :ivar points: oldest first.
    :ivar disks: what is on them.
    """

    def __init__(self, shop: Shop, directory: pathlib.Path) -> None:
        self.shop = shop
        self.container = shop.names.volume("a")
        disk = Disk(20)
        self.points: List[Point] = []
        self.disks: List[bytes] = []
        for number in (0, 1, 2, 3, 7, 8, 9, 12, 19):
            disk.write(number, number)
        self._take(disk, directory)
        disk.write(2, 102)
        del disk.held[8]
        self._take(disk, directory)
        disk.write(15, 115)
        self._take(disk, directory)

    def _take(self, disk: Disk, directory: pathlib.Path) -> None:
        self.points.append(snapshot(self.shop, disk, directory))
        self.disks.append(disk.raw())

    @property
    def ids(self) -> List[str]:
        return [point.image_id for point in self.points]

    def verify(self, level: str = verify.HEADERS, **more: Any) -> Verdict:
        return verify.verify(self.shop.account, self.shop.names, self.container,
                             verify.How(level, **more), for_glance=lambda image_id: True)

    def rebuild(self, **more: Any) -> List[rebuild.Outcome]:
        abilities = probe.abilities(self.shop.account, self.shop.names.index)
        return rebuild.rebuild(self.shop.account, self.shop.names, abilities, self.container,
                               **{"for_glance": lambda image_id: True, **more})

    def check(self, libvhdi: Any) -> None:
        """See that all is whole, by us and by others."""
        assert self.verify(verify.ALL).findings == []
        for point, disk in zip(self.points, self.disks):
            assert self.shop.find(point.image_id) == point
            assert self.shop.raw(point.image_id) == disk
        assert read_chain(libvhdi, self.shop, self.ids, len(self.disks[0])) == self.disks[-1]


@pytest.fixture(scope="module")
def volume(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    shop = Shop(site, "t%s" % uuid.uuid4().hex[:10])
    shop.set_up()
    yield Volume(shop, tmp_path_factory.mktemp("disks"))
    shop.tear_down()


def test_what_is_whole_is_told_so_and_shared_blocks_are_read_once(volume: Volume) -> None:
    verdict = volume.verify(verify.ALL)
    assert (verdict.findings, set(verdict.points)) == ([], set(volume.ids))
    assert verdict.blocks == 9 + 1 + 1
    assert volume.verify().blocks == 0
    few = volume.verify(verify.SAMPLE, share=0.5, seed=3)
    assert 0 < few.blocks < 11
    assert few.blocks == volume.verify(verify.SAMPLE, share=0.5, seed=3).blocks
    record.keep(volume.shop.account, verdict, verify.How(verify.ALL))
    kept = record.read(volume.shop.account, volume.container)
    assert {image_id: (each["level"], each["problems"]) for image_id, each in kept.items()} == {
        image_id: ("all", []) for image_id in volume.ids}


def last(volume: Volume, part: str) -> str:
    return names.of_point(volume.ids[-1], part)


# Each: kind that is found; the object's container, the object.
_OBJECTS: Dict[str, Callable[[Volume], Any]] = {
    finding.TABLE: lambda volume: (volume.container, volume.points[-1].regions[0].table),
    finding.PART: lambda volume: (volume.container,
                                  volume.points[-1].regions[0].parts[0]["name"]),
    finding.HEAD: lambda volume: (volume.container, last(volume, "head")),
    finding.DISK: lambda volume: (volume.container, last(volume, names.DISK_VIEW)),
    finding.DELTA: lambda volume: (volume.container, last(volume, names.DELTA_VIEW)),
    finding.CLOSING: lambda volume: (volume.container,
                                     names.closing(volume.points[-1].upload_id)),
    finding.INDEX: lambda volume: (volume.shop.names.index, volume.ids[-1]),
    finding.IMAGE: lambda volume: (volume.shop.names.images, volume.ids[-1]),
    finding.POINT: lambda volume: (volume.container, last(volume, names.POINT)),
}


@pytest.mark.parametrize("kind", sorted(_OBJECTS))
def test_each_kind_of_object_is_made_anew(volume: Volume, libvhdi: Any, kind: str) -> None:
    account = volume.shop.account
    container, name = _OBJECTS[kind](volume)
    before = volume.shop.download("%s/%s" % (container, name))

    def check_found() -> None:
        found = [each for each in volume.verify().findings if each.name == name]
        assert [(each.kind, each.container, each.points) for each in found] == [
            (kind, container, (volume.ids[-1],))]
        assert "rebuild" in found[0].what_to_do

    def check_rebuilt() -> None:
        planned = volume.rebuild(dry_run=True)
        assert [(each.image_id, each.state) for each in planned] == [
            (volume.ids[-1], rebuild.TO_MAKE)]
        assert kind in planned[0].what
        made = volume.rebuild()
        assert [(each.image_id, each.state) for each in made] == [(volume.ids[-1], rebuild.MADE)]
        assert volume.shop.download("%s/%s" % (container, name)) == before
        assert volume.verify().findings == []
        assert volume.rebuild() == []

    account.delete(container, name)
    if kind == finding.POINT:  # A point that is not there is missed by nobody but its index entry.
        assert volume.verify().findings == []
    else:
        check_found()
    check_rebuilt()
    # Cut: what is left of it is no longer what it was.
    account.put(container, name, before[:len(before) // 2])
    check_found()
    check_rebuilt()
    volume.check(libvhdi)


def test_all_but_the_data_is_made_anew_for_whom_asks(volume: Volume, libvhdi: Any) -> None:
    account = volume.shop.account
    lost = [row["name"] for row in account.listing(volume.container)
            if not row["name"].startswith(names.DATA)]
    for name in lost:
        account.delete(volume.container, name)
    for image_id in volume.ids:
        account.delete(volume.shop.names.index, image_id)
        account.delete(volume.shop.names.images, image_id)
    shown = volume.rebuild(for_glance=lambda image_id: False)
    assert [(each.image_id, each.state) for each in shown] == [
        (image_id, rebuild.CANDIDATE) for image_id in volume.ids]
    assert {name for name in volume.shop.contents()[volume.container]
            if not name.startswith(names.DATA)} == set()
    # Glance has the first; all are asked for.
    made = volume.rebuild(active=lambda image_id: image_id == volume.ids[0])
    assert [each.state for each in made] == [
        rebuild.MADE, rebuild.CANDIDATE, rebuild.CANDIDATE]
    made = volume.rebuild(everything=True)
    assert [(each.image_id, each.state) for each in made] == [
        (image_id, rebuild.MADE) for image_id in volume.ids[1:]]
    volume.check(libvhdi)


def test_a_point_that_was_deleted_stays_deleted(volume: Volume, tmp_path: pathlib.Path) -> None:
    account = volume.shop.account
    disk = Disk(20)
    disk.write(4, 4)
    point = snapshot(volume.shop, disk, tmp_path, "b")
    for name in (names.of_point(point.image_id, names.POINT), names.closing(point.upload_id)):
        account.delete(point.container, name)
    abilities = probe.abilities(account, volume.shop.names.index)
    assert rebuild.rebuild(account, volume.shop.names, abilities, point.container,
                           everything=True, active=lambda image_id: True) == []


def users(volume: Volume, name: str) -> Set[str]:
    return {point.image_id for point in volume.points
            if name in [segment.name for segment in point.segments]}


def test_a_segment_that_is_gone_or_other_names_all_points_it_hurts(volume: Volume,
                                                                   libvhdi: Any) -> None:
    account = volume.shop.account
    segment = volume.points[0].segments[0]
    before = volume.shop.download(segment.path[1:])
    account.delete(volume.container, segment.name)
    found = [each for each in volume.verify(verify.ALL).findings
             if each.kind == finding.SEGMENT]
    assert [(each.name, each.problem, set(each.points)) for each in found] == [
        (segment.name, finding.ABSENT, users(volume, segment.name))]
    assert "delete these points" in found[0].what_to_do
    damaged = bytearray(before)
    damaged[1000] ^= 1
    account.put(volume.container, segment.name, bytes(damaged))
    findings = volume.verify(verify.ALL).findings
    assert {each.kind for each in findings} >= {finding.SEGMENT, finding.BLOCK}
    for each in findings:
        assert each.kind not in (finding.SEGMENT, finding.BLOCK) or (
            each.name == segment.name), each
    (bad,) = [each for each in findings if each.kind == finding.BLOCK]
    assert len(bad.blocks) == 1
    (number,) = bad.blocks
    assert set(bad.points) == {
        point.image_id for point in volume.points
        for blocks, stored in [lookup.blocks(account, point)]
        for place in [blocks.get(number)]
        if place is not None and stored[place.segment].name == segment.name}
    # Nothing is made of damaged segments.
    outcomes = volume.rebuild()
    assert [each for each in outcomes if each.state == rebuild.MADE] == []
    account.put(volume.container, segment.name, before)
    volume.check(libvhdi)


def test_a_block_that_went_bad_under_its_etag_is_named(volume: Volume, site: Site) -> None:
    (segment,) = set(volume.points[2].segments) - set(volume.points[1].segments)
    with Proxy(site.env["images_account_url"]) as proxy:
        proxy.flip("^GET .*/%s " % segment.name, ANSWER, 700, times=-1)
        verdict = verify.verify(site.account(url=proxy.url), volume.shop.names,
                                volume.container, verify.How(verify.ALL))
    assert [(each.kind, each.name, each.blocks, each.points) for each in verdict.findings] == [
        (finding.BLOCK, segment.name, (15,), (volume.ids[2],))]


def test_another_view_in_place_of_one_is_noticed(volume: Volume, libvhdi: Any) -> None:
    account = volume.shop.account
    for part in (names.DISK_VIEW, names.DELTA_VIEW):
        name = last(volume, part)
        others = names.of_point(volume.ids[0], names.DISK_VIEW)
        headers = {"X-Object-Meta-Parent": volume.ids[1]} if part == names.DELTA_VIEW else {}
        account.put_manifest(volume.container, name, account.manifest(volume.container, others),
                             headers=headers)
        assert [(each.kind, each.name) for each in volume.verify().findings] == [(part, name)]
        volume.rebuild()
    # One whose blocks lead to other places, and which is right in all else.
    entries = account.manifest(volume.container, names.of_point(volume.ids[0], names.DISK_VIEW))
    region = account.manifest(volume.container, volume.points[0].regions[0].parts[0]["name"])
    name = names.of_point(volume.ids[0], names.DISK_VIEW)
    if len(region) > 1 and region[0].length == region[1].length:
        region[0], region[1] = region[1], region[0]
    else:
        region[0] = region[0].__class__(
            region[0].path, region[0].etag, region[0].size, 512,
            512 + region[0].length - 1)
    account.put_manifest(volume.container, name, [entries[0], *region, entries[-1]])
    (found,) = [each for each in volume.verify().findings if each.name == name]
    assert "leads to byte" in found.problem
    volume.rebuild()
    volume.check(libvhdi)


def test_a_condemned_segment_that_a_point_names_is_told_of(volume: Volume) -> None:
    account = volume.shop.account
    segment = volume.points[0].segments[0]
    at = int(account.clock(volume.container).timestamp()) + 3600
    lifetime.condemn(account, volume.container, segment.name, at)
    (found,) = volume.verify().findings
    assert (found.kind, found.name) == (finding.SEGMENT, segment.name)
    assert "sweep" in found.what_to_do
    lifetime.pardon(account, volume.container, segment.name)
    assert volume.verify().findings == []


def test_a_point_of_the_provisional_format_is_told_of(volume: Volume) -> None:
    account = volume.shop.account
    image_id = str(uuid.uuid4())
    name = names.of_point(image_id, names.POINT)
    account.put_json(volume.container, name, {"format": 0, "image_id": image_id})
    (found,) = volume.verify().findings
    assert (found.kind, found.points) == (finding.POINT, (image_id,))
    assert "provisional" in found.problem
    (outcome,) = volume.rebuild()
    assert (outcome.image_id, outcome.state) == (image_id, rebuild.LOST)
    account.delete(volume.container, name)


def test_the_tree_of_a_volume(volume: Volume) -> None:
    nodes = tree.tree(volume.shop.account, volume.container)
    assert [(node.point.image_id, node.parent, node.depth, node.lead) for node in nodes] == [
        (volume.ids[0], None, 0, ""), (volume.ids[1], volume.ids[0], 1, "`- "),
        (volume.ids[2], volume.ids[1], 2, "   `- ")]
    sizes = [node.delta_size for node in nodes]
    assert sizes[0] == volume.points[0].vhd_size
    assert 2 * MIB2 < sizes[1] < 3 * MIB2  # a changed block, and one that became zero
    assert MIB2 < sizes[2] < 2 * MIB2


def test_what_deleting_a_point_would_free(volume: Volume) -> None:
    (used,) = usages.usage(volume.shop.account, [volume.container])
    answer = volume.shop.http("HEAD", volume.container)
    assert used.stored == int(answer.headers["x-container-bytes-used"])
    assert used.stored == (used.data + used.regions + used.views + used.manifests + used.closings
                           + used.other + used.unused)
    assert used.data == sum(segment.size for segment in {
        segment for point in volume.points for segment in point.segments})
    assert 0 < used.manifests < MIB2
    assert (used.unused, used.condemned) == (0, 0)
    assert used.logical == (9 + 8 + 9) * MIB2
    freed = {each.point.image_id: each.freed for each in used.points}
    sent = volume.points[2].sent_bytes
    assert sent < freed[volume.ids[2]] < sent + MIB2
    assert freed[volume.ids[1]] < MIB2  # the third lives on what it sent
    assert sum(freed.values()) + used.other < used.stored
