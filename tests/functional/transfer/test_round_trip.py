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

"""Disks in files become points in Swift and come back bit by bit, with our tools and without."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys
import uuid
from concurrent import futures
from typing import Any

import pytest

from nova_swift_handler.catalog import lookup, names, segment
from nova_swift_handler.catalog.blockmap import BlockMap, Place
from nova_swift_handler.catalog.lineage import Heritage
from nova_swift_handler.catalog.publish import Disk, Publisher
from nova_swift_handler.catalog.segment import Trailer
from nova_swift_handler.store import probe
from nova_swift_handler.transfer import fetch
from nova_swift_handler.transfer.sources.source import FileSource
from nova_swift_handler.transfer.upload import Uploader
from tests.unit.vhd import disks, independent
from tests.unit.vhd.independent import Block

from .shop import MIB2, Shop, write_disk


def test_a_disk_comes_back_bit_by_bit(shop: Shop, tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    point = shop.store(tmp_path / "disk.vhd", "a")
    assert shop.find(point.image_id) == point
    assert (point.virtual_size, point.sequence, point.container) == (
        len(raw), 1, shop.names.volume("a"))
    assert shop.raw(point.image_id) == raw


def test_plain_swift_gives_a_vhd_that_anybody_reads(
        shop: Shop, tmp_path: pathlib.Path, qemu_img: Any, libvhdi: Any) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    point = shop.store(tmp_path / "disk.vhd", "a")
    view = "%s/points/%s/disk.vhd" % (point.container, point.image_id)
    target = tmp_path / "downloaded.vhd"
    target.write_bytes(shop.download(view))

    assert target.stat().st_size == point.vhd_size
    parsed = independent.parse(target.read_bytes())
    assert (parsed.size, parsed.kind) == (len(raw), independent.DYNAMIC)
    assert parsed.unique_id == uuid.UUID(point.image_id).bytes
    disk = bytearray(len(raw))
    independent.apply(target.read_bytes(), disk)
    assert disk == raw
    assert qemu_img.info(target)["virtual-size"] == len(raw)
    assert qemu_img.raw(target) == raw
    file = libvhdi.open(str(target))
    assert (file.get_media_size(), file.read_buffer_at_offset(len(raw), 0)) == (len(raw), raw)
    file.close()
    # What Glance reads is the same object by another name.
    assert shop.download("%s/%s" % (shop.names.images, point.image_id)) == target.read_bytes()


def test_the_swift_client_downloads_it(shop: Shop, tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd", blocks=9)
    point = shop.store(tmp_path / "disk.vhd", "a")
    target = tmp_path / "downloaded.vhd"
    done = subprocess.run(
        [sys.executable, "-m", "swiftclient.shell",
         "--os-storage-url", shop.site.env["images_account_url"],
         "--os-auth-token", shop.site.session().get_token(),
         "download", point.container, "points/%s/disk.vhd" % point.image_id,
         "-o", str(target)],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("OS_")})
    assert done.returncode == 0, done.stdout
    disk = bytearray(len(raw))
    independent.apply(target.read_bytes(), disk)
    assert disk == raw


def test_zero_blocks_take_no_room(shop: Shop, tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    point = shop.store(tmp_path / "disk.vhd", "a")
    expected = len(disks.cut(raw))
    assert expected < independent.parse((tmp_path / "disk.vhd").read_bytes()).blocks.__len__()
    assert point.blocks == expected == sum(each.blocks for each in point.segments)
    trailers = sum(segment.trailer_size(each.blocks) for each in point.segments)
    assert sum(each.size for each in point.segments) == expected * (MIB2 + 512) + trailers
    stored = [name for name in shop.contents()[point.container] if name.startswith("data/")]
    assert sorted(stored) == sorted([names.closing(point.upload_id),
                                     *(each.name for each in point.segments)])


def test_segments_are_as_large_as_they_may_be_and_explain_themselves(
        shop: Shop, tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd")
    point = shop.store(tmp_path / "disk.vhd", "a")
    found = {}
    for each in point.segments:
        assert each.size <= 20 * MIB2
        data = shop.download(each.path[1:])
        trailer = Trailer.parse(data)
        assert (trailer.volume_id, trailer.virtual_size) == ("a", len(raw))
        numbers = [number for number, _digest in trailer.entries]
        assert numbers == sorted(numbers)
        for slot, number in enumerate(numbers):
            start = slot * segment.STRIDE
            assert data[start:start + 512] == b"\xff" * 512
            found[number] = data[start + 512:start + segment.STRIDE]
    # A disk can be rebuilt from its segments alone.
    assert found == disks.cut(raw)


@pytest.mark.parametrize("size", [512, MIB2 - 512, MIB2, MIB2 + 512])
def test_small_disks(shop: Shop, tmp_path: pathlib.Path, size: int) -> None:
    raw = disks.disk(size, [0, 1] if size > MIB2 else [0])
    block = independent.full(MIB2)
    (tmp_path / "disk.vhd").write_bytes(independent.build(
        size, {number: Block(block, data) for number, data in disks.cut(raw).items()}))
    point = shop.store(tmp_path / "disk.vhd", "a")
    assert shop.raw(point.image_id) == raw
    disk = bytearray(size)
    independent.apply(shop.download(
        "%s/points/%s/disk.vhd" % (point.container, point.image_id)), disk)
    assert disk == raw


def test_an_empty_disk(shop: Shop, tmp_path: pathlib.Path, qemu_img: Any) -> None:
    (tmp_path / "disk.vhd").write_bytes(independent.build(100 * MIB2 - 512, {}))
    point = shop.store(tmp_path / "disk.vhd", "a")
    assert (point.blocks, point.segments, point.regions) == (0, [], [])
    assert shop.raw(point.image_id) == bytes(100 * MIB2 - 512)
    target = tmp_path / "downloaded.vhd"
    target.write_bytes(shop.download(
        "%s/points/%s/disk.vhd" % (point.container, point.image_id)))
    assert qemu_img.info(target)["virtual-size"] == 100 * MIB2 - 512


def test_a_disk_of_several_regions(shop: Shop, tmp_path: pathlib.Path, qemu_img: Any) -> None:
    # Data at both ends of each of three regions of 2000 blocks; written as qemu does.
    size = 4500 * MIB2 + 1024
    filled = [0, 1999, 2000, 3999, 4000, 4500]
    raw_path, vhd_path = tmp_path / "disk.raw", tmp_path / "disk.vhd"
    with open(raw_path, "wb") as file:
        file.truncate(size)
        for number in filled:
            file.seek(number * MIB2)
            file.write(disks.noise(min(MIB2, size - number * MIB2), number + 1))
    qemu_img.run("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=dynamic,force_size=on",
                 str(raw_path), str(vhd_path))
    point = shop.store(vhd_path, "a")
    assert [ref.index for ref in point.regions] == [0, 1, 2]
    assert [ref.blocks for ref in point.regions] == [2, 2, 2]
    blocks, stored = lookup.blocks(shop.account, point)
    assert list(blocks.order()) == filled
    for number, data in fetch.fetch(shop.account, blocks, stored, 4):
        assert data[:min(MIB2, size - number * MIB2)] == disks.noise(
            min(MIB2, size - number * MIB2), number + 1)
    target = tmp_path / "downloaded.vhd"
    target.write_bytes(shop.download(
        "%s/points/%s/disk.vhd" % (point.container, point.image_id)))
    assert "identical" in qemu_img.run("compare", "-f", "raw", "-F", "vpc", str(raw_path),
                                       str(target))


def test_a_region_of_more_runs_than_a_manifest_may_name(shop: Shop,
                                                        tmp_path: pathlib.Path) -> None:
    # Two stored blocks that take turns for 1500 blocks: no two ranges can be merged.
    (tmp_path / "two.vhd").write_bytes(independent.build(2 * MIB2, {
        number: Block(independent.full(MIB2), disks.noise(MIB2, number + 1))
        for number in (0, 1)}))
    first = shop.store(tmp_path / "two.vhd", "a")
    second = shop.store(tmp_path / "two.vhd", "b")
    digests = [place.digest for place in lookup.blocks(shop.account, first)[0].places()]
    stored = [*first.segments, *second.segments]
    count = 1500
    blocks = BlockMap(count)
    for number in range(count):
        blocks.set(Place(number, number % 2, number % 2, digests[number % 2]))
    publisher = Publisher(shop.account, shop.names, shop.names.volume("a"),
                          probe.abilities(shop.account, shop.names.index))
    point = publisher.publish(shop.subject("a"), Disk(
        virtual_size=count * MIB2, blocks=blocks, stored=stored, changed=bytearray(b"\1" * count),
        upload_id=str(uuid.uuid4()), sent_blocks=0, sent_bytes=0), Heritage(sequence=2), True)

    assert [len(ref.parts) for ref in point.regions] == [2]
    view = "%s/points/%s/disk.vhd" % (point.container, point.image_id)
    assert int(shop.http("HEAD", view).headers["Content-Length"]) == point.vhd_size
    head = point.vhd_size - 512 - count * (MIB2 + 512)
    for number in (0, 1, 998, 999, 1000, 1001, 1499):
        start = head + number * (MIB2 + 512)
        answer = shop.http("GET", view, headers={
            "Range": "bytes=%d-%d" % (start, start + MIB2 + 511)})
        assert answer.status_code == 206
        assert answer.content == b"\xff" * 512 + disks.noise(MIB2, number % 2 + 1)
    assert lookup.blocks(shop.account, point)[0].digest(count * MIB2) == point.digest


def test_points_of_a_volume_are_numbered(shop: Shop, tmp_path: pathlib.Path) -> None:
    write_disk(tmp_path / "disk.vhd", blocks=3)
    points = [shop.store(tmp_path / "disk.vhd", "a") for _each in range(3)]
    other = shop.store(tmp_path / "disk.vhd", "b")
    assert [point.sequence for point in points] == [1, 2, 3]
    assert other.sequence == 1


def test_two_uploads_at_once_into_one_volume(shop: Shop, tmp_path: pathlib.Path) -> None:
    raws = [write_disk(tmp_path / ("%d.vhd" % seed), seed) for seed in (1, 2)]
    with futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(shop.store, tmp_path / ("%d.vhd" % seed), "a",
                               shop.site.account()) for seed in (1, 2)]
        points = [each.result() for each in running]
    assert [bytes(shop.raw(point.image_id)) for point in points] == raws
    stored = {each.name for point in points for each in point.segments}
    assert len(stored) == sum(len(point.segments) for point in points)


def test_an_image_we_do_not_hold_is_not_found(shop: Shop, tmp_path: pathlib.Path) -> None:
    assert shop.find(str(uuid.uuid4())) is None
    write_disk(tmp_path / "disk.vhd", blocks=3)
    point = shop.store(tmp_path / "disk.vhd", "a")
    shop.account.delete(point.container, "points/%s/point.json" % point.image_id)
    assert shop.find(point.image_id) is None


def test_progress_comes_to_the_disks_end(shop: Shop, tmp_path: pathlib.Path) -> None:
    raw = write_disk(tmp_path / "disk.vhd", blocks=12)
    seen = []
    shop.store(tmp_path / "disk.vhd", "a")
    uploader = Uploader(shop.account, shop.names.volume("a"), "a", Heritage(),
                        segment_size=20 * MIB2, threads=2,
                        progress=lambda done, total: seen.append((done, total)))
    uploader.upload(FileSource(str(tmp_path / "disk.vhd")))
    assert {total for _done, total in seen} == {len(raw)}
    assert [done for done, _total in seen] == sorted(done for done, _total in seen)
    assert seen[-1][0] >= len(raw) - MIB2


def test_a_stream_of_the_view_is_the_view(shop: Shop, tmp_path: pathlib.Path) -> None:
    # As Glance gets it where the image is registered by upload.
    write_disk(tmp_path / "disk.vhd", blocks=9)
    point = shop.store(tmp_path / "disk.vhd", "a")
    name = "points/%s/disk.vhd" % point.image_id
    stream = shop.account.open(point.container, name)
    result = io.BytesIO()
    while True:
        piece = stream.read(MIB2 + 1)
        if not piece:
            break
        result.write(piece)
    stream.close()
    assert result.getvalue() == shop.download("%s/%s" % (point.container, name))
