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

"""The ISO SR."""

from __future__ import annotations

import io
import os
from typing import Iterator, List

import pytest

from nova_swift_handler.sandbox.xapi.storage.base import StorageError
from tests.unit.sandbox.storage.harness import BLOCK, MIB, Bench, new_uuid
from tests.unit.sandbox.storage.test_export import blocks_of


@pytest.fixture
def iso(tmp_path: object) -> Iterator[Bench]:
    made = Bench("iso", "%s/iso" % tmp_path)
    yield made
    made.sr.close()


def _put(iso: Bench, name: str, data: bytes) -> None:
    with open(os.path.join(iso.root, name), "wb") as target:
        target.write(data)


def test_a_scan_lists_images_and_nothing_else(iso: Bench) -> None:
    own = new_uuid()
    for name in ("a.iso", "B.IMG", own + ".iso", "notes.txt"):
        _put(iso, name, b"x" * 1234)
    nodes = iso.sr.scan()
    assert sorted(node.name for node in nodes.values()) == sorted(["a.iso", "B.IMG", own + ".iso"])
    assert nodes[own].name == own + ".iso"
    for node in nodes.values():
        assert node.read_only and node.virtual_size == node.physical_utilisation == 1234
    iso.reopen()
    assert set(iso.sr.scan()) == set(nodes)


def test_a_created_image_takes_an_exact_raw_import_and_stays_writable(iso: Bench) -> None:
    data = os.urandom(3 * MIB + 2048)
    uuid = iso.create(len(data), path="debian-12.iso")
    node = iso.sr.chain(uuid)[0]
    assert (node.name, node.virtual_size, node.read_only) == ("debian-12.iso", len(data), False)
    assert "created" in node.sm_config
    iso.sr.import_raw(uuid, io.BytesIO(data).read, len(data))
    with open(os.path.join(iso.root, "debian-12.iso"), "rb") as source:
        assert source.read() == data
    iso.reopen()
    assert not iso.sr.scan()[uuid].read_only
    pieces: List[bytes] = []
    iso.sr.export_raw(uuid, pieces.append)
    assert b"".join(pieces) == data


def test_without_a_path_the_uuid_names_the_file(iso: Bench) -> None:
    uuid = iso.create(MIB)
    assert iso.sr.chain(uuid)[0].name == uuid + ".img"


@pytest.mark.parametrize("path", ["x.vhd", "a/b.iso", "../x.iso", "", "sp ace.iso"])
def test_a_bad_path_is_error_78(iso: Bench, path: str) -> None:
    with pytest.raises(StorageError) as failure:
        iso.create(MIB, path=path)
    assert failure.value.code == "SR_BACKEND_FAILURE_78"


def test_an_existing_file_is_error_43(iso: Bench) -> None:
    _put(iso, "x.iso", b"there")
    with pytest.raises(StorageError) as failure:
        iso.create(MIB, path="x.iso")
    assert failure.value.code == "SR_BACKEND_FAILURE_43"


def test_a_found_image_is_not_written(iso: Bench) -> None:
    _put(iso, "x.iso", b"there")
    (uuid,) = iso.sr.scan()
    with pytest.raises(StorageError) as failure:
        iso.sr.open(uuid, writable=True)
    assert failure.value.code == "VDI_READONLY"


def test_a_vhd_export_rounds_up_and_leaves_zeros_out(iso: Bench) -> None:
    data = bytes(BLOCK) + b"y" * 5000
    _put(iso, "x.iso", data)
    (uuid,) = iso.sr.scan()
    assert blocks_of(iso.export(uuid), 2 * BLOCK) == {1: (b"y" * 5000).ljust(BLOCK, b"\0")}


def test_destroy_removes_the_file(iso: Bench) -> None:
    uuid = iso.create(MIB, path="x.iso")
    iso.sr.destroy(uuid)
    assert iso.sr.scan() == {} and iso.sr.physical_utilisation == 0
    assert not os.path.exists(os.path.join(iso.root, "x.iso"))


def test_snapshot_and_resize_are_not_supported(iso: Bench) -> None:
    uuid = iso.create(MIB)
    for verb in (lambda: iso.sr.snapshot(uuid, new_uuid(), new_uuid(), False),
                 lambda: iso.sr.resize(uuid, 2 * MIB)):
        with pytest.raises(StorageError) as failure:
            verb()
        assert failure.value.code == "SR_OPERATION_NOT_SUPPORTED"
