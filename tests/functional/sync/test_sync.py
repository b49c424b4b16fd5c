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

"""Glance is brought in step with the templates and ISOs that are stored."""

from __future__ import annotations

import dataclasses
import multiprocessing
import uuid
from concurrent import futures
from typing import Any, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inventory, lookup, names, properties
from nova_swift_handler.images import claim, named, sync
from nova_swift_handler.transfer import jobs

from .conftest import Town


def _sync(services: jobs.Services, kind: str) -> List[str]:
    """Do it in a process of its own; return what failed."""
    done = sync.sync(services, kind, dry_run=False, delete_lost=False, force=False,
                     progress=lambda done, total: None)
    return [str(step.error) for step in done if step.error is not None]


def test_nothing_is_done_where_all_is_as_it_should_be(home: Town) -> None:
    home.template("debian", 1, "--public", "--property", "os_type=linux")
    home.iso("tools")
    for kind in named.KINDS:
        assert home.rows(kind, "sync") == []


def test_a_deleted_image_is_registered_again_under_another_id(home: Town) -> None:
    shown, digest = home.template("debian", 1, "--public", "--property", "os_type=linux")
    home.delete_image(shown["id"])
    [row] = home.rows("template", "sync", "--dry-run")
    assert (row["Action"], row["Name"], row["ID"]) == ("register", "debian", shown["id"])
    assert home.properties("template", "debian")["id"] == shown["id"]  # type: ignore[index]
    [row] = home.rows("template", "sync")
    assert (row["Action"], row["ID"]) == ("register", claim.following(shown["id"]))
    image = home.image(row["ID"])
    assert (image["status"], image["name"], image["visibility"], image["os_type"]) == (
        "active", "debian", "public", "linux")
    assert home.disk(row["ID"]) == digest
    values = home.properties("template", "debian")
    assert values is not None
    assert (values["id"], values["created_at"]) == (row["ID"], image["created_at"])
    point = lookup.find(home.account, home.where, row["ID"])
    assert point is not None and lookup.is_of(point, image["owner"], image["created_at"])
    assert inventory.complete(home.account, home.where.templates) == {row["ID"]}
    assert home.rows("template", "sync") == []
    code, _out, err = home.run("snapshot", "verify", row["ID"], "--level", "all")
    assert code == 0, err


def test_an_id_that_glance_has_purged_is_taken_again(home: Town) -> None:
    shown, digest = home.template("debian")
    tools, data = home.iso("tools")
    for kind, image_id in (("template", shown["id"]), ("iso", tools["id"])):
        home.delete_image(image_id)
        home.purge(image_id)
        [row] = home.rows(kind, "sync")
        assert (row["Action"], row["ID"]) == ("register", image_id)
        image = home.image(image_id)
        assert image["status"] == "active"
        values = home.properties(kind, row["Name"])
        assert values is not None and values["created_at"] == image["created_at"]
        assert home.rows(kind, "sync") == []
    point = lookup.find(home.account, home.where, shown["id"])
    image = home.image(shown["id"])
    assert point is not None and lookup.is_of(point, image["owner"], image["created_at"])
    assert home.disk(shown["id"]) == digest
    assert home.glance("GET", "/v2/images/%s/file" % tools["id"]).content == data


def test_a_deleted_image_of_an_iso_is_registered_again(home: Town) -> None:
    shown, data = home.iso("tools", 3 * 1024 * 1024, "--community")
    home.delete_image(shown["id"])
    [row] = home.rows("iso", "sync")
    image = home.image(row["ID"])
    assert (image["status"], image["disk_format"], image["visibility"]) == (
        "active", "iso", "community")
    assert home.glance("GET", "/v2/images/%s/file" % row["ID"]).content == data
    assert inventory.complete(home.account, home.where.isos) == {row["ID"]}
    assert home.rows("iso", "sync") == []


