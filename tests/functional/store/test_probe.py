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

"""What the probe finds out about a real cluster."""

from __future__ import annotations

import contextlib
from typing import Any, List
from unittest import mock

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.store import probe
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.manifest import Entry
from tests.functional.proxy import ANSWER, Proxy
from tests.unit.vhd import disks

from .conftest import Site


def _names(account: Account, container: str) -> List[str]:
    return [row["name"] for row in account.listing(container)]


def test_swift_can_do_everything(account: Account, container: str) -> None:
    found = probe.probe(account, container)
    assert (found.ranges, found.inline_data, found.nested, found.nested_ranges, found.symlinks,
            found.tempurl, found.tempurl_digest, found.certain) == (
                True, True, True, True, True, True, "sha256", True)
    assert (found.max_entries, found.max_manifest, found.max_object, found.depth) == (
        1000, 8 * 2 ** 20, 5 * 2 ** 30 + 2, 5)
    assert "ranges of objects: yes" in found.found
    assert _names(account, container) == []


def test_a_cluster_that_stitches_whole_objects_only_is_seen_through(
        poor_site: Site, poor_container: str) -> None:
    account = poor_site.account()
    found = probe.abilities(account, poor_container)
    assert (found.ranges, found.inline_data, found.nested_ranges, found.certain) == (
        False, False, False, True)
    assert (found.nested, found.depth, found.symlinks, found.tempurl) == (True, 5, True, True)
    assert not found.shares_blocks
    assert [line.split(":")[0] for line in found.found if ": no: " in line] == [
        "ranges of objects", "inline data"]
    assert _names(account, poor_container) == [probe.KEPT]


def test_that_cluster_says_nothing_of_what_it_ignores(poor_site: Site,
                                                      poor_container: str) -> None:
    """Else the probe would be tested against something that is easier to see through."""
    account = poor_site.account()
    part = account.put(poor_container, "part", disks.noise(1000, 1))
    path = "/%s/part" % poor_container
    for entries in ([Entry(path, part.etag, part.size, 0, 99)],
                    [Entry(data=b"inline"), Entry(path, part.etag, part.size)]):
        with pytest.raises(exceptions.StoreCorrupt, match="has 1000 bytes where its parts have"):
            account.put_manifest(poor_container, "stitched", entries)
        stream = account.open(poor_container, "stitched")
        with contextlib.closing(stream):
            assert stream.read(2000) == disks.noise(1000, 1)


def test_the_answer_is_kept(account: Account, proxied: Account, proxy: Proxy,
                            container: str) -> None:
    found = probe.abilities(account, container)
    assert _names(account, container) == [probe.KEPT]
    assert probe.abilities(proxied, container) == found
    assert [line.split()[0] for line in proxy.lines if "/info" not in line] == ["GET"]


@pytest.mark.parametrize("damage", [
    lambda kept: {**kept, "info": "another cluster's"},
    lambda kept: {**kept, "format": 99},
    lambda kept: {**kept, "abilities": {}},
    lambda kept: []])
def test_a_changed_cluster_or_a_damaged_answer_is_probed_anew(account: Account, container: str,
                                                              damage: Any) -> None:
    found = probe.abilities(account, container)
    kept = account.get_json(container, probe.KEPT)
    account.put_json(container, probe.KEPT, damage(kept))
    assert probe.abilities(account, container) == found
    assert account.get_json(container, probe.KEPT) == kept


def test_what_is_refused_is_missing_and_said(proxied: Account, proxy: Proxy,
                                             container: str) -> None:
    proxy.refuse(r"^PUT .*/inline\?", 400)
    found = probe.probe(proxied, container)
    assert (found.ranges, found.inline_data, found.nested) == (True, False, True)
    assert any(line.startswith("inline data: no: ") and "400" in line for line in found.found)


def test_wrong_bytes_of_the_right_size_are_noticed(proxied: Account, proxy: Proxy,
                                                   container: str) -> None:
    proxy.flip("^GET .*/ranges ", ANSWER, 1000)
    found = probe.probe(proxied, container)
    assert (found.ranges, found.nested_ranges, found.inline_data) == (False, False, True)
    assert any(line.startswith("ranges of objects: no: it gives other bytes")
               for line in found.found)


def test_how_deep_stitched_objects_may_be_is_found(proxied: Account, proxy: Proxy,
                                                   container: str) -> None:
    proxy.refuse("^GET .*/depth4 ", 409)
    assert probe.probe(proxied, container).depth == 3


def test_a_failure_that_may_be_an_outage_is_not_kept(proxied: Account, proxy: Proxy,
                                                     container: str) -> None:
    proxy.refuse(r"^PUT .*/ranges\?", 503)
    found = probe.abilities(proxied, container)
    assert (found.ranges, found.inline_data, found.certain) == (False, True, False)
    assert _names(proxied, container) == []


@pytest.mark.parametrize(("line", "status"), [
    ("^PUT .*/part1 ", 503), (r"^PUT .*/both\?", 503), (r"^(PUT|GET) .*/(inline|part0)\b", 503),
    (r"^PUT .*/depth2\?", 403)])
def test_an_outage_is_no_answer_and_leaves_nothing(proxied: Account, proxy: Proxy,
                                                   account: Account, container: str, line: str,
                                                   status: int) -> None:
    if "part0" in line:
        proxy.refuse(r"^PUT .*/inline\?", status)
        line = "^GET .*/part0 "
    proxy.refuse(line, status)
    with pytest.raises((exceptions.StoreUnreachable, exceptions.StoreAuthFailed)):
        probe.abilities(proxied, container)
    assert _names(account, container) == []


def test_a_cluster_that_stitches_nothing_is_refused(proxied: Account, proxy: Proxy,
                                                    container: str) -> None:
    proxy.refuse(r"^PUT .*/both\?", 400)
    with pytest.raises(exceptions.AbilityMissing, match="middleware slo"):
        probe.probe(proxied, container)
    assert _names(proxied, container) == []


def test_an_account_without_a_key_is_told_what_to_do(account: Account, container: str,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "head_account", dict)
    found = probe.probe(account, container)
    assert (found.tempurl, found.tempurl_digest) == (False, "")
    assert any("swift-vhd setup" in line for line in found.found)


def test_an_account_that_gets_a_key_is_probed_anew(account: Account, container: str) -> None:
    with mock.patch.object(account, "head_account", dict):
        assert not probe.abilities(account, container).tempurl
        assert not probe.abilities(account, container).tempurl
    assert probe.abilities(account, container).tempurl


def test_a_cluster_that_does_not_speak_of_limits_is_given_the_lowest(
        proxied: Account, proxy: Proxy, container: str) -> None:
    proxy.refuse("^GET /info ", 403)
    found = probe.probe(proxied, container)
    assert (found.max_entries, found.max_manifest) == (1000, 2 * 2 ** 20)
    assert found.ranges


def test_no_object_outlives_a_killed_probe_for_long(account: Account, container: str,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "delete", lambda *_: None)
    probe.probe(account, container)
    monkeypatch.undo()
    left = _names(account, container)
    assert len(left) > 5
    assert [name for name in left
            if "x-delete-at" not in account.headers(container, name, follow=False)] == []
