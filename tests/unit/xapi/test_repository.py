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

"""SRs: their kind, their room, and how they are found."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import repository, sizes
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .records import GIB, NULL, sr_record


def parse(pbds: Optional[List[Dict[str, str]]] = None, **fields: Any) -> repository.Repository:
    return repository.parse("OpaqueRef:s", sr_record(**fields), pbds or [])


@pytest.mark.parametrize("kind", ["ext", "nfs", "xfs", "smb", "zfs"])
def test_file_srs_keep_vhds_as_files(kind: str) -> None:
    assert parse(type=kind).layout == sizes.FILE


@pytest.mark.parametrize("kind", ["lvm", "lvmoiscsi", "lvmohba", "lvmofcoe"])
@pytest.mark.parametrize(("sm_config", "device_config", "layout"), [
    ({}, {}, sizes.LVM_THICK), ({"allocation": "thick"}, {}, sizes.LVM_THICK),
    ({"allocation": "thin"}, {}, sizes.LVM_THIN), ({}, {"allocation": "thin"}, sizes.LVM_THIN),
    ({"allocation": "thick"}, {"allocation": "thin"}, sizes.LVM_THICK),
    ({"allocation": "odd"}, {}, sizes.LVM_THICK)])
def test_lvm_srs_are_thick_unless_they_say_otherwise(
        kind: str, sm_config: Dict[str, str], device_config: Dict[str, str],
        layout: str) -> None:
    assert parse([device_config], type=kind, sm_config=sm_config).layout == layout


@pytest.mark.parametrize("kind", ["iso", "udev", "linstor", "somethingnew"])
def test_of_others_nothing_is_presumed(kind: str) -> None:
    assert parse(type=kind).layout is None


def test_free_is_what_is_not_taken() -> None:
    assert parse(physical_size=10 * GIB, physical_utilisation=3 * GIB).free == 7 * GIB


class Pool:
    """A pool with some SRs."""

    def __init__(self, host: hosts.Host) -> None:
        self.srs = {"OpaqueRef:" + uuid: sr_record(uuid=uuid, name_label=name, type=kind)
                    for uuid, name, kind in (("a", "Local", "ext"), ("b", "Local", "lvm"),
                                             ("c", "CDs", "iso"), ("d", "Big", "nfs"))}
        self.default = "OpaqueRef:b"
        host.methods.update({
            "pool.get_all_records": lambda: {"OpaqueRef:p": {"default_SR": self.default}},
            "SR.get_all": lambda: [*self.srs, "OpaqueRef:gone"], "SR.get_record": self.record,
            "SR.get_uuid": lambda ref: self.record(ref)["uuid"], "SR.get_by_uuid": self.by_uuid,
            "SR.get_by_name_label": lambda name: [
                ref for ref, record in self.srs.items() if record["name_label"] == name]})

    def record(self, ref: str) -> Dict[str, Any]:
        if ref not in self.srs:
            raise hosts.Failure("HANDLE_INVALID", "SR", ref)
        return self.srs[ref]

    def by_uuid(self, uuid: str) -> str:
        if "OpaqueRef:" + uuid not in self.srs:
            raise hosts.Failure("UUID_INVALID", "SR", uuid)
        return "OpaqueRef:" + uuid


@pytest.fixture
def pool(host: hosts.Host) -> Pool:
    return Pool(host)


def test_srs_that_hold_vhds_are_listed_by_name(session: sessions.Session, pool: Pool) -> None:
    assert [each.uuid for each in repository.every(session)] == ["d", "a", "b"]
    assert [each.uuid for each in repository.every(session, iso=True)] == ["c"]


@pytest.mark.parametrize(("wanted", "found"), [("a", "a"), ("Big", "d"), (None, "b")])
def test_an_sr_is_found(session: sessions.Session, pool: Pool, wanted: Optional[str],
                        found: str) -> None:
    assert repository.find(session, wanted) == "OpaqueRef:" + found


@pytest.mark.parametrize(("wanted", "phrase"), [
    ("nowhere", "SR nowhere failed: none has that uuid or name"),
    ("Local", "2 have that name; name one by its uuid: a, b")])
def test_one_that_is_not_found_is_an_error(session: sessions.Session, pool: Pool, raises: Any,
                                           wanted: str, phrase: str) -> None:
    with raises(exceptions.XapiError, phrase):
        repository.find(session, wanted)


def test_a_pool_without_a_default_sr_is_an_error(session: sessions.Session, pool: Pool,
                                                 raises: Any) -> None:
    pool.default = NULL
    with raises(exceptions.XapiError, "name one by its uuid"):
        repository.find(session)
