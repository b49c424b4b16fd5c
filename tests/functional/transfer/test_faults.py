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

"""Whatever befalls an upload, it ends in a whole point or in nothing; and no lie is restored."""

from __future__ import annotations

import json
import pathlib
import uuid
from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.catalog.publish import Publisher
from nova_swift_handler.catalog.views import VHD_CONTENT_TYPE
from nova_swift_handler.store import probe
from nova_swift_handler.transfer import snapshot, upload
from nova_swift_handler.transfer.cleanup import run as clean_up
from nova_swift_handler.transfer.jobs import CleanUpJob
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.transfer.sources.source import FileSource
from tests.functional.proxy import ANSWER, REQUEST, Proxy
from tests.unit.vhd import independent

from .shop import MIB2, Shop, write_disk


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long after a lost segment."""
    monkeypatch.setattr(upload, "_PAUSE", 0.05)


# -- what passes ------------------------------------------------------------------------------

@pytest.mark.parametrize(("side", "after"), [
    (REQUEST, 0), (REQUEST, MIB2 // 2), (REQUEST, 5 * MIB2), (ANSWER, -1)],
    ids=["at once", "in a block", "after some", "the answer"])
def test_a_lost_segment_is_sent_again(shop: Shop, behind: Proxy, tmp_path: pathlib.Path,
                                      side: str, after: int) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    fault = behind.cut("^PUT .*/data/", side, after, times=2)
    point = shop.store(tmp_path / "disk.vhd", "a", shop.site.account(url=behind.url))
    assert fault.hits == 2
    assert shop.raw(point.image_id) == raw
    disk = bytearray(len(raw))
    independent.apply(shop.download(
        "%s/points/%s/disk.vhd" % (point.container, point.image_id)), disk)
    assert disk == raw


def test_a_segment_that_arrived_damaged_is_sent_again(shop: Shop, behind: Proxy,
                                                      tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    behind.flip("^PUT .*/data/", REQUEST, MIB2 + 1000)
    point = shop.store(tmp_path / "disk.vhd", "a", shop.site.account(url=behind.url))
    assert shop.raw(point.image_id) == raw


def test_every_small_write_may_be_lost_once(shop: Shop, behind: Proxy,
                                            tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd", blocks=9)
    shop.store(tmp_path / "disk.vhd", "a")
    raw = write_disk(tmp_path / "disk.vhd", seed=2, blocks=9)
    parts = ["/intents/", r"regions/.*\.table", r"regions/.*\.0-\w+\?", "/head ", "/disk.vhd",
             r"delta\.vhd\.parts/head", r"/delta\.vhd\?", "/closing", "/point.json", "-index/",
             "-images/"]
    faults = [behind.cut("^PUT .*" + part, ANSWER, -1) for part in parts]
    gone = behind.cut("^DELETE .*/intents/", ANSWER, -1)
    point = shop.store(tmp_path / "disk.vhd", "a", shop.site.account(url=behind.url))
    assert [fault.hits for fault in faults] == [1] * len(parts)
    assert gone.hits == 1
    assert shop.raw(point.image_id) == raw
    assert not [name for name in shop.contents()[point.container] if "intents" in name]


@pytest.mark.parametrize("after", [0, MIB2 + 3])
def test_reading_goes_on_after_cuts(shop: Shop, behind: Proxy, tmp_path: pathlib.Path,
                                    after: int) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    point = shop.store(tmp_path / "disk.vhd", "a")
    fault = behind.cut("^GET .*/data/", ANSWER, after, times=3)
    assert shop.raw(point.image_id, shop.site.account(url=behind.url, attempts=5)) == raw
    assert fault.hits == 3


def test_a_block_that_is_damaged_on_its_way_is_read_again(shop: Shop, behind: Proxy,
                                                          tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    point = shop.store(tmp_path / "disk.vhd", "a")
    fault = behind.flip("^GET .*/data/", ANSWER, 1000)
    assert shop.raw(point.image_id, shop.site.account(url=behind.url)) == raw
    assert fault.hits == 1


# -- what does not ----------------------------------------------------------------------------

def _visible(shop: Shop) -> Dict[str, List[str]]:
    """Return what is in Swift but for what takes room and nothing else: data and regions."""
    return {container: [name for name in names if not name.startswith(("data/", "regions/"))]
            for container, names in shop.contents().items()}


_STEPS = {
    "intent": ("intents/", 403, exceptions.StoreAuthFailed),
    "segments refused": ("data/", 507, exceptions.StoreUnreachable),
    "segments forbidden": ("data/", 403, exceptions.StoreAuthFailed),
    "region tables": (r"regions/.*\.table", 403, exceptions.StoreAuthFailed),
    "regions": (r"regions/.*multipart-manifest", 400, exceptions.StoreError),
    "head": ("/head ", 413, exceptions.StoreError),
    "view": (r"/disk\.vhd\?", 503, exceptions.StoreUnreachable),
    "delta's head": (r"delta\.vhd\.parts/", 413, exceptions.StoreError),
    "delta": (r"/delta\.vhd\?", 400, exceptions.StoreError),
    "closing": ("/closing", 413, exceptions.StoreError),
    "point": (r"/point\.json", 403, exceptions.StoreAuthFailed),
    "index": ("-index/", 500, exceptions.StoreUnreachable),
    "image": ("-images/", 403, exceptions.StoreAuthFailed),
}


@pytest.mark.parametrize("step", sorted(_STEPS))
def test_an_upload_that_fails_anywhere_leaves_only_what_the_next_one_uses(
        shop: Shop, behind: Proxy, tmp_path: pathlib.Path, step: str) -> None:
    write_disk(tmp_path / "other.vhd", seed=5, blocks=12)
    other = shop.store(tmp_path / "other.vhd", "a")
    before = _visible(shop)
    raw = write_disk(tmp_path / "disk.vhd", blocks=12)
    pattern, status, kind = _STEPS[step]
    behind.refuse("^PUT .*" + pattern, status)
    image_id = str(uuid.uuid4())
    with pytest.raises(kind, match=str(status)):
        shop.store(tmp_path / "disk.vhd", "a", shop.site.account(url=behind.url), image_id)
    assert _visible(shop) == before
    assert shop.find(image_id) is None
    assert shop.find(other.image_id) == other
    assert not [name for name in shop.contents()[other.container] if name.endswith("/closing")
                and other.upload_id not in name]
    point = shop.store(tmp_path / "disk.vhd", "a")
    assert point.sent_blocks == (8 if step.startswith(("intent", "segments")) else 0)
    assert shop.raw(point.image_id) == raw


@pytest.mark.parametrize("step", ["data/.*/0", "regions/", "/head ", r"/disk\.vhd",
                                  r"/delta\.vhd", "/closing", r"/point\.json", "-index/",
                                  "-images/"])
def test_an_upload_whose_answers_are_lost_leaves_only_what_the_next_one_uses(
        shop: Shop, behind: Proxy, tmp_path: pathlib.Path, step: str) -> None:
    # Swift has stored the object each time, and whoever sent it does not know.
    write_disk(tmp_path / "other.vhd", seed=5, blocks=9)
    shop.store(tmp_path / "other.vhd", "a")
    before = _visible(shop)
    raw = write_disk(tmp_path / "disk.vhd", blocks=9)
    behind.cut("^PUT .*" + step, ANSWER, -1, times=-1)
    with pytest.raises(exceptions.StoreUnreachable):
        shop.store(tmp_path / "disk.vhd", "a",
                   shop.site.account(url=behind.url, attempts=2))
    assert _visible(shop) == before
    behind.clear()
    point = shop.store(tmp_path / "disk.vhd", "a")
    assert point.sent_blocks == 0
    assert shop.raw(point.image_id) == raw


def test_a_failure_after_the_point_was_complete_takes_the_point_back(
        shop: Shop, tmp_path: pathlib.Path) -> None:
    write_disk(tmp_path / "other.vhd", seed=5, blocks=12)
    shop.store(tmp_path / "other.vhd", "a")
    write_disk(tmp_path / "disk.vhd", blocks=12)
    before = _visible(shop)
    with pytest.raises(exceptions.RegistrationFailed), snapshot.stored(
            shop.services(), shop.account, shop.subject("a"),
            FileSource(str(tmp_path / "disk.vhd")), shop.names.volume("a"),
            Report(lambda event: None), for_glance=True) as point:
        assert shop.find(point.image_id) == point
        raise exceptions.RegistrationFailed("Glance said no")
    assert _visible(shop) == before
    assert shop.store(tmp_path / "disk.vhd", "a").sent_blocks == 0


def test_an_upload_that_is_stopped_leaves_no_point(shop: Shop, tmp_path: pathlib.Path) -> None:
    write_disk(tmp_path / "disk.vhd", blocks=12)
    shop.store(tmp_path / "disk.vhd", "a")
    before = _visible(shop)
    report = Report(lambda event: report.stop("enough"))
    with pytest.raises(exceptions.TransferFailed, match="enough"), snapshot.stored(
            shop.services(), shop.account, shop.subject("a"),
            FileSource(str(tmp_path / "disk.vhd")), shop.names.volume("a"),
            report, for_glance=True):
        raise AssertionError("it was not stopped")
    assert _visible(shop) == before


@pytest.mark.parametrize("damage", ["truncated", "last footer", "differencing"])
def test_a_bad_file_leaves_no_point(shop: Shop, tmp_path: pathlib.Path, damage: str) -> None:
    write_disk(tmp_path / "disk.vhd", blocks=12)
    shop.store(tmp_path / "disk.vhd", "a")
    before = shop.contents()
    data = (tmp_path / "disk.vhd").read_bytes()
    bad: Dict[str, bytes] = {
        "truncated": data[:len(data) // 2],
        "last footer": data[:-512] + bytes(512),
        "differencing": independent.build(
            4 * MIB2, {}, independent.DIFFERENCING, parent_id=b"p" * 16)}
    (tmp_path / "disk.vhd").write_bytes(bad[damage])
    with pytest.raises(exceptions.VhdError):
        shop.store(tmp_path / "disk.vhd", "a")
    # All that could be read of it is in the volume already.
    assert shop.contents() == before


def test_a_volume_without_setup_says_what_to_run(shop: Shop, tmp_path: pathlib.Path) -> None:
    write_disk(tmp_path / "disk.vhd", blocks=3)
    shop.tear_down()
    with pytest.raises(exceptions.ObjectMissing, match="swift-vhd setup"):
        shop.store(tmp_path / "disk.vhd", "a")
    assert not any(shop.contents().values())


def test_what_a_killed_upload_left_visible_is_taken_back(shop: Shop,
                                                         tmp_path: pathlib.Path) -> None:
    write_disk(tmp_path / "disk.vhd", blocks=12)
    kept = shop.store(tmp_path / "disk.vhd", "a")
    killed = shop.store(tmp_path / "disk.vhd", "a")
    job = CleanUpJob(shop.services(), None, killed.image_id, "a")
    assert clean_up(job, Report(lambda event: None))["removed"] >= 2
    assert shop.find(killed.image_id) is None
    assert shop.find(kept.image_id) == kept
    left = [name for names in shop.contents().values() for name in names]
    assert not [name for name in left if killed.image_id in name]
    assert clean_up(job, Report(lambda event: None)) == {"removed": 0}


@pytest.mark.parametrize("kind", ["an object", "parts", "a manifest of something else"])
def test_what_glance_itself_uploaded_is_not_taken_back(shop: Shop, tmp_path: pathlib.Path,
                                                       kind: str) -> None:
    write_disk(tmp_path / "disk.vhd", blocks=3)
    killed = shop.store(tmp_path / "disk.vhd", "a")
    publisher = Publisher(shop.account, shop.names, shop.names.volume("a"),
                          probe.abilities(shop.account, shop.names.index))
    publisher.offer(killed.image_id, names.of_point(killed.image_id, names.DISK_VIEW),
                    killed.vhd_size, VHD_CONTENT_TYPE)
    name = "%s/%s" % (shop.names.images, killed.image_id)
    _replace(shop, name + "-00001", b"theirs" * 100)
    if kind == "an object":
        _replace(shop, name, b"theirs")
    elif kind == "parts":
        shop.http("PUT", name, headers={"X-Object-Manifest": name + "-0", "Content-Length": "0"})
    else:
        manifest = [{"path": "/%s-00001" % name}]
        shop.http("PUT", name + "?multipart-manifest=put", data=json.dumps(manifest))
    theirs = shop.download(name)
    assert theirs.startswith(b"theirs")
    clean_up(CleanUpJob(shop.services(), None, killed.image_id, "a"), Report(lambda event: None))
    assert shop.download(name) == theirs
    publisher.withdraw()
    assert shop.download(name) == theirs
    for left in (name, name + "-00001"):
        shop.http("DELETE", left)


def test_a_clean_up_of_nothing_is_done(shop: Shop) -> None:
    job = CleanUpJob(shop.services(), None, str(uuid.uuid4()), "no-such-volume")
    assert clean_up(job, Report(lambda event: None)) == {"removed": 0}


# -- what was damaged later -------------------------------------------------------------------

def _replace(shop: Shop, path: str, data: bytes) -> None:
    assert shop.http("PUT", path, data=data).status_code == 201


def _stored(shop: Shop, tmp_path: pathlib.Path) -> Point:
    write_disk(tmp_path / "disk.vhd", blocks=12)
    return shop.store(tmp_path / "disk.vhd", "a")


def test_a_flipped_bit_in_a_stored_segment_is_named_by_block_and_segment(
        shop: Shop, tmp_path: pathlib.Path) -> None:
    point = _stored(shop, tmp_path)
    blocks, stored = lookup.blocks(shop.account, point)
    place = next(place for place in blocks.places() if place.slot == 3)
    path = stored[place.segment].path
    data = bytearray(shop.download(path[1:]))
    data[place.offset + 512 + 77777] ^= 4
    _replace(shop, path[1:], bytes(data))
    with pytest.raises(exceptions.StoreCorrupt, match="block %d, at byte %d of segment %s" % (
            place.block, place.offset, path)):
        shop.raw(point.image_id)


def test_swift_itself_serves_no_view_of_a_damaged_segment(shop: Shop,
                                                          tmp_path: pathlib.Path) -> None:
    point = _stored(shop, tmp_path)
    path = point.segments[0].path[1:]
    data = bytearray(shop.download(path))
    data[1000] ^= 1
    _replace(shop, path, bytes(data))
    with pytest.raises(exceptions.StoreError):
        stream = shop.account.open(point.container, "points/%s/disk.vhd" % point.image_id)
        while stream.read(MIB2):
            pass


@pytest.mark.parametrize("how", ["cut", "missing", "empty"])
def test_a_segment_that_is_not_whole_any_more_is_an_error(shop: Shop, tmp_path: pathlib.Path,
                                                          how: str) -> None:
    point = _stored(shop, tmp_path)
    path = point.segments[0].path[1:]
    if how == "missing":
        shop.account.delete(*path.split("/", 1))
    else:
        data = shop.download(path)
        _replace(shop, path, data[:len(data) // 2 if how == "cut" else 0])
    with pytest.raises(exceptions.StoreError, match=path):
        shop.raw(point.image_id)


def test_a_table_that_is_not_its_own_is_refused(shop: Shop, tmp_path: pathlib.Path) -> None:
    point = _stored(shop, tmp_path)
    write_disk(tmp_path / "other.vhd", seed=9)
    other = shop.store(tmp_path / "other.vhd", "a")
    table = shop.download("%s/%s" % (other.container, other.regions[0].table))
    _replace(shop, "%s/%s" % (point.container, point.regions[0].table), table)
    with pytest.raises(exceptions.PointInvalid, match="is not the table it was"):
        shop.raw(point.image_id)


_POINTS: Dict[str, Any] = {
    "smaller by blocks": {"virtual_size": 10 * MIB2},
    "smaller by a sector": {"virtual_size": 12 * MIB2 - 4 * 512},
    "no regions": {"regions": []},
    "digest": {"digest": "0" * 64},
    "image": {"image_id": str(uuid.UUID(int=1))},
    "container": {"container": "another"},
    "format": {"format": 2},
}


@pytest.mark.parametrize("name", sorted(_POINTS))
def test_a_point_that_does_not_add_up_is_refused(shop: Shop, tmp_path: pathlib.Path,
                                                 name: str) -> None:
    point = _stored(shop, tmp_path)
    path = "points/%s/point.json" % point.image_id
    value = {**shop.account.get_json(point.container, path), **_POINTS[name]}
    shop.account.put_json(point.container, path, value)
    with pytest.raises(exceptions.PointInvalid):
        shop.raw(point.image_id)


@pytest.mark.parametrize("entry", [[], {}, {"view": 5}, {"view": "x/disk.vhd"}, "text"])
def test_a_damaged_index_entry_is_refused(shop: Shop, tmp_path: pathlib.Path,
                                          entry: Any) -> None:
    point = _stored(shop, tmp_path)
    shop.account.put_json(shop.names.index, point.image_id, entry)
    with pytest.raises(exceptions.PointInvalid, match=point.image_id):
        shop.find(point.image_id)


def test_an_index_entry_that_leads_elsewhere_is_refused(shop: Shop,
                                                        tmp_path: pathlib.Path) -> None:
    mine, others = _stored(shop, tmp_path), _stored(shop, tmp_path)
    # Another image's point under this image's name, as a copy of its objects would be.
    value = shop.account.get_json(others.container, "points/%s/point.json" % others.image_id)
    shop.account.put_json(mine.container, "points/%s/point.json" % mine.image_id, value)
    with pytest.raises(exceptions.PointInvalid, match="says it is image"):
        shop.find(mine.image_id)


def test_swift_that_cannot_be_asked_is_not_a_no(shop: Shop, behind: Proxy) -> None:
    behind.refuse("^GET", 503)
    with pytest.raises(exceptions.StoreUnreachable):
        lookup.find(shop.site.account(url=behind.url, attempts=2), shop.names,
                    str(uuid.uuid4()))


def test_a_point_that_vanishes_meanwhile_does_not_stop_another(
        shop: Shop, behind: Proxy, tmp_path: pathlib.Path) -> None:
    # A listing may name what was deleted since.
    first = _stored(shop, tmp_path)
    name = "points/%s/point.json" % first.image_id
    done: List[str] = []

    def vanish() -> None:
        shop.account.delete(first.container, name)
        done.append(name)

    behind.when("^GET .*/point.json", vanish)
    raw = write_disk(tmp_path / "disk.vhd", seed=3, blocks=12)
    point = shop.store(tmp_path / "disk.vhd", "a", shop.site.account(url=behind.url))
    assert done
    assert shop.raw(point.image_id) == raw
