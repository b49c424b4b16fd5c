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

"""VHDs that come before their turn are staged within their limit, and checked link by link."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import pathlib
import shutil
import subprocess
from typing import Any, Dict, Iterator, List, Optional, cast

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer import chain, foreign

from ..vhd import independent
from . import images
from .target import FakeTarget

_SIZE = 6 * images.SMALL


def _links(settings: TransferSettings, vhds: Dict[int, bytes]) -> List[bytes]:
    """Stage these VHDs; return them as their turn comes, leaf first."""
    found = []
    with chain.Staging(settings) as staging:
        for number, data in vhds.items():
            staging.add(number, len(data), io.BytesIO(data))
        staging.settle(0)
        path = staging.take(0)
        while path is not None:
            found.append(pathlib.Path(path).read_bytes())
            path = staging.take(len(found))
            assert len(os.listdir(os.path.dirname(path or settings.staging_dir))) <= len(vhds)
        staging.check_none_left(len(found))
    return found


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
def test_a_chain_comes_leaf_first_in_whatever_order_it_was_staged(staging: TransferSettings,
                                                                  order: List[int]) -> None:
    vhds = images.chain(3).vhds
    assert _links(staging, {number: vhds[number] for number in order}) == vhds


def test_a_parent_may_be_smaller_than_its_child(staging: TransferSettings) -> None:
    vhds = images.chain(2, sizes=[_SIZE, _SIZE - 5 * 512]).vhds
    assert _links(staging, {0: vhds[0], 1: vhds[1]}) == vhds


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
    "base larger": ({0: _vhd(0, 1), 1: _vhd(1, 2), 2: independent.build(
        5 * 2 ** 20, {2: independent.Block(independent.full(2 ** 21), bytes(2 ** 21))},
        unique_id=images.unique_id(2))}, "a larger one of"),
    "parent larger": ({0: _vhd(0, 1), 1: _vhd(1, size=_SIZE + 512)}, "a larger one of"),
}


@pytest.mark.parametrize("name", sorted(_BROKEN))
def test_a_broken_chain_is_refused_in_whatever_order_it_comes(staging: TransferSettings,
                                                              name: str) -> None:
    vhds, match = _BROKEN[name]
    for order in itertools.permutations(sorted(vhds)):
        data = images.tgz([("%d.vhd" % number, vhds[number]) for number in order])
        target = FakeTarget()
        with pytest.raises(exceptions.ChainBroken, match=match):
            foreign.load(images.ImageStream(data), cast(Any, target), staging)


_BESIDE = ["base of another chain", "two bases", "parent larger"]


@pytest.mark.parametrize("name", _BESIDE)
def test_what_is_staged_shows_that_the_leaf_is_foreign_before_a_vdi_is_made(
        staging: TransferSettings, name: str) -> None:
    vhds, match = _BROKEN[name]
    data = images.tgz([("1.vhd", vhds[1]), ("0.vhd", vhds[0])])
    target = FakeTarget()
    with pytest.raises(exceptions.ChainBroken, match=match):
        foreign.load(images.ImageStream(data), cast(Any, target), staging)
    assert target.disk is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_chain_of_thirty_is_one_and_of_more_is_refused(staging: TransferSettings,
                                                         order: int) -> None:
    thirty = images.chain(30)
    target = FakeTarget()
    foreign.load(images.ImageStream(images.numbered(thirty.vhds, range(30)[::order])),
                 cast(Any, target), staging)
    assert target.disk == thirty.disk
    more = images.chain(31)
    with pytest.raises(exceptions.ChainBroken, match="more than 30"):
        foreign.load(images.ImageStream(images.numbered(more.vhds, range(31)[::order])),
                     cast(Any, FakeTarget()), staging)


def test_old_and_new_names_together_are_refused(staging: TransferSettings) -> None:
    for first, second in (("0.vhd", "base.vhd"), ("base.vhd", "0.vhd"), ("1.vhd", "snap.vhd")):
        data = images.tgz([(first, _vhd(0, 1)), (second, _vhd(1))])
        with pytest.raises(exceptions.ChainBroken, match="not clear what chain"):
            foreign.load(images.ImageStream(data), cast(Any, FakeTarget()), staging)


@pytest.mark.parametrize("vhds", [
    {-3: _vhd(0, 1), -1: _vhd(7)}, {-2: _vhd(0, 1)}, {-3: _vhd(0, 1), -2: _vhd(1, 0)}])
def test_a_broken_chain_of_old_names_is_refused_before_a_vdi_is_made(
        staging: TransferSettings, vhds: Dict[int, bytes]) -> None:
    with pytest.raises(exceptions.ChainBroken, match="of the image"):
        _links(staging, vhds)


def test_a_vhd_that_is_there_twice_is_refused(staging: TransferSettings) -> None:
    for order in ([1, 1, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]):
        data = images.tgz([("%d.vhd" % number, _vhd(number, None if number else 1))
                           for number in order])
        with pytest.raises(exceptions.ChainBroken, match=r"VHD [01] of its chain twice"):
            foreign.load(images.ImageStream(data), cast(Any, FakeTarget()), staging)


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


@pytest.mark.parametrize("room", [-1, 0, 1])
def test_the_limit_is_of_all_together_and_exact(staging: TransferSettings, room: int) -> None:
    first, second = _vhd(0, 1), _vhd(1)
    limit = len(first) + len(second) + room
    with chain.Staging(dataclasses.replace(staging, staging_limit=limit)) as staged:
        staged.add(0, len(first), io.BytesIO(first))
        stream = io.BytesIO(second)
        if room >= 0:
            staged.add(1, len(second), stream)
            return
        with pytest.raises(exceptions.StagingFull, match="more than the %d bytes" % limit):
            staged.add(1, len(second), stream)
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
        staged.add(0, len(_vhd(0)), io.BytesIO(_vhd(0)))
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
    # Lazily: whoever looks through all of the machine's files just now keeps it from nothing.
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


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
    assert _links(staging, vhds) == leaf_first
