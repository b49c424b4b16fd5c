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

"""The EXT SR's space: thin, stale records, errors of a full file system."""

from __future__ import annotations

import os

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from tests.unit.sandbox.storage.harness import BLOCK, GIB, MIB, Bench, new_uuid


def test_utilisation_of_a_disk_is_stale_until_a_scan(ext: Bench) -> None:
    uuid = ext.create(8 * MIB)
    before = ext.sr.chain(uuid)[0].physical_utilisation
    ext.fill(uuid, 0, 1)
    assert ext.sr.chain(uuid)[0].physical_utilisation == before
    after = ext.sr.scan()[uuid].physical_utilisation
    assert after == os.stat(ext.file_of(uuid)).st_size > 2 * BLOCK
    assert ext.sr.physical_utilisation == after


def test_creation_is_thin_and_may_overcommit(tmp_path: object) -> None:
    bench = Bench("ext", "%s/sr" % tmp_path, size=64 * MIB)
    for _ in range(2):
        bench.sr.create(new_uuid(), 100 * GIB, {})
    assert bench.sr.virtual_allocation == 200 * GIB
    assert bench.sr.physical_utilisation < MIB


def test_a_full_file_system_is_an_io_error_and_keeps_what_was_written(tmp_path: object) -> None:
    bench = Bench("ext", "%s/sr" % tmp_path, size=5 * MIB)
    uuid = bench.create(8 * MIB)
    bench.fill(uuid, 0, 1)
    with pytest.raises(StorageError) as failure:
        bench.fill(uuid, 2)
    assert (failure.value.code, failure.value.params) == ("VDI_IO_ERROR", ["Device I/O errors"])
    bench.fill(uuid, 1, seed=9)  # allocated: needs no space
    bench.reopen()
    bench.check()


def test_a_full_file_system_refuses_creation_with_78(tmp_path: object) -> None:
    bench = Bench("ext", "%s/sr" % tmp_path, size=2048)
    with pytest.raises(StorageError) as failure:
        bench.create(8 * MIB)
    assert failure.value.code == "SR_BACKEND_FAILURE_78"
    assert bench.sr.scan() == {}


def test_shrinking_is_error_79(ext: Bench) -> None:
    uuid = ext.create(8 * MIB)
    with pytest.raises(StorageError) as failure:
        ext.sr.resize(uuid, 4 * MIB)
    assert failure.value.code == "SR_BACKEND_FAILURE_79"


def test_a_file_put_into_the_directory_is_found_by_a_scan(ext: Bench, tmp_path: object) -> None:
    other = Bench("ext", "%s/other" % tmp_path)
    uuid = other.create(8 * MIB)
    other.fill(uuid, 1)
    other.sr.close()
    os.rename(other.file_of(uuid), "%s/%s.vhd" % (ext.root, uuid))
    assert uuid in ext.sr.scan()
    assert ext.read(uuid) == other.disks[uuid]


def test_the_same_uuid_twice_is_error_43(bench: Bench) -> None:
    uuid = bench.create(8 * MIB)
    with pytest.raises(StorageError) as failure:
        bench.sr.create(uuid, 8 * MIB, {})
    assert failure.value.code == "SR_BACKEND_FAILURE_43"