def test_what_differs_is_set_as_the_properties_say(home: Town) -> None:
    shown, _digest = home.template("debian", 1, "--public", "--min-disk", "2",
                                   "--property", "os_type=linux")
    home.patch(shown["id"], {"op": "replace", "path": "/visibility", "value": "private"},
               {"op": "replace", "path": "/name", "value": "other"},
               {"op": "replace", "path": "/os_type", "value": "windows"},
               {"op": "add", "path": "/own", "value": "stays"})
    [row] = home.rows("template", "sync", "--dry-run")
    assert row["Action"] == "update"
    assert row["Why"] == "differs: name, os_type, visibility"
    assert home.image(shown["id"])["name"] == "other"
    home.rows("template", "sync")
    image = home.image(shown["id"])
    assert (image["name"], image["visibility"], image["os_type"], image["own"]) == (
        "debian", "public", "linux", "stays")
    assert home.rows("template", "sync") == []


def test_hidden_and_community_images_are_seen(home: Town) -> None:
    shown, _digest = home.template("debian", 1, "--community")
    home.patch(shown["id"], {"op": "replace", "path": "/os_hidden", "value": True})
    assert home.rows("template", "sync") == []


@pytest.mark.parametrize("status", ["queued", "saving"])
def test_an_image_that_a_killed_run_has_left_is_mended(home: Town, status: str) -> None:
    shown, digest = home.template("debian")
    point = lookup.find(home.account, home.where, shown["id"])
    assert point is not None
    home.delete_image(shown["id"])
    following = claim.following(shown["id"])
    assert home.glance("POST", "/v2/images", json={
        "id": following, "name": "debian", "disk_format": "vhd", "container_format": "bare",
        "owner": point.project_id}).status_code == 201
    if status == "saving":
        home.status(following, "saving")
    [row] = home.rows("template", "sync")
    assert row["Action"] == "register"
    assert row["ID"] == (following if status == "queued" else claim.following(following))
    assert home.image(row["ID"])["status"] == "active"
    assert home.disk(row["ID"]) == digest
    assert [image["id"] for image in home.images("debian")] == [row["ID"]]
    assert home.rows("template", "sync") == []


def test_a_queued_image_of_an_interrupted_creation_is_made_active(home: Town) -> None:
    shown, _digest = home.template("debian")
    home.status(shown["id"], "queued")
    home.forget_location(shown["id"])
    [row] = home.rows("template", "sync")
    assert (row["Action"], row["ID"], row["Why"]) == (
        "register", shown["id"], "its image is queued")
    assert home.image(shown["id"])["status"] == "active"


def test_what_somebody_else_stores_or_registers_is_left_alone(home: Town) -> None:
    shown, _digest = home.template("debian")
    home.delete_image(shown["id"])
    following = claim.following(shown["id"])
    point = lookup.find(home.account, home.where, shown["id"])
    assert point is not None
    home.glance("POST", "/v2/images", json={
        "id": following, "name": "debian", "disk_format": "vhd", "container_format": "bare",
        "owner": point.project_id})
    with claim.announced(home.account, home.where.templates, shown["id"]):
        [row] = home.rows("template", "sync")
    assert row["Action"] == "left alone"
    assert home.image(following)["status"] == "queued"


def test_an_id_that_is_another_projects_by_now_gives_it_nothing(home: Town) -> None:
    shown, _digest = home.template("debian")
    home.delete_image(shown["id"])
    home.purge(shown["id"])
    for status in ("queued", "active"):
        if status == "queued":
            assert home.glance("POST", "/v2/images", "alice", json={
                "id": shown["id"], "name": "debian", "disk_format": "vhd",
                "container_format": "bare"}).status_code == 201
        else:
            home.glance("PUT", "/v2/images/%s/file" % shown["id"], "alice", data=b"her own",
                        headers={"Content-Type": "application/octet-stream"})
        before = home.image(shown["id"])
        code, out, err = home.run("template", "sync")
        assert code == 9, (out, err)
        assert "another" in err or "is not that of" in err
        after = home.image(shown["id"])
        assert (after["status"], after["size"]) == (before["status"], before["size"])
    point = lookup.find(home.account, home.where, shown["id"])
    assert point is not None, "the template was lost"
    home.delete_image(shown["id"])


