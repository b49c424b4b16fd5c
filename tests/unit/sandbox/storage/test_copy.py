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

"""Flat copies within and between SRs."""

from __future__ import annotations

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageError, copy_disk
from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, new_uuid


def test_a_copy_is_flat_and_equal(ext: Bench, lvm: Bench) -> None:
    for source, target in ((ext, lvm), (lvm, ext), (ext, ext)):
        uuid, copied = source.create(8 * MIB), new_uuid()
        source.fill(uuid, 0, 2)
        source.snapshot(uuid)
        source.write(uuid, 3 * BLOCK - 7, b"across blocks")
        node = copy_disk(source.sr, uuid, target.sr, copied)
        assert node.parent is None and node.virtual_size == 8 * MIB
        target.disks[copied] = source.disks[uuid]
        target.check()
        assert target.depth(copied) == 1


def test_blocks_are_copied_if_they_are_allocated_zeros_or_not(ext: Bench) -> None:
    uuid, copied = ext.create(8 * MIB), new_uuid()
    ext.write(uuid, 0, bytes(BLOCK))
    ext.write(uuid, 2 * BLOCK, b"x")
    assert ext.sr.blocks(uuid) == [0, 2]
    copy_disk(ext.sr, uuid, ext.sr, copied)
    ext.disks[copied] = ext.disks[uuid]
    ext.check()
    assert ext.sr.blocks(copied) == [0, 2]


def test_a_failed_copy_leaves_nothing(ext: Bench, tmp_path: object) -> None:
    uuid = ext.create(8 * MIB)
    ext.fill(uuid, 0, 1, 2)
    small = Bench("ext", "%s/small" % tmp_path, size=5 * MIB)
    with pytest.raises(StorageError):
        copy_disk(ext.sr, uuid, small.sr, new_uuid())
    assert small.sr.scan() == {} and small.sr.physical_utilisation == 0
