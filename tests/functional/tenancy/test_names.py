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

"""Naming what is another's, in an image's properties, gives nothing of it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import unicodedata
import uuid
from pathlib import Path
from typing import Any, Dict

import pytest

from nova_swift_handler.images import begun
from nova_swift_handler.transfer import jobs, process
from tests.functional.handler.bench import MIB, Bench, Host
from tests.functional.tenancy.conftest import Victim, booted, own_disk
from tests.unit.transfer import images

_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def named(bench: Bench, victim: Victim) -> Dict[str, str]:
    """Return properties that name the victim's disk in every way that comes to mind."""
    view = "points/%s/disk.vhd" % victim.image_id
    path = "%s/%s" % (victim.container, view)
    url = "%s/%s" % (bench.env["images_account_url"], path)
    return {
        "container": victim.container, "object": view, "path": "/" + path, "url": url,
        "swift_vhd_container": victim.container, "swift_vhd_object": view,
        "swift_vhd_point": victim.image_id, "swift_vhd_image_id": victim.image_id,
        "swift_vhd_volume": victim.container.rpartition("-volume-")[2],
        "swift_vhd_parent": victim.image_id, "parent": victim.image_id,
        "point": victim.image_id, "image_id": victim.image_id, "view": view,
        "base_image_ref": victim.image_id, "image_location": url, "copy_from": url,
        "image_ref": victim.image_id, "kind": "template",
        "instance_uuid": victim.container.rpartition("-volume-")[2],
    }


def test_at_a_boot_they_give_the_images_own_bytes(bench: Bench, ext: Host,
                                                  victim: Victim) -> None:
    chain = images.chain(1, block_size=2 * MIB, blocks=3)
    image_id = bench.uploaded(images.numbered(chain.vhds), user="bob", **named(bench, victim))
    made = process.run(bench.boot_job(ext, image_id, user=bench.token("bob")))
    assert made["source"] == "glance"
    assert ext.control.guest_read(made["vdi_uuid"], 0, len(chain.disk)) == chain.disk
    assert ext.control.guest_sha256(made["vdi_uuid"]) != victim.sha256


def test_at_a_snapshot_they_lead_nowhere(bench: Bench, ext: Host, victim: Victim) -> None:
    """Nova takes an instance's metadata and its image's properties over into the snapshot."""
    disk = own_disk(bench, ext)
    image_id = bench.queued("bob", **named(bench, victim))
    job = bench.snapshot_job(ext, ext.snapshot(disk["vdi"]), image_id, bench.token("bob"))
    process.run(job)
    entry = bench.swift("GET", "vhd-index/" + image_id).json()
    assert entry["container"] == "vhd-volume-" + job.volume_id
    point = bench.swift("GET", "%s/points/%s/point.json" % (
        entry["container"], image_id)).json()
    assert {each["container"] for each in point["segments"]} == {entry["container"]}
    assert point["parent"] is None
    assert booted(bench, ext, image_id) == disk["sha256"]
    before = booted(bench, ext, victim.image_id, "alice")
    assert before == victim.sha256


def test_a_snapshot_compared_with_anothers_disk_holds_its_own(bench: Bench, ext: Host,
                                                              victim: Victim) -> None:
    """Nova names as base only what the instance was booted from, which its user was given.

    If it named another's, equal blocks would not be sent again, and no byte would be given away.
    """
    disk = own_disk(bench, ext, "alice's secrets")  # some of its blocks are the victim's
    ext.control.guest_pattern(disk["vdi"], "bob's own", [[20 * MIB, 2 * MIB]])
    wanted = ext.control.guest_sha256(disk["vdi"])
    job = dataclasses.replace(
        bench.snapshot_job(ext, ext.snapshot(disk["vdi"]), bench.queued("bob"),
                           bench.token("bob")), base_image_id=victim.image_id)
    process.run(job)
    assert wanted != victim.sha256
    assert booted(bench, ext, job.image_id) == wanted
    got = bench.glance("GET", "/v2/images/%s/file" % job.image_id, "bob").content
    assert len(got) == bench.image(job.image_id)["size"]


