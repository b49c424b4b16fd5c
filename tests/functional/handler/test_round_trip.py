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

"""Disks come back bit by bit, by every way in and out, while the collector runs."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Dict, List, Sequence

import pytest

from nova_swift_handler.transfer import process
from nova_swift_handler.xapi import disk
from tests.functional.handler.bench import MIB, Bench, Host, eventually
from tests.unit.transfer import images
from tests.unit.vhd import independent

BLOCK = 2 * MIB


@pytest.mark.parametrize("registration", ["location", "upload"])
def test_a_snapshot_boots_on_the_other_sr(bench: Bench, hosts: Dict[str, Host], host: Host,
                                          registration: str) -> None:
    other = hosts["lvm" if host.kind == "ext" else "ext"]
    vdi = host.disk()
    # Blocks that were written and then zeroed hold nothing, as those never written.
    host.control.guest_write(vdi, 20 * MIB, bytes(2 * MIB))
    snapshot = host.snapshot(vdi)
    wanted = host.control.guest_sha256(snapshot)
    host.control.guest_write(vdi, 0, b"after the snapshot")

    job = bench.snapshot_job(host, snapshot, registration=registration)
    result = process.run(job)
    image = bench.image(job.image_id)
    boots = [process.run(bench.boot_job(target, job.image_id)) for target in (host, other)]

    assert result["registration"] == registration
    assert (result["virtual_size"], result["blocks"]) == (42 * MIB, 5)
    assert image["status"] == "active"
    assert (image["disk_format"], image["container_format"]) == (
        "vhd", "bare" if registration == "location" else "ovf")
    assert (image["os_type"], image["auto_disk_config"]) == ("linux", "False")
    for target, boot in zip((host, other), boots):
        assert boot["source"] == "swift"
        assert target.control.guest_sha256(boot["vdi_uuid"]) == wanted
        record = target.record(boot["vdi_uuid"])
        assert (record["name_label"], record["other_config"]) == (
            "instance-1", {"nova_disk_type": "root"})
    other.clear()


def sha256(content: bytes, host: Host, vdi_uuid: str) -> str:
    """Return the SHA-256 of a disk as large as a VDI that begins with this and goes on zero."""
    size = int(host.record(vdi_uuid)["virtual_size"])
    return hashlib.sha256(content.ljust(size, b"\0")).hexdigest()


def test_a_registered_copy_boots_without_us(bench: Bench, host: Host) -> None:
    """What registration by upload gives Glance is an image as stock handlers make them."""
    vdi = host.disk()
    image_id = bench.store(host, vdi, registration="upload")
    copy = bench.glance("GET", "/v2/images/%s/file" % image_id).content
    result = process.run(bench.boot_job(host, bench.uploaded(copy)))
    assert result["source"] == "glance"
    assert host.control.guest_sha256(result["vdi_uuid"]) == host.control.guest_sha256(vdi)


def test_a_snapshot_is_a_vhd_to_others(bench: Bench, ext: Host) -> None:
    vdi = ext.disk()
    image_id = bench.store(ext, vdi, registration="location")
    data = bench.glance("GET", "/v2/images/%s/file" % image_id).content
    parsed = independent.parse(data)
    content = bytearray(parsed.size)
    independent.apply(data, content)
    assert len(data) == bench.image(image_id)["size"]
    assert parsed.size == 42 * MIB
    assert hashlib.sha256(content).hexdigest() == ext.control.guest_sha256(vdi)


def test_an_empty_disk(bench: Bench, host: Host) -> None:
    job = bench.snapshot_job(host, host.snapshot(host.disk(written=[])))
    assert process.run(job)["blocks"] == 0
    result = process.run(bench.boot_job(host, job.image_id))
    assert host.control.guest_sha256(result["vdi_uuid"]) == sha256(
        b"", host, result["vdi_uuid"])


def test_two_snapshots_of_a_volume(bench: Bench, ext: Host) -> None:
    """Each keeps its own disk, whatever the guest did between."""
    vdi = ext.disk()
    first = bench.snapshot_job(ext, ext.snapshot(vdi))
    process.run(first)
    before = ext.control.guest_sha256(vdi)
    ext.control.guest_pattern(vdi, "second", [[3 * MIB, 4 * MIB], [30 * MIB + 512, 512]])
    second = dataclasses.replace(first, image_id=bench.queued(), vdi_uuid=ext.snapshot(vdi))
    process.run(second)
    found = [ext.control.guest_sha256(process.run(bench.boot_job(ext, job.image_id))["vdi_uuid"])
             for job in (first, second)]
    assert found == [before, ext.control.guest_sha256(vdi)]
    assert before != found[1]


@pytest.mark.parametrize("container_format", ["bare", "ovf"])
def test_a_vhd_of_others(bench: Bench, host: Host, container_format: str) -> None:
    """Of an odd size, its blocks in any order and with gaps between, partly absent."""
    chain = images.chain(1, block_size=BLOCK, seed=3)
    data = chain.vhds[0] if container_format == "bare" else images.numbered(chain.vhds)
    result = process.run(bench.boot_job(host, bench.uploaded(data, container_format)))
    assert (result["source"], result["virtual_size"]) == ("glance", len(chain.disk))
    assert host.control.guest_sha256(result["vdi_uuid"]) == sha256(
        chain.disk, host, result["vdi_uuid"])


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 0, 1), (0, 1, 2), (1, 2, 0)])
def test_a_chain_of_others(bench: Bench, host: Host, order: Sequence[int]) -> None:
    """As ``direct_vhd`` stores it; every sector is the leaf's, or its parent's, or the base's."""
    chain = images.chain(len(order), block_size=BLOCK, seed=len(order))
    data = images.numbered(chain.vhds, order)
    result = process.run(bench.boot_job(host, bench.uploaded(data)))
    assert host.control.guest_sha256(result["vdi_uuid"]) == sha256(
        chain.disk, host, result["vdi_uuid"])
    assert not list(bench.staging.iterdir())


def test_a_chain_whose_leaf_was_made_larger(bench: Bench, host: Host) -> None:
    chain = images.chain(2, block_size=BLOCK, sizes=[13 * MIB, 7 * MIB], seed=5)
    result = process.run(bench.boot_job(host, bench.uploaded(images.numbered(chain.vhds))))
    assert result["virtual_size"] == 13 * MIB
    assert host.control.guest_sha256(result["vdi_uuid"]) == sha256(
        chain.disk, host, result["vdi_uuid"])


def test_the_collector_coalesces_while_disks_are_moved(bench: Bench, ext: Host) -> None:
    """Base copies vanish during the export of what stands on them, and no bit changes."""
    vdi = ext.disk()
    kept: List[str] = []
    for number in range(3):
        ext.control.guest_pattern(vdi, number, [[number * 6 * MIB, 3 * MIB]])
        kept.append(ext.snapshot(vdi))
    before = len(ext.control.gc_history())
    ext.control.set_fault("rate", bytes_per_second=8 * MIB)
    with ext.session() as session:
        for uuid in kept[:2]:
            disk.destroy_vdi(session, uuid)
    image_id = bench.store(ext, vdi)
    ext.control.clear_faults()
    eventually(lambda: any(
        "coalesce" in action["kind"] for action in ext.control.gc_history()[before:]))
    result = process.run(bench.boot_job(ext, image_id))
    assert ext.control.guest_sha256(result["vdi_uuid"]) == ext.control.guest_sha256(vdi)