def test_lost_data_are_told_and_deleted_only_when_asked(home: Town) -> None:
    shown, _digest = home.template("debian")
    kept, _digest = home.template("kept", 2)
    for row in list(home.account.listing(home.where.templates,
                                         names.of_point(shown["id"], ""))):
        home.account.delete(home.where.templates, row["name"])
    [row] = home.rows("template", "sync")
    assert (row["Action"], row["Name"]) == ("lost", "debian")
    assert home.image(shown["id"])["status"] == "active"
    [row] = home.rows("template", "sync", "--delete-lost", "--dry-run")
    assert row["Action"] == "delete"
    assert home.image(shown["id"])["status"] == "active"
    home.rows("template", "sync", "--delete-lost")
    assert home.glance("GET", "/v2/images/" + shown["id"]).status_code == 404
    assert home.properties("template", "debian") is None
    assert home.image(kept["id"])["status"] == "active"
    assert home.rows("template", "sync") == []


def test_damaged_properties_keep_nothing_else_from_being_done(home: Town) -> None:
    shown, _digest = home.template("debian")
    broken, _digest = home.template("broken", 2)
    home.delete_image(shown["id"])
    home.account.put(home.where.templates, "broken.properties",
                     b"name=broken\nid=%s\nvisibility=everybody\n" % broken["id"].encode())
    code, _out, err = home.run("template", "sync")
    assert code == 7 and "visibility" in err
    values = home.properties("template", "debian")
    assert values is not None and home.image(values["id"])["status"] == "active"


def test_of_two_that_run_at_once_one_registers_each(home: Town) -> None:
    stored: Dict[str, Any] = {}
    for number in range(3):
        stored["t%d" % number] = home.template("t%d" % number, number)[0]
    stored["tools"] = home.iso("tools")[0]
    for shown in stored.values():
        home.delete_image(shown["id"])
    with futures.ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(_sync, home.services(), kind)
                   for kind in ("template", "iso", "template", "iso")]
        assert [future.result() for future in running] == [[], [], [], []]
    for name, shown in stored.items():
        [image] = home.images(name)
        assert (image["id"], image["status"]) == (claim.following(shown["id"]), "active")
    for kind in named.KINDS:
        assert home.rows(kind, "sync") == []
    assert inventory.complete(home.account, home.where.templates) == {
        claim.following(stored[name]["id"]) for name in ("t0", "t1", "t2")}


def test_the_kept_properties_are_believed_only_as_far_as_they_are_right(home: Town) -> None:
    home.template("debian")
    home.rows("template", "sync")
    container = home.where.templates
    kept = home.account.get_json(container, properties.KEPT)
    [text] = kept["texts"].values()
    kept["texts"] = {"debian.properties": text.replace("debian", "forged"),
                     "%s.properties" % uuid.uuid4(): text}
    home.account.put_json(container, properties.KEPT, kept)
    assert list(properties.every(home.account, container)) == ["debian"]
    assert properties.every(home.account, container)["debian"]["name"] == "debian"
    home.account.put(container, properties.KEPT, b"no JSON")
    assert list(properties.every(home.account, container, keep=True)) == ["debian"]
    assert home.account.get_json(container, properties.KEPT)["texts"] == {
        "debian.properties": text}


def test_an_account_that_sees_not_all_images_registers_nothing(home: Town) -> None:
    services = dataclasses.replace(home.services(), credentials=home.site.credentials("alice"))
    with pytest.raises(exceptions.GlanceError, match="has not the role 'admin'"):
        _sync(services, "template")
