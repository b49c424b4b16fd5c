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

"""What was written is known to the sector, in memory that partial bitmaps do not make grow."""

from __future__ import annotations

import os
import pathlib
import tracemalloc
from typing import List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.settings import TransferSettings
from nova_swift_handler.transfer.written import Written

from ..vhd import independent
from .test_chain import small_file_system  # noqa: F401  (a fixture)

_UNIT = 4096


@settings(max_examples=60,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(1, 3 * _UNIT), st.data())
def test_what_is_given_back_is_what_was_not_written(staging: TransferSettings, sectors: int,
                                                    data: st.DataObject) -> None:
    known = [False] * sectors
    with Written(sectors, staging.staging_dir) as written:
        for _turn in range(data.draw(st.integers(1, 8))):
            first = data.draw(st.integers(0, sectors - 1))
            count = data.draw(st.integers(1, sectors - first))
            pattern = data.draw(st.sampled_from([[True], [False], [True, False], [
                True, True, False, True, False, False, False]]))
            bits = (pattern * count)[:count]
            covered = all(known[first:first + count])
            assert written.covers(first, count) == covered
            got = written.take(first, independent.bitmap(bits) + bytes(3), count)
            fresh = [bit and not known[first + at] for at, bit in enumerate(bits)]
            assert got == independent.bitmap(fresh) + bytes(3)
            for at, bit in enumerate(bits):
                known[first + at] = known[first + at] or bit
        assert written.covers(0, sectors) == all(known)


def test_whole_bitmaps_need_no_file(tmp_path: pathlib.Path) -> None:
    with Written(10 * _UNIT + 7, str(tmp_path / "not there")) as written:
        for unit in range(10):
            written.take(unit * _UNIT, b"\xff" * 512, _UNIT)
        written.take(10 * _UNIT, b"\xfe" + bytes(511), 7)
        assert written.covers(0, 10 * _UNIT + 7)


def test_a_disk_all_of_whose_bitmaps_are_partial_takes_no_memory(
        staging: TransferSettings) -> None:
    """2040 GiB, a tenth of its blocks in part: 104 thousand bitmaps, a file of 51 MiB or more."""
    units = 2040 * 512
    bitmap = independent.bitmap([number % 3 == 0 for number in range(_UNIT)])
    tracemalloc.start()
    try:
        with Written(units * _UNIT, staging.staging_dir) as written:
            for unit in range(0, units, 10):
                assert written.take(unit * _UNIT, bitmap, _UNIT) == bitmap
            assert written.take((units - 10) * _UNIT, bitmap, _UNIT) == bytes(512)
            assert os.listdir(staging.staging_dir) == [], "a file without a name"
            _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2 ** 20


def test_a_directory_without_room_is_named(small_file_system: pathlib.Path) -> None:  # noqa: F811
    fillings: List[int] = []
    with Written(8192 * _UNIT, str(small_file_system)) as written, pytest.raises(
            exceptions.StagingFull, match="%s has no room" % small_file_system):
        for unit in range(8192):
            written.take(unit * _UNIT, b"\x55" * 512, _UNIT)
            fillings.append(unit)
    assert fillings, "the first of them had room"