def swift_vhd(bench: Bench, *argv: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.cli.app", "--config-file",
         bench.env["config_file"], *argv], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_template_of_an_image_that_names_anothers_disk(bench: Bench, ext: Host,
                                                         victim: Victim) -> None:
    """An operator makes a template of bob's snapshot, for everybody."""
    disk = own_disk(bench, ext)
    mean = {"os_type": "linux\nid=" + victim.image_id, **named(bench, victim)}
    job = dataclasses.replace(
        bench.snapshot_job(ext, ext.snapshot(disk["vdi"]), bench.queued("bob", **mean),
                           bench.token("bob")), properties={})
    process.run(job)
    name = "of-bob-" + job.image_id[:8]
    made = json.loads(swift_vhd(bench, "template", "create", name, "--from-image", job.image_id,
                                "--public", "-f", "json"))
    try:
        assert made["id"] not in (job.image_id, victim.image_id)
        assert booted(bench, ext, made["id"], "alice") == disk["sha256"] != victim.sha256
        shown = bench.image(made["id"])
        assert not [each for each in shown.values() if victim.image_id in str(each)]
    finally:
        swift_vhd(bench, "template", "delete", name)


def test_a_property_of_ours_has_no_image_of_a_users_deleted(bench: Bench, ext: Host) -> None:
    """It says that a command here was filling the image and was killed.

    Snapshots inherit it of the image that an instance was booted from, which may be anybody's.
    """
    name = "filled-" + str(uuid.uuid4())[:8]
    mark = {begun.MARK: jobs.transfer_id(jobs.operator())}
    queued = bench.queued("alice", name=name, **mark)
    image_id, _sha256 = bench.stored(ext)
    swift_vhd(bench, "template", "create", name, "--from-image", image_id)
    try:
        assert bench.image(queued)["status"] == "queued"
    finally:
        swift_vhd(bench, "template", "delete", name)


def test_a_name_gives_the_operators_terminal_and_shell_no_orders(
        bench: Bench, ext: Host, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b2K$(touch owned)`touch owned`\"; touch owned\n\u202ehd"
    image_id = bench.queued("bob", name=evil, **{"\x1b[2Jk\nid": evil})
    assert bench.image(image_id)["name"] == evil
    for argv in (["image", "list", "--long"], ["image", "list", "--orphans"],
                 ["image", "show", image_id]):
        for char in swift_vhd(bench, *argv):
            assert char == "\n" or unicodedata.category(char)[0] != "C", argv
    (row,) = [row for row in json.loads(swift_vhd(bench, "image", "list", "-f", "json"))
              if row["ID"] == image_id]
    assert row["Name"] == evil
    printed = swift_vhd(bench, "image", "show", image_id, "-f", "shell")
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(["sh", "-c", 'eval "$1"; printf %s "$name"', "sh", printed],
                          cwd=str(here), capture_output=True, check=True, text=True)
    assert (done.stdout, done.stderr, list(here.iterdir())) == (evil, "", [])


@pytest.mark.parametrize("name", ["locations", "direct_url", "owner", "status"])
def test_what_glance_keeps_for_itself_cannot_be_set(bench: Bench, victim: Victim,
                                                    name: str) -> None:
    url = "%s/vhd-images/%s" % (bench.env["images_account_url"], victim.image_id)
    value: Any = {"locations": [{"url": url, "metadata": {}}], "direct_url": url,
                  "owner": bench.env["users"]["alice"]["project_id"], "status": "active"}[name]
    made = bench.glance("POST", "/v2/images", "bob", raise_exc=False, json={
        "name": "x", "disk_format": "vhd", "container_format": "bare", name: value})
    assert made.status_code == 403


def test_a_location_cannot_be_given_by_a_user(bench: Bench, victim: Victim) -> None:
    """Neither in Swift nor at any address that would be fetched for it."""
    known = bench.env
    image_id = bench.queued("bob")
    urls = [
        "swift+http://images%%3Aglance-store:guess@%s/vhd-images/%s" % (
            known["keystone_url"].partition("://")[2], victim.image_id),
        "swift+config://ref1/vhd-images/" + victim.image_id,
        "%s/vhd-images/%s" % (known["images_account_url"], victim.image_id),
        "file:///etc/passwd"]
    for url in urls:
        added = bench.glance("POST", "/v2/images/%s/locations" % image_id, "bob",
                             raise_exc=False, json={"url": url})
        assert added.status_code in (400, 403), (url, added.text)
        patched = bench.glance(
            "PATCH", "/v2/images/" + image_id, "bob", raise_exc=False, headers=_PATCH,
            json=[{"op": "replace", "path": "/locations", "value": [
                {"url": url, "metadata": {}}]}])
        assert patched.status_code in (400, 403), (url, patched.text)
    assert bench.image(image_id)["status"] == "queued"
