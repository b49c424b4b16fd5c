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

"""What disks take on an SR: figures of real hosts, and sums of them."""

from __future__ import annotations

import pytest

from nova_swift_handler.xapi import sizes
from nova_swift_handler.xapi.sizes import FILE, LVM_THICK, LVM_THIN, Need

GIB = 1 << 30
MIB = 1 << 20
VOLUME_10_GIB = 10766778368
DEFLATED_5_GIB = 5 * GIB + 2560 * 4096 + 8 * MIB - 2 * MIB  # 4,329,472 and the rest of an extent


@pytest.mark.parametrize(("gib", "volume"), [
    (1, 1082130432), (8, 8615100416), (10, VOLUME_10_GIB), (20, 21525168128), (40, 43041947648),
    (100, 107592286208), (500, 537927876608), (2040, 2194719899648)])
def test_a_full_volume_is_as_large_as_sm_makes_it(gib: int, volume: int) -> None:
    assert sizes.full_volume(gib * GIB) == volume
    assert sizes.to_create(LVM_THICK, gib * GIB) == Need(volume, volume)


def test_the_metadata_of_a_2_tib_disk_take_4329472_bytes() -> None:
    assert sizes.empty_vhd(2048 * GIB) == 4329472


def test_a_deflated_volume_without_blocks_has_8_mib() -> None:
    assert sizes.deflated_volume() == 8 * MIB
    assert sizes.to_create(LVM_THIN, 100 * GIB) == Need(8 * MIB, 8 * MIB)


def test_a_deflated_volume_has_its_blocks_in_whole_extents() -> None:
    assert sizes.deflated_volume(2560) == DEFLATED_5_GIB
    assert sizes.deflated_volume(2560) % sizes.EXTENT == 0


@pytest.mark.parametrize(("asked", "given"), [
    (0, 2 * MIB), (1, 2 * MIB), (2 * MIB, 2 * MIB), (2 * MIB + 1, 4 * MIB), (GIB, GIB)])
def test_disks_are_rounded_up_to_2_mib(asked: int, given: int) -> None:
    assert sizes.disk(asked) == given


def test_a_file_takes_its_metadata_and_4_kib_more_for_each_block() -> None:
    empty = sizes.to_create(FILE, 10 * GIB).least
    # 5120 BAT entries of 4 bytes after 3072 bytes, a bit each for the batmap, in whole pages.
    assert empty == 24576
    assert sizes.to_fill(FILE, 10 * GIB, 100).least == empty + 100 * (2 * MIB + 4096)


@pytest.mark.parametrize("layout", [LVM_THICK, LVM_THIN])
def test_a_volume_that_is_written_has_its_full_size_whatever_is_written(layout: str) -> None:
    assert sizes.to_fill(layout, 10 * GIB, 1) == Need(VOLUME_10_GIB, VOLUME_10_GIB)


@pytest.mark.parametrize("attached", [False, True])
def test_a_snapshot_on_a_file_sr_takes_two_empty_vhds(attached: bool) -> None:
    assert sizes.to_snapshot(FILE, 10 * GIB, 7 * GIB, attached) == Need(49152, 49152)


def test_a_snapshot_of_a_full_thick_disk_takes_its_size_once_more() -> None:
    # What it gives when deflated is not known: nothing at worst, all but 8 MiB at best.
    assert sizes.to_snapshot(LVM_THICK, 10 * GIB, VOLUME_10_GIB, False) == Need(
        24 * MIB, VOLUME_10_GIB + 16 * MIB)


def test_known_blocks_make_it_exact() -> None:
    need = sizes.to_snapshot(LVM_THICK, 10 * GIB, VOLUME_10_GIB, False, blocks=2560)
    # The disk's new volume, the snapshot's, two journals, less what deflating gives.
    sum_ = VOLUME_10_GIB + 8 * MIB + 8 * MIB - (VOLUME_10_GIB - DEFLATED_5_GIB)
    assert need == Need(sum_, sum_)


@pytest.mark.parametrize(("layout", "attached", "is_a_snapshot", "clone", "disks"), [
    (LVM_THICK, False, False, False, VOLUME_10_GIB + 8 * MIB),
    (LVM_THICK, True, False, False, VOLUME_10_GIB + 8 * MIB),
    (LVM_THICK, False, False, True, 2 * VOLUME_10_GIB),
    (LVM_THICK, False, True, False, 16 * MIB),
    (LVM_THICK, True, True, False, VOLUME_10_GIB + 8 * MIB),
    (LVM_THICK, False, True, True, 8 * MIB + VOLUME_10_GIB),
    (LVM_THIN, False, False, False, 16 * MIB),
    (LVM_THIN, True, False, False, VOLUME_10_GIB + 8 * MIB),
    (LVM_THIN, False, False, True, 16 * MIB),
    (LVM_THIN, True, False, True, VOLUME_10_GIB + 8 * MIB),
])
def test_which_of_the_new_volumes_are_full(layout: str, attached: bool, is_a_snapshot: bool,
                                           clone: bool, disks: int) -> None:
    need = sizes.to_snapshot(layout, 10 * GIB, 8 * MIB, attached, is_a_snapshot, clone)
    assert need == Need(disks + 8 * MIB, disks + 8 * MIB)


def test_a_copy_to_a_file_sr_takes_no_more_than_the_chain_nor_than_the_disk() -> None:
    empty = sizes.empty_vhd(10 * GIB)
    assert sizes.to_copy(FILE, 10 * GIB, 3 * GIB) == Need(empty, empty + 3 * GIB)
    assert sizes.to_copy(FILE, 10 * GIB, 50 * GIB) == Need(empty, sizes.vhd(10 * GIB, 5120))


@pytest.mark.parametrize("layout", [LVM_THICK, LVM_THIN])
def test_a_copy_to_lvm_takes_a_full_volume(layout: str) -> None:
    assert sizes.to_copy(layout, 10 * GIB, GIB) == Need(VOLUME_10_GIB, VOLUME_10_GIB)
