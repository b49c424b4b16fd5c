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

"""A point becomes a file that is the disk, or no file."""

from __future__ import annotations

import errno
import os
import pathlib
from typing import Any, List, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.point import Point
from nova_swift_handler.files import newfile
from nova_swift_handler.transfer import restore
from tests.functional.proxy import ANSWER, Proxy
from tests.unit.vhd import independent

from .shop import MIB2, Shop, write_disk


@pytest.fixture
def stored(shop: Shop, tmp_path: pathlib.Path) -> Tuple[Point, bytes]:
    disk = tmp_path / "disk.vhd"
    raw = write_disk(disk, blocks=25)
    point = shop.store(disk, "a")
    disk.unlink()
    return point, raw


def test_a_vhd_is_the_view_byte_for_byte(shop: Shop, stored: Tuple[Point, bytes],
                                         tmp_path: pathlib.Path, libvhdi: Any) -> None:
    point, raw = stored
    path = tmp_path / "out.vhd"
    seen: List[Tuple[int, int]] = []
    size = restore.to_file(shop.account, point, str(path),
                           progress=lambda done, total: seen.append((done, total)))
    assert size == path.stat().st_size == point.vhd_size
    assert path.read_bytes() == shop.download(point.path + "/disk.vhd")
    assert seen[-1] == (size, size)
    file = libvhdi.file()
    file.open(str(path))
    assert file.read_buffer_at_offset(len(raw), 0) == raw


def test_a_raw_disk_has_holes_where_it_is_zero(shop: Shop, stored: Tuple[Point, bytes],
                                               tmp_path: pathlib.Path) -> None:
    point, raw = stored
    path = tmp_path / "out.raw"
    assert restore.to_file(shop.account, point, str(path), restore.RAW) == len(raw)
    assert path.read_bytes() == raw
    held = point.blocks * MIB2
    assert path.stat().st_blocks * 512 <= held + MIB2 < len(raw)
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("fmt", restore.FORMATS)
def test_a_disk_without_bytes(shop: Shop, tmp_path: pathlib.Path, fmt: str) -> None:
    (tmp_path / "disk.vhd").write_bytes(independent.build(5 * MIB2 - 512, {}))
    point = shop.store(tmp_path / "disk.vhd", "a")
    path = tmp_path / "out"
    restore.to_file(shop.account, point, str(path), fmt)
    if fmt == restore.RAW:
        assert path.read_bytes() == bytes(5 * MIB2 - 512)
    else:
        assert independent.parse(path.read_bytes()).blocks == {}


def test_a_cut_connection_goes_on_where_it_broke(shop: Shop, behind: Proxy,
                                                 stored: Tuple[Point, bytes],
                                                 tmp_path: pathlib.Path) -> None:
    point, raw = stored
    fault = behind.cut("^GET .*/data/", ANSWER, MIB2 + 12345, times=4)
    account = shop.site.account(url=behind.url, attempts=5)
    path = tmp_path / "out.raw"
    restore.to_file(account, point, str(path), restore.RAW)
    assert fault.hits == 4
    assert path.read_bytes() == raw


def test_what_came_before_a_cut_is_not_asked_for_again(shop: Shop, behind: Proxy,
                                                       stored: Tuple[Point, bytes]) -> None:
    point, _raw = stored
    segment = point.segments[0]
    # Every answer breaks before all came: only who goes on gets to the end.
    fault = behind.cut("^GET .*/data/", ANSWER, MIB2 * 3 // 4, times=-1)
    data = bytearray(MIB2)
    shop.site.account(url=behind.url, attempts=4).read_into(
        segment.container, segment.name, 0, memoryview(data))
    assert bytes(data) == shop.download(segment.path[1:])[:MIB2]
    assert fault.hits == 2


# -- what leaves nothing ----------------------------------------------------------------------

def restoring(shop: Shop, point: Point, path: pathlib.Path, account: Any = None,
              **more: Any) -> None:
    restore.to_file(account or shop.account, point, str(path), restore.RAW, **more)


def test_a_file_that_is_there_is_kept_unless_told(shop: Shop, stored: Tuple[Point, bytes],
                                                  tmp_path: pathlib.Path) -> None:
    point, raw = stored
    path = tmp_path / "out"
    path.write_bytes(b"precious")
    with pytest.raises(exceptions.NameRefused, match="--force"):
        restoring(shop, point, path)
    assert path.read_bytes() == b"precious"
    restoring(shop, point, path, force=True)
    assert path.read_bytes() == raw
    assert os.listdir(tmp_path) == ["out"]
    with pytest.raises(exceptions.NameRefused, match="no file"):
        restoring(shop, point, tmp_path, force=True)


def test_a_disk_without_room_is_noticed_before_anything_is_read(
        shop: Shop, behind: Proxy, stored: Tuple[Point, bytes], tmp_path: pathlib.Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    point, _raw = stored
    usage = newfile.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(newfile.shutil, "disk_usage",
                        lambda path: usage._replace(free=point.blocks * MIB2 - 1))
    with pytest.raises(exceptions.TransferFailed, match="make room"):
        restoring(shop, point, tmp_path / "out", shop.site.account(url=behind.url))
    assert not [line for line in behind.lines if "/data/" in line]
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up(shop: Shop, stored: Tuple[Point, bytes], tmp_path: pathlib.Path,
                              monkeypatch: pytest.MonkeyPatch) -> None:
    point, _raw = stored
    written: List[int] = []
    write = os.pwrite

    def pwrite(descriptor: int, data: Any, position: int) -> int:
        if len(written) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(write(descriptor, data, position))
        return written[-1]

    monkeypatch.setattr(restore.os, "pwrite", pwrite)
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(exceptions.TransferFailed, match="No space left"):
        restoring(shop, point, tmp_path / "out", force=True)
    assert (tmp_path / "out").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_directory_that_is_not_there(shop: Shop, stored: Tuple[Point, bytes],
                                       tmp_path: pathlib.Path) -> None:
    with pytest.raises(exceptions.TransferFailed, match="No such file or directory"):
        restoring(shop, stored[0], tmp_path / "none" / "out")


def test_a_damaged_block(shop: Shop, behind: Proxy, stored: Tuple[Point, bytes],
                         tmp_path: pathlib.Path) -> None:
    behind.flip("^GET .*/data/", ANSWER, 1000, times=-1)
    with pytest.raises(exceptions.StoreCorrupt, match="is not what was stored"):
        restoring(shop, stored[0], tmp_path / "out", shop.site.account(url=behind.url))
    assert os.listdir(tmp_path) == []


def test_swift_going_away(shop: Shop, behind: Proxy, stored: Tuple[Point, bytes],
                          tmp_path: pathlib.Path) -> None:
    behind.cut("^GET .*/data/", ANSWER, MIB2, times=1)
    behind.refuse("^GET .*/data/", 503)
    with pytest.raises(exceptions.StoreUnreachable):
        restoring(shop, stored[0], tmp_path / "out",
                  shop.site.account(url=behind.url, attempts=2))
    assert os.listdir(tmp_path) == []
