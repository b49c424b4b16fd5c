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

"""Operations that cannot succeed are refused before they begin."""

from __future__ import annotations

from typing import Any

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import beforehand
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .records import GIB, Storage, sr_record

SR = "OpaqueRef:sr"
MIB = 1024 ** 2
VOLUME_10_GIB = 10766778368


@pytest.fixture
def storage(host: hosts.Host) -> Storage:
    return Storage(host)


def lvm(free: int, allocation: str = "thick") -> Any:
    return sr_record(type="lvm", sm_config={"allocation": allocation, "use_vhd": "true"},
                     physical_utilisation=100 * GIB - free)


def ext(free: int) -> Any:
    return sr_record(physical_utilisation=100 * GIB - free)


# -- creating ---------------------------------------------------------------------------------

def test_a_disk_that_fits_is_let_through(session: sessions.Session, storage: Storage) -> None:
    storage.sr = lvm(VOLUME_10_GIB)
    beforehand.create(session, SR, 10 * GIB)
    storage.sr = lvm(8 * MIB, "thin")
    beforehand.create(session, SR, 10 * GIB)
    storage.sr = ext(24576 + 100 * (2 * MIB + 4096))
    beforehand.create(session, SR, 10 * GIB, blocks=100)


@pytest.mark.parametrize(("record", "blocks", "needed"), [
    (lvm(VOLUME_10_GIB - 1), None, VOLUME_10_GIB),
    (lvm(VOLUME_10_GIB - 1, "thin"), 0, VOLUME_10_GIB),
    (ext(24576 + 100 * (2 * MIB + 4096) - 1), 100, 24576 + 100 * (2 * MIB + 4096)),
])
def test_a_disk_that_does_not_fit_is_refused_with_figures(
        session: sessions.Session, storage: Storage, raises: Any, record: Any, blocks: Any,
        needed: int) -> None:
    storage.sr = record
    free = int(record["physical_size"]) - int(record["physical_utilisation"])
    with raises(exceptions.SrFull, f"making a disk of {10 * GIB} bytes.* needs {needed} bytes on"
                f" SR sr-uuid .*{free} free; free or add space"):
        beforehand.create(session, SR, 10 * GIB, blocks)


def test_free_space_is_measured_anew(session: sessions.Session, storage: Storage) -> None:
    def update(ref: str) -> str:
        storage.sr = ext(50 * GIB)
        return ""

    storage.sr = ext(0)
    storage.host.methods["SR.update"] = update
    beforehand.create(session, SR, 10 * GIB, 5120)


def test_of_unknown_sr_types_xapi_is_the_judge(session: sessions.Session,
                                               storage: Storage) -> None:
    storage.sr = sr_record(type="linstor", physical_size=0)
    beforehand.create(session, SR, 10 * GIB, 5120)
    assert "SR.update" not in [method for method, _ in storage.host.calls]


# -- snapshots --------------------------------------------------------------------------------

def test_a_snapshot_that_cannot_fit_is_refused(session: sessions.Session, storage: Storage,
                                               raises: Any) -> None:
    storage.add("vdi", physical_utilisation=VOLUME_10_GIB)
    storage.sr = lvm(24 * MIB - 1)
    with raises(exceptions.SrFull, f"making a snapshot of VDI vdi needs {24 * MIB} bytes on SR"
                ".*thin LVM"):
        beforehand.snapshot(session, "vdi")


def test_one_that_may_not_fit_is_warned_of(session: sessions.Session, storage: Storage,
                                           caplog: Any) -> None:
    storage.add("vdi", physical_utilisation=VOLUME_10_GIB)
    storage.sr = lvm(24 * MIB)
    beforehand.snapshot(session, "vdi")
    assert f"may need up to {VOLUME_10_GIB + 16 * MIB} bytes" in caplog.text


def test_a_thin_disk_in_use_takes_a_full_volume(session: sessions.Session, storage: Storage,
                                                raises: Any) -> None:
    storage.add("vdi", physical_utilisation=8 * MIB)
    storage.sr = lvm(10 * GIB, "thin")
    beforehand.snapshot(session, "vdi")
    storage.attach("vdi")
    with raises(exceptions.SrFull, f"needs {VOLUME_10_GIB + 16 * MIB} bytes"):
        beforehand.snapshot(session, "vdi")


