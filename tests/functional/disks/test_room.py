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

"""What operations take on an SR is what was foreseen, and what cannot fit is not begun."""

from __future__ import annotations

from typing import Callable, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import beforehand, copying, repository, sizes
from nova_swift_handler.xapi import disk as disks

from .conftest import KINDS, MIB, SIZE, Disk, Place

Make = Callable[[str, int], Place]


def free(place: Place) -> int:
    with place.session() as session:
        return repository.measure(session, place.sr_ref).free


def layout(place: Place) -> str:
    with place.session() as session:
        found = repository.read(session, place.sr_ref).layout
    assert found is not None
    return found


def test_an_sr_tells_its_layout(place: Place) -> None:
    assert layout(place) == {"ext": sizes.FILE}.get(place.kind, place.kind)


def test_making_and_filling_a_disk_takes_what_was_foreseen(place: Place) -> None:
    before = free(place)
    disk = Disk(place)
    assert before - free(place) == pytest.approx(
        sizes.to_create(layout(place), SIZE).least, abs=8192)
    disk.write("x", (0, 20 * MIB))
    # While nobody writes, a thin volume takes what its blocks take.
    taken = (sizes.deflated_volume(10) if place.kind == "lvm thin"
             else sizes.to_fill(layout(place), SIZE, 10).least)
    assert before - free(place) == pytest.approx(taken, abs=8192)


@pytest.mark.parametrize("blocks", [0, 10, 32])
@pytest.mark.parametrize("clone", [False, True])
@pytest.mark.parametrize("attached", [False, True])
def test_a_snapshot_takes_what_was_foreseen(place: Place, blocks: int, clone: bool,
                                            attached: bool) -> None:
    disk = Disk(place)
    if blocks:
        disk.write("x", (0, blocks * 2 * MIB))
    if attached:
        place.vm(disk.uuid)
    place.call("SR.scan", place.sr_ref)
    before, volume = free(place), int(place.record(disk.uuid)["physical_utilisation"])
    need = sizes.to_snapshot(layout(place), SIZE, volume, attached, clone=clone)
    exact = sizes.to_snapshot(layout(place), SIZE, volume, attached, clone=clone, blocks=blocks)
    place.branch("clone" if clone else "snapshot", disk.uuid)
    taken = before - free(place)
    if place.kind == "ext":
        assert taken <= exact.most + 8192
        return
    assert need.least <= exact.least <= exact.most <= need.most
    assert taken == exact.least - 2 * sizes.EXTENT  # the volumes of the journal are gone again


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_is_made_in_the_least_room_that_it_fits_in(small_sr: Make, kind: str) -> None:
    place = small_sr(kind, 100 * MIB)
    blocks = (free(place) - sizes.empty_vhd(SIZE)) // (2 * MIB + 4096)
    with place.session() as session:
        if kind == "ext":
            beforehand.create(session, place.sr_ref, SIZE, blocks)
            with pytest.raises(exceptions.SrFull):
                beforehand.create(session, place.sr_ref, SIZE, blocks + 1)
            return
        largest = 80 * MIB
        while sizes.to_fill(kind, largest, 1).least <= free(place):
            largest += 2 * MIB
        with pytest.raises(exceptions.SrFull, match="making a disk of"):
            beforehand.create(session, place.sr_ref, largest, 1)
        largest -= 2 * MIB
        beforehand.create(session, place.sr_ref, largest, 1)
        made = disks.create_vdi(session, place.sr_ref, largest, "disk", "", {})
    place.control.guest_write(made, 0, b"it can be written")


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_snapshot_that_cannot_fit_is_refused_as_xapi_would(small_sr: Make, kind: str) -> None:
    """A full disk in use takes all its size once more, on thin LVM too."""
    place = small_sr(kind, 100 * MIB)
    disk = Disk(place)
    disk.write("x", (0, SIZE))
    place.vm(disk.uuid)
    place.call("SR.scan", place.sr_ref)
    before = place.control.state()
    with pytest.raises(exceptions.XapiError) as xapi:
        place.branch("snapshot", disk.uuid)
    assert xapi.value.code == "SR_BACKEND_FAILURE_44"
    assert place.control.state() == before


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_snapshot_that_cannot_fit_is_refused_before(small_sr: Make, kind: str) -> None:
    place = small_sr(kind, 100 * MIB)
    disk = Disk(place)
    with place.session() as session:
        fillers: List[str] = []
        while free(place) >= 24 * MIB:
            fillers.append(disks.create_vdi(session, place.sr_ref, 2 * MIB, "filler", "", {}))
        before = place.control.state()
        # On thin LVM 24 MiB are enough for the snapshot of an idle disk.
        with pytest.raises(exceptions.SrFull, match=r"making a snapshot of VDI .* needs [0-9]+"):
            beforehand.snapshot(session, disk.uuid)
        assert place.control.state() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_cannot_fit_leaves_nothing(small_sr: Make, kind: str) -> None:
    place = small_sr(kind, 100 * MIB)
    disk = Disk(place)
    disk.write("x", (0, 60 * MIB))
    before, room = place.control.state(), free(place)
    with place.session() as session, pytest.raises(exceptions.SrFull):
        copying.copy(session, disk.uuid, "t")
    assert place.control.state() == before
    assert free(place) == room
