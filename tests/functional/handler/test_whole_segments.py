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

"""The main job on a Swift that stitches whole objects only, as Ceph's gateway does."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Dict

import pytest
import requests

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import lookup, names
from nova_swift_handler.catalog.point import WHOLE
from nova_swift_handler.store import probe
from nova_swift_handler.transfer import process, snapshot
from nova_swift_handler.transfer.report import Report
from nova_swift_handler.upkeep import housekeep, reconcile
from nova_swift_handler.volumes import export, volume
from tests.functional.handler.bench import MIB, Bench, Host
from tests.unit.vhd import independent


def test_snapshots_boot_while_others_go(poor_bench: Bench, hosts: Dict[str, Host],
                                        host: Host) -> None:
    bench = poor_bench
    other = hosts["lvm" if host.kind == "ext" else "ext"]
    vdi = host.disk()
    sha256 = host.control.guest_sha256
    first = bench.snapshot_job(host, host.snapshot(vdi))
    one = process.run(first)
    before = sha256(vdi)
    # A block written anew, one that is new, and one that is zero now.
    host.control.guest_pattern(vdi, "second", [[3 * MIB, 4096], [30 * MIB + 512, 512]])
    host.control.guest_write(vdi, 20 * MIB, bytes(2 * MIB))
    second = dataclasses.replace(first, image_id=bench.queued(), vdi_uuid=host.snapshot(vdi))
    two = process.run(second)
    after = sha256(vdi)
    assert before != after

    # What the second can be stitched of has the first's blocks in it, which are not its user's.
    assert (one["registration"], two["registration"]) == ("location", "upload")
    assert (two["parent"], two["sent_blocks"]) == (first.image_id, 2)
    for job, wanted in ((first, before), (second, after)):
        image = bench.image(job.image_id)
        assert image["status"] == "active"
        for target in (host, other):
            booted = process.run(bench.boot_job(target, job.image_id))
            assert (booted["source"], sha256_of(target, booted)) == ("swift", wanted)
    data = bench.glance("GET", "/v2/images/%s/file" % first.image_id).content
    disk = bytearray(independent.parse(data).size)
    independent.apply(data, disk)
    assert hashlib.sha256(disk).hexdigest() == before

    services = bench.services(host)
    account, where = services.account(), services.containers
    container = where.volume(first.volume_id)
    assert [point.stitching for point in lookup.points(account, container)] == [WHOLE] * 2
    bench.delete_image(first.image_id)
    kept = housekeep.Kept()
    housekeep.beside_glance(services, kept, None, False, False, False, 0)
    assert not kept.errors
    assert [(found.container, found.image_id, found.what) for found in kept.findings
            if found.container == container] == [(container, first.image_id, reconcile.DELETED)]
    assert [point.image_id for point in lookup.points(account, container)] == [second.image_id]
    assert first.image_id not in {row["name"] for row in account.listing(where.images)}
    delta = account.headers(container, names.of_point(second.image_id, names.DELTA_VIEW))
    assert "x-object-meta-parent" not in delta
    for target in (host, other):
        booted = process.run(bench.boot_job(target, second.image_id))
        assert (booted["source"], sha256_of(target, booted)) == ("swift", after)
    bench.refuses(bench.boot_job(host, first.image_id), exceptions.ImageMissing)
    other.clear()


def test_an_export_shows_its_own_disk_and_nothing_of_others(poor_bench: Bench,
                                                            host: Host) -> None:
    bench = poor_bench
    bench.swift("POST", "", headers={"X-Account-Meta-Temp-URL-Key": "a-key-of-tests"})
    services = bench.services(host)
    vdi = host.disk()
    report = Report(lambda event: None)
    stored = volume.store(services, vdi, report)
    host.control.guest_pattern(vdi, "second", [[3 * MIB, 4096]])
    shown = export.export(services, vdi, export.VHD, 3600, report)
    data = requests.get(shown["url"], timeout=60).content
    assert len(data) == shown["size"]
    disk = bytearray(independent.parse(data).size)
    independent.apply(data, disk)
    assert hashlib.sha256(disk).hexdigest() == host.control.guest_sha256(vdi)
    # Its segments are its own: who has the address reads no block that was overwritten.
    kept = lookup.find(services.account(), services.containers, stored["id"])
    made = lookup.find(services.account(), services.containers, shown["id"])
    assert kept is not None and made is not None
    assert not {each.path for each in kept.segments} & {each.path for each in made.segments}
    with bench.nothing_left(host), pytest.raises(exceptions.AbilityMissing,
                                                 match="take the format vhd"):
        export.export(services, vdi, export.RAW, 3600, report)
    host.control.guest_pattern(vdi, "third", [[3 * MIB, 4096]])
    later = volume.store(services, vdi, report)  # compared with the export, it shares its blocks
    with pytest.raises(exceptions.AbilityMissing, match="shares segments with others"):
        export.url(services, later["id"], export.VHD, 3600)
    for image_id in (stored["id"], later["id"]):
        bench.delete_image(image_id)


def sha256_of(host: Host, booted: Dict[str, str]) -> str:
    return str(host.control.guest_sha256(booted["vdi_uuid"]))


def test_a_disk_of_which_nothing_can_be_stitched(
        poor_bench: Bench, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of nearly 2 TiB, whose blocks lie among too many others."""
    bench = poor_bench
    vdi = host.disk()
    job = bench.snapshot_job(host, host.snapshot(vdi))
    account = job.services.account()
    found = probe.abilities(account, job.services.containers.index)
    poorer = dataclasses.replace(found, nested=False, depth=1, max_entries=2)
    monkeypatch.setattr(snapshot.probe, "abilities", lambda *args: poorer)
    result = snapshot.run(job, Report(lambda event: None))
    assert (result["registration"], result["vhd_size"], result["blocks"]) == ("upload", 0, 6)
    booted = process.run(bench.boot_job(host, job.image_id))
    assert (booted["source"], sha256_of(host, booted)) == (
        "swift", host.control.guest_sha256(vdi))
    # And from Glance's copy alone, by whoever has no store.
    copy = bench.glance("GET", "/v2/images/%s/file" % job.image_id).content
    booted = process.run(bench.boot_job(host, bench.uploaded(copy)))
    assert (booted["source"], sha256_of(host, booted)) == (
        "glance", host.control.guest_sha256(vdi))
