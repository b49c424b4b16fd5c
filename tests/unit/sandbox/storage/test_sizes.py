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

"""Size arithmetic against figures of real hosts."""

from __future__ import annotations

import pytest

from nova_swift_handler.sandbox.xapi.storage import sizes
from nova_swift_handler.sandbox.xapi.storage.base import StorageError

GIB = 1 << 30


@pytest.mark.parametrize(("gib", "volume"), [
    (1, 1082130432), (8, 8615100416), (10, 10766778368), (20, 21525168128), (40, 43041947648),
    (100, 107592286208), (500, 537927876608), (2040, 2194719899648)])
def test_a_thick_volume_has_the_size_sm_gives_it(gib: int, volume: int) -> None:
    assert sizes.thick_volume_size(gib * GIB) == volume


def test_an_empty_thin_volume_has_8_mib() -> None:
    assert sizes.thin_volume_size() == 8 << 20


def test_the_metadata_of_a_2_tib_disk_take_4329472_bytes() -> None:
    assert sizes.metadata_overhead(sizes.LVM_METADATA_FOR) == 4329472


@pytest.mark.parametrize(("asked", "given"), [
    (0, 2 << 20), (1, 2 << 20), (2 << 20, 2 << 20), ((2 << 20) + 1, 4 << 20),
    (2040 * GIB, 2040 * GIB)])
def test_a_size_is_rounded_up_to_2_mib(asked: int, given: int) -> None:
    assert sizes.valid_virtual_size(asked) == given


@pytest.mark.parametrize("asked", [-1, 2040 * GIB + 1])
def test_an_impossible_size_is_error_79(asked: int) -> None:
    with pytest.raises(StorageError) as failure:
        sizes.valid_virtual_size(asked)
    assert failure.value.code == "SR_BACKEND_FAILURE_79"
    assert failure.value.params == [
        "", "VDI Invalid size [opterr=VDI size must be between 1 MB and 2088960 MB]", ""]
