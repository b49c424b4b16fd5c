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

"""The LVM SR's volumes: thick arithmetic, deflating, error 44 and 180."""

from __future__ import annotations

import os

import pytest

from nova_swift_handler.sandbox.xapi.storage import sizes
from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from tests.unit.sandbox.storage.harness import BLOCK, GIB, MIB, Bench, new_uuid

MGT = 4 * MIB
THIN = 8 * MIB
DISK = 64 * MIB
FULL = 72 * MIB  # 67108864 + 4329472 + 32 * 4096, rounded up to 4 MiB


def _no_space(failure: pytest.ExceptionInfo[StorageError]) -> bool:
    return (failure.value.code == "SR_BACKEND_FAILURE_44"
            and failure.value.params == ["", "There is insufficient space", ""])


def test_a_disk_takes_its_whole_volume_at_creation(lvm: Bench) -> None:
    uuid = new_uuid()
    node = lvm.sr.create(uuid, GIB, {})
    assert node.physical_utilisation == 1082130432
    assert os.stat(lvm.file_of(uuid)).st_size == 1082130432
    assert lvm.sr.physical_utilisation == 1082130432 + MGT
    assert node.sm_config == {"vdi_type": "vhd"}
    assert lvm.sr.sm_config["use_vhd"] == "true"


def test_creation_without_space_is_error_44(tmp_path: object) -> None:
    bench = Bench("lvm", "%s/sr" % tmp_path, size=FULL + MGT)
    with pytest.raises(StorageError) as failure:
        bench.create(DISK + 4 * MIB)
    assert _no_space(failure)
    bench.create(DISK)
    assert bench.sr.physical_utilisation == bench.sr.physical_size


def test_a_snapshot_deflates_the_base_and_is_itself_deflated(lvm: Bench) -> None:
    uuid = lvm.create(DISK)
    lvm.fill(uuid, 0, 5)
    new = lvm.snapshot(uuid)
    leaf, base = lvm.sr.chain(uuid)
    assert leaf.physical_utilisation == FULL
    assert lvm.sr.chain(new)[0].physical_utilisation == THIN
    data = sizes.round_up(4329472 + 2 * (BLOCK + 4096), 4 * MIB)
    assert base.physical_utilisation == data == os.stat(lvm.file_of(base.uuid)).st_size
    lvm.check()


def test_a_clone_takes_a_whole_volume(lvm: Bench) -> None:
    uuid = lvm.create(DISK)
    new = lvm.snapshot(uuid, clone=True)
    assert lvm.sr.chain(new)[0].physical_utilisation == FULL


@pytest.mark.parametrize(("missing", "works"), [(0, True), (4 * MIB, False)])
def test_a_snapshot_needs_new_volumes_and_two_journals(
    tmp_path: object, missing: int, works: bool
) -> None:
    needed = FULL + THIN + 2 * 4 * MIB - (FULL - THIN)
    bench = Bench("lvm", "%s/sr" % tmp_path, size=MGT + FULL + needed - missing)
    uuid = bench.create(DISK)
    bench.fill(uuid, 0)
    if works:
        bench.snapshot(uuid)
    else:
        before = bench.sr.scan()
        with pytest.raises(StorageError) as failure:
            bench.snapshot(uuid)
        assert _no_space(failure)
        assert bench.sr.scan() == before
        bench.fill(uuid, 1)
    bench.check()


def test_a_full_disk_needs_its_whole_size_again_for_a_snapshot(tmp_path: object) -> None:
    bench = Bench("lvm", "%s/sr" % tmp_path, size=MGT + 2 * FULL)
    uuid = bench.create(DISK)
    bench.fill(uuid, *range(32))
    with pytest.raises(StorageError) as failure:
        bench.snapshot(uuid)
    assert _no_space(failure)
    bench.check()


def test_writing_to_a_snapshot_inflates_it_while_it_is_attached(lvm: Bench) -> None:
    uuid = lvm.create(DISK)
    lvm.fill(uuid, 0)
    new = lvm.snapshot(uuid)
    with lvm.sr.open(new, writable=True) as disk:
        assert os.stat(lvm.file_of(new)).st_size == FULL
        disk.pwrite(9 * BLOCK, b"x" * 3 * BLOCK)
    assert os.stat(lvm.file_of(new)).st_size == sizes.round_up(
        4329472 + 3 * (BLOCK + 4096), 4 * MIB)
    lvm.disks[new][9 * BLOCK:12 * BLOCK] = b"x" * 3 * BLOCK
    lvm.check()


