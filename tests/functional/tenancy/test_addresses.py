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

"""Who knows every name and is nobody there gets nothing of Swift, with or without a signature."""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import Any, Iterator, List

import pytest
import requests

from nova_swift_handler.store import tempurl
from tests.functional.handler.bench import Bench, Host
from tests.functional.tenancy.conftest import Victim, booted

_REFUSED = (401, 403)
KEY = "the-key-of-the-account"


def ask(bench: Bench, user: str, method: str, url: str, **kwargs: Any) -> requests.Response:
    """Ask Swift as a user, or as nobody."""
    headers = dict(kwargs.pop("headers", {}))
    if user:
        headers["X-Auth-Token"] = bench.session(user).get_token()
    return requests.request(method, url, headers=headers, timeout=60, **kwargs)


@pytest.mark.parametrize("user", ["", "bob", "alice"])
def test_exact_names_are_refused(bench: Bench, victim: Victim, user: str) -> None:
    """To the owner of the image as well: Swift is the service's."""
    base = bench.env["images_account_url"]
    containers = ["", victim.container, "vhd-index", "vhd-images", "vhd-templates", "vhd-isos"]
    for path in [*containers, *victim.objects]:
        for method in ("GET", "HEAD"):
            got = ask(bench, user, method, "%s/%s" % (base, urllib.parse.quote(path)))
            assert got.status_code in _REFUSED, (method, path)
            assert b"alice" not in got.content
    assert len(victim.objects) > 6


@pytest.mark.parametrize("user", ["", "bob"])
def test_nothing_can_be_changed(bench: Bench, ext: Host, victim: Victim, user: str) -> None:
    base = bench.env["images_account_url"]
    for path in victim.objects:
        for method, query in (("PUT", ""), ("POST", ""), ("DELETE", ""),
                              ("PUT", "?multipart-manifest=put")):
            got = ask(bench, user, method, "%s/%s%s" % (base, urllib.parse.quote(path), query),
                      data=b"[]", headers={"X-Delete-After": "1"})
            assert got.status_code in _REFUSED, (method, path)
        got = ask(bench, user, "DELETE", "%s/%s?multipart-manifest=delete" % (
            base, urllib.parse.quote(path)), headers={"Accept": "application/json"})
        # Of a deletion of many the outcome is in the answer's body.
        assert got.status_code in _REFUSED or got.json()["Number Deleted"] == 0, path
    for path in ("", "/" + victim.container, "/vhd-images"):
        for method in ("POST", "PUT", "DELETE"):
            got = ask(bench, user, method, base + path, headers={
                "X-Container-Read": ".r:*", "X-Account-Meta-Temp-URL-Key": "mine"})
            assert got.status_code in _REFUSED, (method, path)
    assert booted(bench, ext, victim.image_id, "alice") == victim.sha256


def test_nothing_leads_there_from_ones_own_account(bench: Bench, victim: Victim) -> None:
    """By copy, by link, by a manifest of either kind."""
    images = bench.env["images_account_url"]
    own = images.rpartition("AUTH_")[0] + "AUTH_" + bench.env["users"]["bob"]["project_id"]
    account = images.rpartition("/")[2]
    target = next(each for each in victim.objects if "/data/" in each)
    assert ask(bench, "bob", "PUT", own + "/loot").status_code in (201, 202)
    copied = ask(bench, "bob", "PUT", own + "/loot/copy", headers={
        "X-Copy-From": "/" + target, "X-Copy-From-Account": account, "Content-Length": "0"})
    assert copied.status_code in _REFUSED
    pushed = ask(bench, "bob", "COPY", "%s/%s" % (images, target), headers={
        "Destination": "loot/copy", "Destination-Account": own.rpartition("/")[2]})
    assert pushed.status_code in _REFUSED
    linked = ask(bench, "bob", "PUT", own + "/loot/link", headers={
        "X-Symlink-Target": target, "X-Symlink-Target-Account": account, "Content-Length": "0",
        "Content-Type": "application/symlink"})
    assert linked.status_code == 201
    assert ask(bench, "bob", "GET", own + "/loot/link").status_code in _REFUSED
    stitched = ask(bench, "bob", "PUT", own + "/loot/slo?multipart-manifest=put",
                   data=json.dumps([{"path": "/" + target}]))
    assert stitched.status_code == 400
    assert ask(bench, "bob", "PUT", own + "/loot/dlo", headers={
        "X-Object-Manifest": target.rpartition("/")[0], "Content-Length": "0"}
        ).status_code == 201
    assert ask(bench, "bob", "GET", own + "/loot/dlo").status_code == 404
    for name in ("link", "dlo"):
        assert ask(bench, "bob", "DELETE", "%s/loot/%s" % (own, name)).status_code == 204
    assert ask(bench, "bob", "DELETE", own + "/loot").status_code == 204


@pytest.fixture
def key(bench: Bench) -> Iterator[str]:
    header = "X-Account-Meta-Temp-URL-Key"
    before = bench.swift("HEAD", "").headers.get(header, "")
    bench.swift("POST", "", headers={header: KEY})
    yield KEY
    bench.swift("POST", "", headers={header: before})


def test_an_address_opens_what_it_was_made_for_and_no_more(bench: Bench, victim: Victim,
                                                           key: str) -> None:
    """Bob was given one of a disk of his own, and turns it to alice's."""
    url = bench.env["images_account_url"]
    root = url.partition("/v1")[0]
    now = int(time.time())
    mine = "points/mine/disk.vhd"
    container, _slash, name = victim.objects[-1].partition("/")
    bench.swift("PUT", "%s/%s" % (victim.container, mine), data=b"bob's")
    try:
        good = tempurl.signed(url, victim.container, mine, key, now + 600)
        assert requests.get(root + good, timeout=60).content == b"bob's"
        path, _mark, query = good.partition("?")
        other = urllib.parse.quote("/v1%s/%s/%s" % (url.partition("/v1")[2], container, name))
        tries: List[Any] = [
            ("GET", "%s?%s" % (other, query)),
            ("GET", good.replace("temp_url_expires=%d" % (now + 600),
                                 "temp_url_expires=%d" % (now + 6000))),
            ("GET", tempurl.signed(url, container, name, "guess", now + 600)),
            ("GET", tempurl.signed(url, container, name, key, now - 1)),
            ("GET", tempurl.signed(url, container, name, "", now + 600)),
            ("PUT", good), ("DELETE", good), ("POST", good),
            ("GET", "%s?%s&temp_url_prefix=" % (other, query)),
            ("GET", "%s?%s" % (path.rpartition("/")[0] + "/../../" + name, query)),
            ("GET", "%s?%s&multipart-manifest=get" % (other, query)),
        ]
        for method, address in tries:
            got = requests.request(method, root + address, timeout=60)
            assert got.status_code in (401, 403, 404), (method, address)
        assert requests.get(root + good, timeout=60).content == b"bob's"
    finally:
        bench.swift("DELETE", "%s/%s" % (victim.container, mine))
