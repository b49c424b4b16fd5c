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

"""Chains are staged within their limit, and checked link by link before anything is written."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import shutil
import subprocess
from typing import Dict, Iterator, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer import chain

from ..vhd import independent
from . import images

_SIZE = 6 * images.SMALL


def _links(settings: TransferSettings, vhds: Dict[int, bytes]) -> List[bytes]:
    """Stage these VHDs; return them as ordered by the check, base first."""
    with chain.Staging(settings) as staging:
        for number, data in vhds.items():
            staging.add(number, len(data), io.BytesIO(data))
        return [pathlib.Path(path).read_bytes() for path in staging.base_first()]


def _vhd(number: int, parent: Optional[int] = None, size: int = _SIZE) -> bytes:
    return independent.build(
        size, {}, independent.DYNAMIC if parent is None else independent.DIFFERENCING,
        images.SMALL, images.unique_id(number),
        bytes(16) if parent is None else images.unique_id(parent))


@pytest.mark.parametrize(("name", "number"), [
    ("0.vhd", 0), ("1.vhd", 1), ("17.vhd", 17), ("./0.vhd", 0), ("dir/1.vhd", 1),
    ("../../2.vhd", 2), ("snap.vhd", -3), ("image.vhd", -2), ("base.vhd", -1),
    ("0.vhd.bak", None), ("x0.vhd", None), ("._0.vhd", None), ("0.VHD", None), ("vhd", None),
    ("-1.vhd", None), ("1000.vhd", None), ("", None), ("0.vhd/", None), ("0.vhd\n", None)])
def test_members_names_say_which_vhd_of_the_chain_they_are(name: str,
                                                           number: Optional[int]) -> None:
    assert chain.number_of(name) == number


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]])
def test_a_chain_comes_base_first_in_whatever_order_it_was_staged(staging: TransferSettings,
                                                                  order: List[int]) -> None:
    vhds = images.chain(3).vhds
    assert _links(staging, {number: vhds[number] for number in order}) == vhds[::-1]


def test_a_parent_may_be_smaller_than_its_child(staging: TransferSettings) -> None:
    vhds = images.chain(2, sizes=[_SIZE, _SIZE - 5 * 512]).vhds
    assert _links(staging, {0: vhds[0], 1: vhds[1]}) == vhds[::-1]


_BROKEN = {
    "base missing": ({0: _vhd(0, 1)}, "0.vhd of the image, the last of the chain, wants"),
    "middle missing": ({0: _vhd(0, 1), 2: _vhd(2)}, "chain of 2 VHDs lacks 1.vhd"),
    "leaf missing": ({1: _vhd(1)}, "lacks 0.vhd"),
    "base of another chain": ({0: _vhd(0, 1), 1: _vhd(7)}, "0.vhd of the image wants the parent"),
    "links exchanged": ({0: _vhd(0, 2), 1: _vhd(1, 2), 2: _vhd(2)},
                        "0.vhd of the image wants the parent"),
    "two bases": ({0: _vhd(0), 1: _vhd(1)}, "0.vhd of the image is a whole disk"),
    "a base in the middle": ({0: _vhd(0, 1), 1: _vhd(1), 2: _vhd(2)}, "1.vhd of the image is a"),
    "a circle": ({0: _vhd(0, 1), 1: _vhd(1, 0)},
                 "1.vhd of the image, the last of the chain, .*circle"),
    "its own parent": ({0: _vhd(0, 0)}, "0.vhd of the image, the last of the chain, .*circle"),
    "parent larger": ({0: _vhd(0, 1), 1: _vhd(1, size=_SIZE + 512)}, "a larger one of"),
}


@pytest.mark.parametrize("name", sorted(_BROKEN))
def test_a_broken_chain_is_refused(staging: TransferSettings, name: str) -> None:
    vhds, match = _BROKEN[name]
    with pytest.raises(exceptions.ChainBroken, match=match):
        _links(staging, vhds)


def test_a_vhd_that_is_there_twice_is_refused(staging: TransferSettings) -> None:
    with chain.Staging(staging) as staged:
        staged.add(1, 512, io.BytesIO(bytes(512)))
        with pytest.raises(exceptions.ChainBroken, match="VHD 1 of its chain twice"):
            staged.add(1, 512, io.BytesIO(bytes(512)))


def test_an_image_without_vhds_is_not_supported(staging: TransferSettings) -> None:
    with pytest.raises(exceptions.ImageUnsupported, match="holds no VHD"):
        _links(staging, {})


def test_a_fixed_vhd_is_not_supported(staging: TransferSettings) -> None:
    fixed = bytes(1024) + independent.footer(1024, independent.FIXED)
    with pytest.raises(exceptions.ImageUnsupported, match=r"1\.vhd of the image is a fixed VHD"):
        _links(staging, {0: _vhd(0, 1), 1: fixed})


def test_a_damaged_vhd_is_named(staging: TransferSettings) -> None:
    with pytest.raises(exceptions.VhdError, match=r"^1\.vhd of the image: .*checksum"):
        _links(staging, {0: _vhd(0, 1), 1: b"conectix" + bytes(512) + _vhd(1)[520:-512]
                         + b"conectix" + bytes(504)})


@pytest.mark.parametrize("size", [4999, 5000, 5001])
def test_the_limit_is_of_all_together_and_exact(staging: TransferSettings, size: int) -> None:
    limited = dataclasses.replace(staging, staging_limit=8000)
    with chain.Staging(limited) as staged:
        staged.add(0, 3000, io.BytesIO(bytes(3000)))
        if size <= 5000:
            staged.add(1, size, io.BytesIO(bytes(size)))
            assert len(staged) == 2
            return
        stream = io.BytesIO(bytes(size))
        with pytest.raises(exceptions.StagingFull, match="more than the 8000 bytes"):
            staged.add(1, size, stream)
        assert stream.tell() == 0, "nothing is staged beyond the limit"


def test_a_member_that_ends_early_is_corrupt(staging: TransferSettings) -> None:
    with chain.Staging(staging) as staged, pytest.raises(
            exceptions.ImageCorrupt, match="400 of its 1000 bytes are missing"):
        staged.add(0, 1000, io.BytesIO(bytes(600)))


def test_a_negative_size_is_corrupt(staging: TransferSettings) -> None:
    with chain.Staging(staging) as staged, pytest.raises(
            exceptions.ImageCorrupt):
        staged.add(0, -1, io.BytesIO(bytes(600)))


def test_others_cannot_read_what_is_staged(staging: TransferSettings) -> None:
    with chain.Staging(staging) as staged:
        staged.add(0, 5, io.BytesIO(b"bytes"))
        directory, = pathlib.Path(staging.staging_dir).iterdir()
        assert directory.stat().st_mode & 0o077 == 0


@pytest.fixture
def small_file_system(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system of one MiB."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0 or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)],
            check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("cannot mount a file system here")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def test_a_file_system_without_room_is_named(staging: TransferSettings,
                                             small_file_system: pathlib.Path) -> None:
    there = dataclasses.replace(staging, staging_dir=str(small_file_system))
    with chain.Staging(there) as staged, pytest.raises(
            exceptions.StagingFull, match="%s has no room" % small_file_system):
        staged.add(0, 2 ** 21, io.BytesIO(bytes(2 ** 21)))
    assert list(small_file_system.iterdir()) == []


@pytest.mark.parametrize("present", [["image.vhd"], ["snap.vhd", "image.vhd"],
                                     ["image.vhd", "base.vhd"]])
def test_old_names_are_numbered_by_which_of_them_are_there(
        staging: TransferSettings, present: List[str]) -> None:
    leaf_first = [_vhd(number, number + 1 if number + 1 < len(present) else None)
                  for number in range(len(present))]
    vhds = {}
    for name, data in zip(present, leaf_first):
        number = chain.number_of(name)
        assert number is not None
        vhds[number] = data
    assert _links(staging, vhds) == leaf_first[::-1]