def test_a_clone_takes_a_whole_thick_volume(session: sessions.Session, storage: Storage,
                                            raises: Any) -> None:
    storage.add("vdi", physical_utilisation=8 * MIB, is_a_snapshot=True)
    storage.sr = lvm(24 * MIB)
    beforehand.snapshot(session, "vdi")
    with raises(exceptions.SrFull, "making a clone of VDI vdi needs"):
        beforehand.snapshot(session, "vdi", clone=True)


@pytest.mark.parametrize(("fields", "code", "phrase"), [
    ({"managed": False}, "VDI_NOT_MANAGED", "base copy.*sr chain"),
    ({"sm_config": {"type": "raw"}}, "NOT_IMPLEMENTED", "raw volume.*vdi-copy"),
    ({"type": "cbt_metadata"}, "VDI_INCOMPATIBLE_TYPE", "destroyed"),
])
def test_a_vdi_of_a_wrong_kind_is_refused(session: sessions.Session, storage: Storage, raises: Any,
                                          fields: Any, code: str, phrase: str) -> None:
    storage.add("vdi", **fields)
    with raises(exceptions.XapiError, phrase) as caught:
        beforehand.snapshot(session, "vdi")
    assert caught.value.code == code


def test_a_vdi_that_is_not_there_is_refused(session: sessions.Session, storage: Storage,
                                            raises: Any) -> None:
    with raises(exceptions.XapiError, "VDI vdi failed") as caught:
        beforehand.snapshot(session, "vdi")
    assert caught.value.code == "UUID_INVALID"


# -- depth ------------------------------------------------------------------------------------

def test_a_chain_of_29_is_refused_before_xapi_would(session: sessions.Session, storage: Storage,
                                                    raises: Any) -> None:
    with raises(exceptions.XapiError, "29 VHDs.*limit is 30.*--wait.*--flatten") as caught:
        beforehand.snapshot(session, storage.chain(29))
    assert caught.value.code == beforehand.TOO_DEEP


def test_a_chain_of_28_is_let_through(session: sessions.Session, storage: Storage) -> None:
    beforehand.snapshot(session, storage.chain(28))


@pytest.mark.parametrize(("depth", "warned"), [(9, False), (10, True), (11, True)])
def test_a_deep_chain_is_warned_of(session: sessions.Session, storage: Storage, caplog: Any,
                                   depth: int, warned: bool) -> None:
    beforehand.snapshot(session, storage.chain(depth), warning_depth=10)
    assert (f"its chain has {depth} VHDs" in caplog.text) is warned


# -- copies -----------------------------------------------------------------------------------

def test_a_copy_that_cannot_fit_is_refused(session: sessions.Session, storage: Storage,
                                           raises: Any) -> None:
    storage.add("vdi")
    storage.sr = lvm(VOLUME_10_GIB - 1)
    with raises(exceptions.SrFull, f"copying VDI vdi needs {VOLUME_10_GIB} bytes"):
        beforehand.copy(session, "vdi")


def test_a_copy_that_may_not_fit_is_warned_of(session: sessions.Session, storage: Storage,
                                              caplog: Any) -> None:
    storage.chain(3)  # of 1 GiB each
    storage.sr = ext(GIB)
    beforehand.copy(session, "leaf")
    assert f"may need up to {3 * GIB + 24576} bytes" in caplog.text


def test_a_disk_that_a_vm_may_write_to_cannot_be_copied(
        session: sessions.Session, storage: Storage, raises: Any) -> None:
    storage.add("vdi")
    storage.attach("vdi")
    with raises(exceptions.XapiError, "snapshot of it") as caught:
        beforehand.copy(session, "vdi")
    assert caught.value.code == "VDI_IN_USE"


@pytest.mark.parametrize("how", [{"mode": "RO"}, {"plugged": False}, {"vm": "dom0"}])
def test_a_disk_that_none_writes_to_can_be_copied(session: sessions.Session, storage: Storage,
                                                  how: Any) -> None:
    storage.add("vdi")
    storage.attach("vdi", **how)
    beforehand.copy(session, "vdi")