def test_an_attach_without_space_is_error_180(tmp_path: object) -> None:
    bench = Bench("lvm", "%s/sr" % tmp_path, size=MGT + FULL + 64 * MIB)
    uuid = bench.create(DISK)
    new = bench.snapshot(uuid)
    with pytest.raises(StorageError) as failure:
        bench.sr.open(new, writable=True)
    assert failure.value.code == "SR_BACKEND_FAILURE_180"
    bench.sr.destroy(uuid)
    bench.sr.open(new, writable=True).close()


def test_reading_a_snapshot_does_not_inflate_it(lvm: Bench) -> None:
    uuid = lvm.create(DISK)
    new = lvm.snapshot(uuid)
    with lvm.sr.open(new, writable=False):
        assert os.stat(lvm.file_of(new)).st_size == THIN


def test_a_snapshot_of_an_attached_snapshot_keeps_it_whole(lvm: Bench) -> None:
    uuid = lvm.create(DISK)
    new = lvm.snapshot(uuid)
    lvm.write(new, 0, b"x")
    with lvm.sr.open(new, writable=True) as disk:
        lvm.sr.snapshot(new, new_uuid(), new_uuid(), clone=False)
        disk.pwrite(0, b"y" * 8 * MIB)
        assert disk.pread(0, 8 * MIB) == b"y" * 8 * MIB


def test_resizing_grows_the_volume(lvm: Bench) -> None:
    uuid = lvm.create(DISK)
    lvm.fill(uuid, 31)
    node = lvm.sr.resize(uuid, 8 * GIB)
    assert node.physical_utilisation == 8615100416
    assert lvm.sr.physical_utilisation == 8615100416 + MGT
    with lvm.sr.open(uuid, writable=False) as disk:
        assert disk.pread(31 * BLOCK, BLOCK) == lvm.disks[uuid][31 * BLOCK:]


def test_a_raw_disk_is_a_plain_volume(lvm: Bench) -> None:
    uuid = lvm.create(6 * MIB, type="raw")
    node = lvm.sr.chain(uuid)[0]
    assert node.virtual_size == node.physical_utilisation == 8 * MIB
    assert node.sm_config == {"vdi_type": "aio", "type": "raw"}
    lvm.write(uuid, 12345, b"raw")
    with open(lvm.file_of(uuid), "rb") as source:
        assert source.read() == lvm.disks[uuid]


def test_thin_volumes_are_whole_only_while_written(tmp_path: object) -> None:
    bench = Bench("lvm", "%s/sr" % tmp_path, size=172 * MIB, allocation="thin")
    uuids = [bench.create(DISK) for _ in range(10)]
    assert bench.sr.physical_utilisation == MGT + 10 * THIN
    with bench.sr.open(uuids[0], writable=True) as disk:
        assert os.stat(bench.file_of(uuids[0])).st_size == FULL
        disk.pwrite(0, b"x")
        with pytest.raises(StorageError) as failure:
            bench.sr.open(uuids[1], writable=True)
        assert failure.value.code == "SR_BACKEND_FAILURE_180"
    bench.disks[uuids[0]][0:1] = b"x"
    assert os.stat(bench.file_of(uuids[0])).st_size == THIN
    bench.snapshot(uuids[0])
    bench.write(uuids[0], BLOCK, b"y")
    bench.check()


def test_a_volume_that_lacks_room_is_an_io_error(lvm: Bench) -> None:
    """Not reachable through attach; guards the file's own bound."""
    uuid = lvm.create(DISK)
    lvm.snapshot(uuid)
    new = lvm.snapshot(uuid)
    image = lvm.sr.image(new)  # type: ignore[attr-defined]
    image.write(0, 0, bytes(BLOCK))
    with pytest.raises(StorageError) as failure:
        image.write(1, 0, bytes(BLOCK))
    assert failure.value.code == "VDI_IO_ERROR"
