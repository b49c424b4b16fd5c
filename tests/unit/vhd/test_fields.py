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

"""CHS geometry: as the specification's appendix and qemu compute it."""

from __future__ import annotations

import pathlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler.vhd import fields

from .conftest import QemuImg

_MIB = 2048  # sectors


@given(st.integers(0, 2 ** 33))
def test_geometry_never_says_more_than_the_disk_holds(sectors: int) -> None:
    cylinders, heads, per_track = fields.geometry(sectors)
    assert cylinders * heads * per_track <= sectors
    assert cylinders <= 65535
    assert heads <= 16
    assert per_track <= 255


@pytest.mark.parametrize(("sectors", "expected"), [
    # Computed by hand from the appendix "CHS Calculation".
    (17 * 4 * 10, (10, 4, 17)),
    (10 * _MIB, (301, 4, 17)),
    (40 * _MIB, (963, 5, 17)),
    (504 * _MIB, (1024, 16, 63)),
    (65535 * 16 * 63, (16191, 16, 255)),
    (2 ** 33, (65535, 16, 255)),
])
def test_geometry_by_hand(sectors: int, expected: object) -> None:
    assert fields.geometry(sectors) == expected


@pytest.mark.parametrize("mib", [1, 3, 8, 33, 69, 133, 136, 249, 300, 503, 505, 1000, 4097,
                                 32255, 32257, 100000])
def test_geometry_is_qemus(qemu_img: QemuImg, tmp_path: pathlib.Path, mib: int) -> None:
    path = tmp_path / "disk.vhd"
    qemu_img.run("create", "-f", "vpc", "-o", "subformat=dynamic", str(path), "%dM" % mib)
    footer = path.read_bytes()[:512]
    size, = struct.unpack_from(">Q", footer, 48)
    assert fields.geometry(size // 512) == struct.unpack_from(">HBB", footer, 56)


def test_the_checksum_is_the_ones_complement_of_the_bytes_sum() -> None:
    assert fields.checksum(b"") == 0xFFFFFFFF
    assert fields.checksum(b"\x01\x02\xff") == 0xFFFFFFFF - 0x102
