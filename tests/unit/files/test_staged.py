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

"""What is staged takes the room that it needs and may take, and is gone afterwards."""

from __future__ import annotations

import io
import os
import pathlib

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.files.staged import Room
from nova_swift_handler.settings import TransferSettings
from tests.unit.transfer.test_chain import small_file_system  # noqa: F401  (fixture)

MIB = 2 ** 20


def test_zeros_take_no_room_and_come_back(tmp_path: pathlib.Path) -> None:
    data = bytes(5 * MIB) + b"x" + bytes(MIB)
    with Room(TransferSettings(staging_dir=str(tmp_path), staging_limit=MIB)) as room:
        path = room.keep("disk", io.BytesIO(data), "a disk")
        assert pathlib.Path(path).read_bytes() == data
        assert os.stat(path).st_blocks * 512 <= MIB
    assert os.listdir(tmp_path) == []


def test_all_that_is_kept_counts_against_the_limit(tmp_path: pathlib.Path) -> None:
    with Room(TransferSettings(staging_dir=str(tmp_path), staging_limit=2 * MIB)) as room:
        room.keep("one", io.BytesIO(b"x" * MIB), "one")
        with pytest.raises(exceptions.StagingFull, match="two needs more than the 2097152 bytes"):
            room.keep("two", io.BytesIO(b"x" * (MIB + 1)), "two")
    assert os.listdir(tmp_path) == []


def test_a_file_system_that_is_full_is_named(
        small_file_system: pathlib.Path) -> None:  # noqa: F811
    with Room(TransferSettings(staging_dir=str(small_file_system))) as room, pytest.raises(
            exceptions.StagingFull, match="%s has no room for a disk" % small_file_system):
        room.keep("disk", io.BytesIO(b"x" * (2 * MIB)), "a disk")
    assert list(small_file_system.iterdir()) == []
