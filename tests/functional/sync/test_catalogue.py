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

"""A cloud publishes templates and ISOs, and another takes them."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import multiprocessing
import pathlib
import re
import threading
from concurrent import futures
from typing import Any, Callable, Dict, Iterator, List
from urllib import parse

import pytest

from nova_swift_handler.catalog import inventory, properties
from nova_swift_handler.images import named, pull
from nova_swift_handler.transfer import jobs

from .conftest import MIB, Town, anonymous

Edit = Callable[[Dict[str, Any]], None]


class Mirror:
    """A plain web server with a copy of a catalogue.

    :ivar directory: what it serves.
    :ivar cuts: how many more answers it breaks off in the middle.
    :ivar asked: the paths that were asked for.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.cuts = 0
        self.asked: List[str] = []
        mirror = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(directory))

            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                if self.path.startswith("/elsewhere"):
                    self.send_response(302)
                    self.send_header("Location", "/index.json")
                    self.end_headers()
                    return
                super().do_GET()

            def copyfile(self, source: Any, outputfile: Any) -> None:
                data = source.read()
                if mirror.cuts and len(data) > MIB:
                    mirror.cuts -= 1
                    data = data[:len(data) // 2]
                    self.close_connection = True
                outputfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/" % self._server.server_address[1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _index_of(town: Town) -> str:
    """Return the address of a cloud's index, as publishing prints it."""
    _code, _out, err = town.run("template", "publish")
    [line] = [line for line in err.splitlines() if line.startswith("The index: ")]
    return line.partition(": ")[2]


def _pull(services: jobs.Services, kind: str, url: str) -> List[str]:
    done = pull.sync(services, kind, url, dry_run=False, cafile=None,
                     progress=lambda done, total: None)
    return [str(step.error) for step in done if step.error is not None]


def _nothing(town: Town) -> Dict[str, Any]:
    """Return what there is of templates, ISOs and images in a cloud, segments apart."""
    found = {container: sorted(
        row["name"] for row in town.account.listing(container)
        if not row["name"].startswith(("data/", "regions/", ".", properties.KEPT)))
        for container in (town.where.templates, town.where.isos, town.where.index,
                          town.where.images)}
    found["images"] = sorted(image["id"] for image in town.glance(
        "GET", "/v2/images?visibility=all").json()["images"])
    found["staging"] = sorted(path.name for path in town.directory.iterdir())
    return found


@pytest.fixture
def mirror(home: Town, tmp_path: pathlib.Path) -> Iterator[Mirror]:
    """A mirror of a catalogue with the template ``debian`` and the ISO ``tools``."""
    directory = tmp_path / "mirror"
    directory.mkdir()
    home.template("debian", 1, "--public", "--property", "os_type=linux", "--min-disk", "3")
    home.iso("tools")
    assert home.run("template", "publish", "debian")[0] == 0
    assert home.run("iso", "publish", "tools")[0] == 0
    for row in home.account.listing(home.where.catalogue):
        path = directory / row["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(home.account.open(home.where.catalogue, row["name"])) as stream:
            path.write_bytes(b"".join(iter(lambda: stream.read(MIB), b"")))
    made = Mirror(directory)
    yield made
    made.close()


def _edit(mirror: Mirror, edit: Edit, kind: str = "template") -> None:
    path = mirror.directory / "index.json"
    index = json.loads(path.read_bytes())
    for entry in index["entries"]:
        if entry["kind"] == kind:
            edit(entry)
    path.write_text(json.dumps(index))


def test_what_is_published_can_be_read_by_its_address_and_nothing_else(home: Town) -> None:
    shown, _digest = home.template("debian")
    secret, _digest = home.template("secret", 2)
    [row] = home.rows("template", "publish", "debian")
    url = _index_of(home)
    assert anonymous(url)[0] == 200
    account = url.rpartition("/")[0].rpartition("/")[0]
    index = json.loads(anonymous(url)[1])
    [entry] = index["entries"]
    assert (entry["name"], entry["sha256"]) == ("debian", row["SHA256"])
    whole = parse.urljoin(url, entry["url"])
    status, data = anonymous(whole)
    assert status == 200 and hashlib.sha256(data).hexdigest() == row["SHA256"]
    assert len(data) == entry["size"]
    # The same without its signature, with that of another, and what it is made of.
    bare = whole.partition("?")[0]
    assert anonymous(bare)[0] in (401, 403, 409)
    assert anonymous(bare.replace(shown["id"], secret["id"]) + "?" + whole.partition("?")[2])[
        0] == 401
    for path in ("", "vhd-catalogue", "vhd-templates", "vhd-index",
                 "vhd-templates/debian.properties",
                 "vhd-templates/points/%s/disk.vhd" % shown["id"],
                 "vhd-templates/points/%s/disk.vhd" % secret["id"],
                 "vhd-images/%s" % secret["id"]):
        assert anonymous("%s/%s" % (account, path))[0] in (401, 403), path
        assert anonymous("%s/%s?%s" % (account, path, whole.partition("?")[2]))[0] == 401, path
    for row in home.account.listing(home.where.templates, "data/"):
        assert anonymous("%s/vhd-templates/%s" % (account, row["name"]))[0] == 401
    # No data were copied, and nothing can be written.
    used = home.account.head_container(home.where.catalogue)["x-container-bytes-used"]
    assert int(used) < 10000
    assert home.site.session("alice").put(
        "%s/vhd-catalogue/index.json" % account, data=b"", raise_exc=False).status_code == 403
    # Unpublished, its address is dead at once.
    assert home.rows("template", "unpublish", "debian") == []
    assert anonymous(whole)[0] in (401, 404)
    assert json.loads(anonymous(url)[1])["entries"] == []
    home.refuses(11, "no template called 'debian' is published", "template", "unpublish", "debian")


def test_another_cloud_takes_templates_and_isos_and_has_the_same_bytes(
        home: Town, abroad: Town) -> None:
    _shown, digest = home.template("debian", 1, "--public", "--property", "os_type=linux",
                                   "--min-disk", "3")
    _tools, data = home.iso("tools", 13 * MIB)
    home.rows("template", "publish", "debian")
    home.rows("iso", "publish", "tools")
    url = _index_of(home)
    [row] = abroad.rows("template", "sync", "--from", url, "--dry-run")
    assert (row["Action"], row["Name"]) == ("pull", "debian")
    assert abroad.rows("template", "list") == []
    [row] = abroad.rows("template", "sync", "--from", url)
    image = abroad.image(row["ID"])
    assert (image["status"], image["visibility"], image["os_type"], image["min_disk"]) == (
        "active", "private", "linux", 3)
    assert abroad.disk(row["ID"]) == digest
    [iso] = abroad.rows("iso", "sync", "--from", url)
    assert abroad.glance("GET", "/v2/images/%s/file" % iso["ID"]).content == data
    for kind in named.KINDS:
        assert abroad.rows(kind, "sync", "--from", url) == []
        assert abroad.rows(kind, "sync") == []


def test_a_new_version_gets_the_name_and_the_former_one_stays_hidden(
        home: Town, abroad: Town) -> None:
    home.template("debian", 1)
    home.rows("template", "publish", "debian")
    url = _index_of(home)
    [first] = abroad.rows("template", "sync", "--from", url)
    before = abroad.disk(first["ID"])
    home.run("template", "delete", "debian")
    _shown, digest = home.template("debian", 2)
    home.rows("template", "publish", "debian")
    [row] = abroad.rows("template", "sync", "--from", url)
    assert row["Action"] == "replace" and row["ID"] != first["ID"]
    assert abroad.disk(row["ID"]) == digest
    former = abroad.image(first["ID"])
    assert former["os_hidden"] and former["name"].startswith("debian@")
    assert abroad.disk(first["ID"]) == before
    assert [image["id"] for image in abroad.images("debian")] == [row["ID"]]
    assert abroad.rows("template", "sync", "--from", url) == []
    assert abroad.rows("template", "sync") == []
    assert {each["Name"] for each in abroad.rows("template", "list")} == {
        "debian", former["name"]}


def _published(home: Town, seed: int) -> str:
    """Publish another ``debian``; return its disk's digest."""
    home.run("template", "delete", "debian")
    _shown, digest = home.template("debian", seed)
    home.rows("template", "publish", "debian")
    return digest


def test_who_may_use_a_template_is_not_changed_by_a_new_version(
        home: Town, abroad: Town) -> None:
    _published(home, 1)
    url = _index_of(home)
    [first] = abroad.rows("template", "sync", "--from", url)
    assert abroad.image(first["ID"])["visibility"] == "private"
    assert abroad.run("template", "set", "debian", "--public", "--protected", "--min-ram", "64",
                      "--property", "own=1")[0] == 0
    _published(home, 2)
    [row] = abroad.rows("template", "sync", "--from", url)
    image = abroad.image(row["ID"])
    assert (image["visibility"], image["protected"], image["min_ram"]) == ("public", True, 0)
    assert "own" not in image
    assert abroad.rows("template", "sync") == []
    for name in ("debian", abroad.image(first["ID"])["name"]):
        assert abroad.run("template", "set", name, "--unprotected")[0] == 0


def test_a_version_that_was_renamed_here_stays_and_is_taken_anew(
        home: Town, abroad: Town) -> None:
    digest = _published(home, 1)
    url = _index_of(home)
    [first] = abroad.rows("template", "sync", "--from", url)
    assert abroad.run("template", "set", "debian", "--name", "mine")[0] == 0
    [row] = abroad.rows("template", "sync", "--from", url)
    assert (row["Action"], abroad.disk(row["ID"])) == ("pull", digest)
    assert abroad.image(first["ID"])["name"] == "mine" and row["ID"] != first["ID"]
    assert abroad.rows("template", "sync", "--from", url) == []
    assert abroad.rows("template", "sync") == []


def test_a_catalogue_may_go_back_to_a_former_version_and_on_again(
        home: Town, abroad: Town) -> None:
    ids = []
    for seed in (1, 2, 1, 2):
        digest = _published(home, seed)
        [row] = abroad.rows("template", "sync", "--from", _index_of(home))
        assert abroad.disk(row["ID"]) == digest
        ids.append(row["ID"])
    assert len(set(ids)) == 4
    listed = abroad.rows("template", "list")
    assert sorted(row["ID"] for row in listed) == sorted(ids)
    assert len({row["Name"] for row in listed}) == 4
    assert abroad.rows("template", "sync") == []


def test_a_catalogue_that_has_moved_is_the_same_one_where_that_is_said(
        home: Town, abroad: Town, mirror: Mirror) -> None:
    [first] = abroad.rows("template", "sync", "--from", mirror.url)
    url = _index_of(home)
    code, _out, err = abroad.run("template", "sync", "--from", url)
    assert code == 9 and "say --moved-from" in err
    moved = ("template", "sync", "--from", url, "--moved-from", mirror.url)
    [row] = abroad.rows(*moved, "--dry-run")
    assert (row["Action"], row["ID"]) == ("adopt", first["ID"])
    [row] = abroad.rows(*moved)
    assert (row["Action"], row["ID"]) == ("adopt", first["ID"])
    assert abroad.rows("template", "sync", "--from", url) == []
    # A new version there, of what was not looked at since it moved.
    abroad.rows("template", "sync", "--from", mirror.url, "--moved-from", url)
    _published(home, 2)
    [row] = abroad.rows(*moved)
    assert row["Action"] == "replace"
    assert abroad.rows("template", "sync", "--from", url) == []
    abroad.refuses(2, "--from", "template", "sync", "--moved-from", mirror.url)


def test_a_mirror_on_a_plain_server_serves_as_well(
        home: Town, abroad: Town, mirror: Mirror) -> None:
    mirror.cuts = 3
    [row] = abroad.rows("template", "sync", "--from", mirror.url.rstrip("/"))
    values = home.properties("template", "debian")
    assert values is not None and abroad.disk(row["ID"]) == home.disk(values["id"])
    assert mirror.cuts == 0
    [row] = abroad.rows("iso", "sync", "--from", mirror.url + "index.json")
    assert abroad.image(row["ID"])["status"] == "active"
    # A former version is not taken back for a while the server is gone.
    mirror.close()
    abroad.refuses(8, "did not come to its end", "iso", "sync", "--from", mirror.url)


def _wrong(**values: Any) -> Edit:
    return lambda entry: entry.update(values)


@pytest.mark.parametrize(("edit", "code", "phrase"), [
    (_wrong(sha256="0" * 64), 7, "SHA-256 of what came"),
    (_wrong(virtual_size=4096), 7, "the catalogue says 4096"),
    (_wrong(size=4096), 7, "the catalogue says 4096"),
    (_wrong(size=-1), 7, "is no size"),
    (_wrong(size=2 ** 60), 7, "is no size"),
    (_wrong(url="../../vhd-templates/x"), 7, "leads away"),
    (_wrong(url="a/%2e%2e/%2e%2e/x"), 7, "leads away"),
    (_wrong(url="/etc/passwd"), 7, "leads away"),
    (_wrong(url="http://169.254.169.254/"), 7, "leads away"),
    (_wrong(url="file:///etc/passwd"), 7, "leads away"),
    (_wrong(url="//other/x"), 7, "leads away"),
    (_wrong(url="not-there.vhd"), 8, "404"),
    (_wrong(url="elsewhere"), 8, "leads elsewhere"),
    (_wrong(url="index.json"), 7, "has .* bytes"),
    (_wrong(name="../x"), 7, "cannot be a name"),
    (_wrong(name=["x"]), 7, "damaged"),
    (_wrong(properties={"visibility": "public"}), 7, "visibility"),
    (_wrong(properties={"owner": "me"}), 7, "owner"),
    (_wrong(properties={"a": 1}), 7, "no texts"),
    (_wrong(sha256="x"), 7, "sha256"),
])
def test_what_is_wrong_is_not_taken_and_leaves_nothing(
        abroad: Town, mirror: Mirror, edit: Edit, code: int, phrase: str) -> None:
    _edit(mirror, edit)
    before = _nothing(abroad)
    got, out, err = abroad.run("template", "sync", "--from", mirror.url)
    assert got == code, (out, err)
    assert re.search(phrase, err), err
    assert _nothing(abroad) == before


def test_a_wrong_digest_of_an_iso_is_not_taken_either(abroad: Town, mirror: Mirror) -> None:
    _edit(mirror, _wrong(sha256="0" * 64), "iso")
    before = _nothing(abroad)
    assert abroad.run("iso", "sync", "--from", mirror.url)[0] == 7
    assert _nothing(abroad) == before


@pytest.mark.parametrize(("text", "phrase"), [
    ('{"format": 2, "entries": []}', "upgrade"),
    ('{"format": 1}', "no catalogue"),
    ("[]", "no catalogue"),
    ("<html>", "no catalogue"),
    ('{"format": 1, "entries": [%s]}' % ", ".join(["{}"] * 10001), "10001 entries"),
    (" " * (17 * MIB), "more than"),
])
def test_an_index_that_is_none_is_refused(
        abroad: Town, mirror: Mirror, text: str, phrase: str) -> None:
    (mirror.directory / "index.json").write_text(text)
    abroad.refuses(7, phrase, "template", "sync", "--from", mirror.url)


def test_two_of_a_name_are_refused(abroad: Town, mirror: Mirror) -> None:
    path = mirror.directory / "index.json"
    index = json.loads(path.read_bytes())
    index["entries"] += index["entries"]
    path.write_text(json.dumps(index))
    abroad.refuses(7, "two of the name", "template", "sync", "--from", mirror.url)


@pytest.mark.parametrize(("url", "code"), [
    ("file:///etc/passwd", 7), ("ftp://127.0.0.1/index.json", 7), ("index.json", 7),
    ("http://127.0.0.1:1/index.json", 8)])
def test_only_http_is_spoken(abroad: Town, url: str, code: int) -> None:
    abroad.refuses(code, "", "template", "sync", "--from", url)


def test_a_redirection_of_the_index_is_not_followed(abroad: Town, mirror: Mirror) -> None:
    abroad.refuses(8, "leads elsewhere", "template", "sync", "--from", mirror.url + "elsewhere")


def test_what_has_the_name_already_is_not_touched(
        home: Town, abroad: Town, mirror: Mirror) -> None:
    own, digest = abroad.template("debian", 7)
    before = _nothing(abroad)
    code, out, err = abroad.run("template", "sync", "--from", mirror.url)
    assert (code, "this cloud's own" in err) == (9, True), (out, err)
    assert _nothing(abroad) == before
    assert abroad.disk(own["id"]) == digest
    # Nor is what was taken from another catalogue.
    abroad.run("template", "delete", "debian")
    assert abroad.run("template", "sync", "--from", mirror.url)[0] == 0
    home.rows("template", "publish", "debian")
    assert abroad.run("template", "sync", "--from", _index_of(home))[0] == 9


def test_a_digest_that_is_wrong_does_not_cost_the_version_that_is_there(
        abroad: Town, mirror: Mirror) -> None:
    [row] = abroad.rows("template", "sync", "--from", mirror.url)
    before = _nothing(abroad)
    _edit(mirror, _wrong(sha256="1" * 64))
    code, _out, _err = abroad.run("template", "sync", "--from", mirror.url)
    assert code == 7
    assert _nothing(abroad) == before
    assert abroad.image(row["ID"])["name"] == "debian"
    values = abroad.properties("template", "debian")
    assert values is not None and values["id"] == row["ID"]


def test_of_two_that_take_it_at_once_one_does(abroad: Town, mirror: Mirror) -> None:
    with futures.ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(_pull, abroad.services(), kind, mirror.url)
                   for kind in ("template", "template", "iso", "iso")]
        assert [future.result() for future in running] == [[], [], [], []]
    for name, kind in (("debian", "template"), ("tools", "iso")):
        [image] = abroad.images(name)
        assert image["status"] == "active"
        values = abroad.properties(kind, name)
        assert values is not None and values["id"] == image["id"]
        assert inventory.complete(abroad.account, named.container_of(abroad.where, kind)) == {
            image["id"]}


def test_publishing_what_is_not_there_publishes_nothing(home: Town) -> None:
    home.template("debian")
    home.refuses(11, "no template called 'other'", "template", "publish", "debian", "other")
    assert home.rows("template", "publish") == []


def test_a_template_that_was_deleted_is_left_out_of_the_next_index(home: Town) -> None:
    home.template("debian")
    home.template("rocky", 2)
    assert len(home.rows("template", "publish", "debian", "rocky")) == 2
    home.run("template", "delete", "debian")
    assert [row["Name"] for row in home.rows("template", "publish")] == ["rocky"]
