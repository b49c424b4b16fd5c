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

"""What a Swift account does, and what it says when Swift does not."""

from __future__ import annotations

import datetime
import hashlib
import io
import socket
import threading
import time
from concurrent import futures
from typing import Any, Dict, Iterator, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.store import ranges
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.connection import Connection
from nova_swift_handler.store.manifest import Entry
from tests.functional.proxy import ANSWER, REQUEST, Proxy
from tests.unit.vhd import disks

from .conftest import Site

_MIB = 2 ** 20
_LATER = 4_000_000_000
"""A time to come, seconds since 1970."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- objects ----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["plain", "a/b/c", "with blank", "per%cent", "who?what=x",
                                  "hash#tag", "semi;colon", "žluť", "plus+amp&", "quote\"'"])
def test_an_object_of_any_name_comes_back(account: Account, container: str, name: str) -> None:
    data = disks.noise(1000, 1)
    stored = account.put(container, name, data)
    assert stored == (hashlib.md5(data).hexdigest(), 1000)
    assert account.get(container, name) == data
    assert account.head(container, name) == stored
    assert [row["name"] for row in account.listing(container)] == [name]
    account.delete(container, name)
    assert list(account.listing(container)) == []


def test_values_come_back_as_json(account: Account, container: str) -> None:
    value = {"b": [1, None, "ž"], "a": {"x": 2.5}}
    account.put_json(container, "value", value)
    assert account.get_json(container, "value") == value
    assert account.headers(container, "value")["content-type"] == "application/json"


def test_what_is_no_json_is_corrupt(account: Account, container: str) -> None:
    account.put(container, "value", b"{")
    with pytest.raises(exceptions.StoreCorrupt, match="%s/value: the object is no JSON"
                                                      % container):
        account.get_json(container, "value")


def test_a_stream_of_pieces_of_any_kind_and_size_is_one_object(account: Account,
                                                               container: str) -> None:
    data = disks.noise(3 * _MIB, 2)
    pieces: List[Any] = [data[:1], bytearray(data[1:2 * _MIB]), b"",
                         memoryview(data)[2 * _MIB:]]
    stored = account.put_stream(container, "o", iter(pieces))
    assert stored == (hashlib.md5(data).hexdigest(), len(data))
    assert account.get(container, "o") == data


def test_an_empty_stream_is_an_empty_object(account: Account, container: str) -> None:
    assert account.put_stream(container, "o", iter(())).size == 0
    assert account.get(container, "o") == b""


def test_a_stream_whose_source_fails_leaves_no_object(account: Account, container: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(_MIB)
        raise exceptions.TransferCut("the export was cut")

    with pytest.raises(exceptions.TransferCut):
        account.put_stream(container, "o", pieces())
    with pytest.raises(exceptions.ObjectMissing):
        account.head(container, "o")
    # The thread's next request has a connection that knows nothing of the broken one.
    account.put(container, "p", b"1")


@pytest.mark.parametrize("verb", ["get", "get_json", "head", "headers", "open", "read_into"])
def test_what_is_not_there_is_missing(account: Account, container: str, verb: str) -> None:
    more = (0, memoryview(bytearray(1))) if verb == "read_into" else ()
    for place in (container, "no-such-container"):
        with pytest.raises(exceptions.ObjectMissing, match="%s/no-such-object" % place):
            getattr(account, verb)(place, "no-such-object", *more)


def test_a_missing_container_is_missing_and_not_empty(account: Account) -> None:
    with pytest.raises(exceptions.ObjectMissing, match="no-such-container"):
        list(account.listing("no-such-container"))
    with pytest.raises(exceptions.ObjectMissing, match="no-such-container"):
        account.head_container("no-such-container")
    with pytest.raises(exceptions.ObjectMissing, match="no-such-container"):
        account.put_stream("no-such-container", "o", iter([b"x"]))


def test_deleting_what_is_not_there_is_done(account: Account, container: str) -> None:
    account.delete(container, "no-such-object")
    account.delete("no-such-container", "no-such-object")


def test_threads_share_an_account(account: Account, container: str) -> None:
    def work(number: int) -> bool:
        data = disks.noise(100_000 + number, number)
        account.put(container, "o%d" % number, data)
        return account.get(container, "o%d" % number) == data

    with futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))


# -- headers ----------------------------------------------------------------------------------

def _kept(account: Account, container: str, name: str) -> Dict[str, str]:
    headers = account.headers(container, name, follow=False)
    return {key: value for key, value in headers.items()
            if key in ("content-type", "x-delete-at") or key.startswith("x-object-meta-")}


def _put_kinds(account: Account, container: str) -> List[str]:
    """Store a plain and a stitched object with the same headers; return their names."""
    headers = {"X-Object-Meta-Parent": "p", "X-Object-Meta-B": "b",
               "X-Delete-At": str(_LATER)}
    plain = account.put(container, "plain", bytes(100), "text/x-a", headers)
    account.put_manifest(container, "stitched", [Entry("/%s/plain" % container, plain.etag, 100)],
                         "text/x-a", headers)
    return ["plain", "stitched"]


def test_objects_are_stored_with_headers(account: Account, container: str) -> None:
    account.put_json(container, "json", {}, {"X-Delete-After": "3600"})
    assert "x-delete-at" in _kept(account, container, "json")
    for name in _put_kinds(account, container):
        assert _kept(account, container, name) == {
            "content-type": "text/x-a", "x-object-meta-parent": "p", "x-object-meta-b": "b",
            "x-delete-at": str(_LATER)}


@pytest.mark.parametrize(("sent", "left"), [
    ({}, {"content-type": "text/x-a"}),
    ({"X-Object-Meta-Parent": "q"}, {"content-type": "text/x-a", "x-object-meta-parent": "q"}),
    ({"X-Delete-At": str(_LATER + 1)}, {"content-type": "text/x-a",
                                       "x-delete-at": str(_LATER + 1)}),
    ({"X-Remove-Delete-At": "1"}, {"content-type": "text/x-a"}),
    ({"Content-Type": "text/x-b"}, {"content-type": "text/x-b"})])
def test_a_post_replaces_metadata_and_drops_what_it_does_not_repeat(
        account: Account, container: str, sent: Dict[str, str], left: Dict[str, str]) -> None:
    for name in _put_kinds(account, container):
        before = account.head(container, name)
        account.post(container, name, sent)
        assert _kept(account, container, name) == left
        assert account.head(container, name) == before
    assert len(account.manifest(container, "stitched")) == 1


def test_a_post_to_a_symlink_leaves_what_it_leads_to_alone(account: Account,
                                                           container: str) -> None:
    account.put(container, "target", b"1", headers={"X-Object-Meta-Parent": "p"})
    before = _kept(account, container, "target")
    account.symlink(container, "link", "/%s/target" % container)
    account.post(container, "link", {"X-Delete-At": str(_LATER)})
    assert _kept(account, container, "target") == before
    assert _kept(account, container, "link") == {
        "content-type": "application/symlink", "x-delete-at": str(_LATER)}
    assert account.get(container, "link") == b"1"


def test_a_symlink_leads_to_a_name_of_any_kind(account: Account, container: str) -> None:
    account.put(container, "a b/ž%?#", b"1")
    account.symlink(container, "link", "/%s/a b/ž%%?#" % container)
    assert account.get(container, "link") == b"1"


def test_posting_to_what_is_not_there_is_told(account: Account, container: str) -> None:
    with pytest.raises(exceptions.ObjectMissing, match="POST of %s/none" % container):
        account.post(container, "none", {})


def test_the_clusters_clock_is_in_utc(account: Account, container: str) -> None:
    now = account.clock(container)
    assert now.utcoffset() == datetime.timedelta(0)
    # The sandbox has this machine's clock.
    assert abs(now.timestamp() - time.time()) < 3600


def test_the_cluster_tells_its_limits(account: Account) -> None:
    assert account.info()["slo"]["max_manifest_segments"] == 1000


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_cluster_may_keep_its_limits_to_itself(proxied: Account, proxy: Proxy,
                                                 status: int) -> None:
    proxy.refuse("^GET /info ", status)
    assert proxied.info() == {}


# -- bytes that are not what was sent ---------------------------------------------------------

def test_a_byte_changed_on_its_way_in_is_refused(proxied: Account, proxy: Proxy,
                                                 account: Account, container: str) -> None:
    fault = proxy.flip("^PUT .*/o ", REQUEST, 500)
    with pytest.raises(exceptions.StoreError, match="PUT of %s/o" % container):
        proxied.put(container, "o", disks.noise(1000, 3))
    assert fault.hits == 1
    with pytest.raises(exceptions.ObjectMissing):
        account.head(container, "o")


def test_a_byte_changed_on_its_way_in_is_noticed_in_a_stream(proxied: Account, proxy: Proxy,
                                                             container: str) -> None:
    proxy.flip("^PUT .*/o ", REQUEST, _MIB // 2)
    with pytest.raises(exceptions.StoreCorrupt, match=r"stored bytes of etag .*, sent were"):
        proxied.put_stream(container, "o", iter([disks.noise(_MIB, 3)]))


def test_a_byte_changed_on_its_way_out_is_noticed(proxied: Account, proxy: Proxy,
                                                  container: str) -> None:
    proxied.put(container, "o", disks.noise(1000, 3))
    proxy.flip("^GET .*/o ", ANSWER, 999)
    with pytest.raises(exceptions.StoreCorrupt, match="GET of %s/o: .*etag" % container):
        proxied.get(container, "o")


def test_an_object_far_too_large_is_not_taken_into_memory(account: Account,
                                                          container: str) -> None:
    size = 65 * _MIB
    account.put_stream(container, "o", (bytes(_MIB) for _piece in range(65)))
    with pytest.raises(exceptions.StoreCorrupt, match="%d bytes, far more" % size):
        account.get(container, "o")


# -- connections that break -------------------------------------------------------------------

@pytest.mark.parametrize("after", [-1, 0, 1, 999])
def test_a_get_that_is_cut_is_made_again(proxied: Account, proxy: Proxy, container: str,
                                         after: int) -> None:
    data = disks.noise(1000, 4)
    proxied.put(container, "o", data)
    fault = proxy.cut("^GET .*/o ", ANSWER, after, times=2)
    assert proxied.get(container, "o") == data
    assert fault.hits == 2


@pytest.mark.parametrize("side", [REQUEST, ANSWER])
def test_a_small_put_that_is_cut_is_made_again(proxied: Account, proxy: Proxy, container: str,
                                               side: str) -> None:
    fault = proxy.cut("^PUT .*/o ", side, -1 if side == ANSWER else 500)
    stored = proxied.put(container, "o", disks.noise(1000, 5))
    assert fault.hits == 1
    assert proxied.head(container, "o") == stored


def test_a_stream_that_is_cut_leaves_no_object_and_is_not_made_again(
        proxied: Account, proxy: Proxy, account: Account, container: str) -> None:
    proxy.cut("^PUT .*/o ", REQUEST, 3 * _MIB)
    with pytest.raises(exceptions.StoreUnreachable, match="PUT of %s/o" % container):
        proxied.put_stream(container, "o", (disks.noise(_MIB, n) for n in range(8)))
    with pytest.raises(exceptions.ObjectMissing):
        account.head(container, "o")
    assert len([line for line in proxy.lines if line.startswith("PUT")]) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 498, 408])
def test_statuses_that_may_pass_are_tried_again(proxied: Account, proxy: Proxy, container: str,
                                                status: int) -> None:
    fault = proxy.refuse("^(PUT|GET) .*/o ", status, times=2)
    proxied.put(container, "o", b"1")
    assert proxied.get(container, "o") == b"1"
    assert fault.hits == 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 411, 412, 416, 422])
def test_statuses_that_will_not_pass_are_not_tried_again(proxied: Account, proxy: Proxy,
                                                         container: str, status: int) -> None:
    fault = proxy.refuse("^GET .*/o ", status)
    with pytest.raises(exceptions.StoreError, match="GET of %s/o failed: Swift answered %d"
                                                    % (container, status)):
        proxied.get(container, "o")
    assert fault.hits == 1


def test_trouble_that_does_not_pass_is_told_in_the_end(proxied: Account, proxy: Proxy,
                                                       container: str) -> None:
    fault = proxy.refuse("^GET .*/o ", 503)
    with pytest.raises(exceptions.StoreUnreachable, match="503"):
        proxied.get(container, "o")
    assert fault.hits == 3


def test_swift_down_is_unreachable(site: Site) -> None:
    account = site.account(url="http://127.0.0.1:%d/v1/AUTH_x" % _free_port())
    with pytest.raises(exceptions.StoreUnreachable, match="PUT of c/o failed: the connection"):
        account.put("c", "o", b"")
    with pytest.raises(exceptions.StoreUnreachable):
        account.put_stream("c", "o", iter([b"x"]))


def test_keystone_down_is_unreachable_and_says_what_to_check(site: Site) -> None:
    account = site.account(auth_url="http://127.0.0.1:%d/v3" % _free_port(), attempts=2)
    with pytest.raises(exceptions.StoreUnreachable, match=r"Keystone .*auth_url"):
        account.get("c", "o")


# -- rights -----------------------------------------------------------------------------------

def test_a_wrong_password_is_told_without_it(site: Site) -> None:
    account = site.account(password="wrong-and-secret")
    with pytest.raises(exceptions.StoreAuthFailed, match="check username, password") as caught:
        account.get("c", "o")
    assert "wrong-and-secret" not in str(caught.value)


def test_a_project_without_swift_is_told(site: Site) -> None:
    account = Account(Connection(site.session(), {"region_name": "Nowhere"}, attempts=1))
    with pytest.raises(exceptions.StoreError, match="region_name"):
        account.get("c", "o")


def test_what_is_forbidden_is_not_tried_again(site: Site, proxy: Proxy, container: str) -> None:
    stranger = site.account("alice", url=proxy.url)
    with pytest.raises(exceptions.StoreAuthFailed, match=r"403.*check the service account"):
        stranger.put(container, "o", b"")
    assert len(proxy.lines) == 1


def test_a_token_that_was_revoked_is_renewed(site: Site, container: str) -> None:
    session = site.credentials().session()
    account = Account(Connection(session, {"interface": ["public"]}))
    account.put(container, "o", b"1")
    # As if Keystone had been told to forget it: it is no token of anybody's.
    session.auth.get_access(session)._auth_token = "gAAAAAB-revoked"
    assert account.get(container, "o") == b"1"


# -- listings ---------------------------------------------------------------------------------

_NAMES = ["a", "b/1", "b/2", "b/3/x", "c/1", "d", "ž/1"]


@pytest.fixture
def listed(proxied: Account, proxy: Proxy, container: str) -> Account:
    """An account whose Swift gives two rows at a time."""
    for name in _NAMES:
        proxied.put(container, name, b"")
    proxy.rewrite(r"^GET .*format=json", lambda line: line.replace("format=json",
                                                                  "format=json&limit=2"))
    return proxied


def test_a_listing_goes_on_where_swift_stopped(listed: Account, proxy: Proxy,
                                               container: str) -> None:
    assert [row["name"] for row in listed.listing(container)] == _NAMES
    assert len([line for line in proxy.lines if "limit=2" in line or "format=json" in line]) == 5


def test_a_listing_can_be_of_a_prefix(listed: Account, container: str) -> None:
    assert [row["name"] for row in listed.listing(container, "b/")] == ["b/1", "b/2", "b/3/x"]


def test_a_listing_can_leave_out_what_lies_deeper(listed: Account, container: str) -> None:
    rows = list(listed.listing(container, delimiter="/"))
    assert [row.get("name") or row["subdir"] for row in rows] == ["a", "b/", "c/", "d", "ž/"]


def test_a_listing_that_is_refused_in_the_middle_does_not_look_complete(
        listed: Account, proxy: Proxy, container: str) -> None:
    rows = listed.listing(container)
    first = [next(rows), next(rows)]
    proxy.refuse("^GET .*format=json", 503)
    with pytest.raises(exceptions.StoreUnreachable, match="listing container %s" % container):
        list(rows)
    assert [row["name"] for row in first] == _NAMES[:2]


# -- ranges -----------------------------------------------------------------------------------

@pytest.mark.parametrize(("offset", "size"), [(0, 1), (0, 3 * _MIB), (5, 2 * _MIB),
                                              (3 * _MIB - 1, 1)])
def test_a_range_is_read_exactly(account: Account, container: str, offset: int,
                                 size: int) -> None:
    data = disks.noise(3 * _MIB, 6)
    account.put(container, "o", data)
    target = bytearray(size)
    account.read_into(container, "o", offset, memoryview(target))
    assert target == data[offset:offset + size]


def test_a_range_that_is_cut_is_read_again(proxied: Account, proxy: Proxy,
                                           container: str) -> None:
    data = disks.noise(3 * _MIB, 7)
    proxied.put(container, "o", data)
    fault = proxy.cut("^GET .*/o ", ANSWER, _MIB, times=2)
    target = bytearray(2 * _MIB)
    proxied.read_into(container, "o", 100, memoryview(target))
    assert target == data[100:100 + 2 * _MIB]
    assert fault.hits == 2


def test_a_range_beyond_the_objects_end_is_an_error(account: Account, container: str) -> None:
    account.put(container, "o", bytes(1000))
    for offset in (900, 1000, 5000):
        with pytest.raises(exceptions.StoreError, match="%s/o" % container):
            account.read_into(container, "o", offset, memoryview(bytearray(101)))


def test_a_proxy_that_ignores_ranges_is_noticed(proxied: Account, proxy: Proxy,
                                                container: str) -> None:
    proxied.put(container, "o", bytes(1000))
    proxy.drop_header("^GET .*/o ", "range")
    with pytest.raises(exceptions.StoreError, match="ignore ranges"):
        proxied.read_into(container, "o", 0, memoryview(bytearray(10)))


def _ranges(target: bytearray, *offsets: int) -> List[ranges.Range]:
    size = len(target) // len(offsets)
    return [ranges.Range(offset, memoryview(target)[number * size:(number + 1) * size])
            for number, offset in enumerate(offsets)]


def test_several_ranges_come_by_one_request(proxied: Account, proxy: Proxy,
                                            container: str) -> None:
    data = disks.noise(3 * _MIB, 9)
    proxied.put(container, "o", data)
    counted = proxy.when("^GET .*/o ", lambda: None, times=-1)
    target = bytearray(3 * 1000)
    proxied.read_ranges(container, "o", _ranges(target, 0, _MIB, 2 * _MIB + 7))
    assert target == data[:1000] + data[_MIB:_MIB + 1000] + data[2 * _MIB + 7:2 * _MIB + 1007]
    assert counted.hits == 1


@pytest.mark.parametrize("after", [100, 700 * 1024, 1700 * 1024, 2 * _MIB + 100])
def test_ranges_that_are_cut_are_read_again_but_for_those_that_came(
        proxied: Account, proxy: Proxy, container: str, after: int) -> None:
    data = disks.noise(4 * _MIB, 10)
    proxied.put(container, "o", data)
    fault = proxy.cut("^GET .*/o ", ANSWER, after, times=1)
    target = bytearray(3 * 700 * 1024)
    wanted = (0, _MIB, 3 * _MIB)
    proxied.read_ranges(container, "o", _ranges(target, *wanted))
    assert target == b"".join(data[start:start + 700 * 1024] for start in wanted)
    assert fault.hits == 1


def test_ranges_beyond_the_objects_end_are_an_error(account: Account, container: str) -> None:
    account.put(container, "o", bytes(1000))
    for offsets in ((0, 950), (0, 2000), (1000, 2000)):
        with pytest.raises(exceptions.StoreError, match="%s/o" % container):
            account.read_ranges(container, "o", _ranges(bytearray(200), *offsets))


def test_a_proxy_that_ignores_several_ranges_is_noticed(proxied: Account, proxy: Proxy,
                                                        container: str) -> None:
    proxied.put(container, "o", bytes(1000))
    proxy.drop_header("^GET .*/o ", "range")
    with pytest.raises(exceptions.StoreError, match="ignore ranges"):
        proxied.read_ranges(container, "o", _ranges(bytearray(20), 0, 500))


# -- streams ----------------------------------------------------------------------------------

def _read_all(account: Account, container: str, name: str, size: int = 100_000) -> bytes:
    stream = account.open(container, name)
    result = io.BytesIO()
    while True:
        piece = stream.read(size)
        if not piece:
            break
        assert len(piece) <= size
        result.write(piece)
    stream.close()
    assert stream.length == result.tell()
    return result.getvalue()


def test_a_stream_gives_the_whole_object(account: Account, container: str) -> None:
    data = disks.noise(5 * _MIB + 7, 8)
    account.put(container, "o", data)
    assert _read_all(account, container, "o") == data
    account.put(container, "empty", b"")
    assert _read_all(account, container, "empty") == b""


def test_a_stream_goes_on_where_it_was_cut(proxied: Account, proxy: Proxy,
                                           container: str) -> None:
    data = disks.noise(8 * _MIB, 9)
    proxied.put(container, "o", data)
    fault = proxy.cut("^GET .*/o ", ANSWER, _MIB, times=7)
    assert _read_all(proxied, container, "o") == data
    assert fault.hits == 7


def test_a_stream_cut_again_and_again_without_a_byte_gives_up(proxied: Account, proxy: Proxy,
                                                              container: str) -> None:
    proxied.put(container, "o", disks.noise(_MIB, 10))
    stream = proxied.open(container, "o")
    assert stream.read(1)
    proxy.cut("^GET .*/o ", ANSWER, 0, times=-1)
    stream.close()
    with pytest.raises(exceptions.StoreUnreachable, match="cut again and again"):
        while stream.read(_MIB):
            pass


def test_a_stream_does_not_go_on_in_another_object(proxied: Account, proxy: Proxy,
                                                   account: Account, container: str) -> None:
    account.put(container, "o", disks.noise(4 * _MIB, 11))
    proxy.cut("^GET .*/o ", ANSWER, 2 * _MIB)
    stream = proxied.open(container, "o")
    assert stream.read(1000)
    account.put(container, "o", disks.noise(4 * _MIB, 12))
    with pytest.raises(exceptions.StoreCorrupt, match="GET of %s/o.*replaced" % container):
        while stream.read(_MIB):
            pass


# -- manifests --------------------------------------------------------------------------------

def _parts(account: Account, container: str) -> List[Entry]:
    entries = []
    for number in range(3):
        data = disks.noise(_MIB, 20 + number)
        stored = account.put(container, "part%d" % number, data)
        entries.append(Entry("/%s/part%d" % (container, number), stored.etag, stored.size))
    return entries


def test_ranges_whole_objects_and_bytes_are_stitched(account: Account, container: str) -> None:
    first, second, third = _parts(account, container)
    ranged = Entry(second.path, second.etag, second.size, 100, 199)
    stored = account.put_manifest(
        container, "whole", [first, ranged, Entry(data=b"inline"), third, Entry(data=b"end")])
    expected = (disks.noise(_MIB, 20) + disks.noise(_MIB, 21)[100:200] + b"inline"
                + disks.noise(_MIB, 22) + b"end")
    assert stored.size == len(expected)
    assert account.head(container, "whole") == stored
    assert _read_all(account, container, "whole") == expected


def test_manifests_stitch_manifests(account: Account, container: str) -> None:
    parts = _parts(account, container)
    inner = account.put_manifest(container, "inner", parts[:2])
    outer = account.put_manifest(container, "outer", [
        parts[2], Entry("/%s/inner" % container, inner.etag, inner.size), Entry(data=b"x")])
    assert outer.size == 3 * _MIB + 1
    assert _read_all(account, container, "outer") == (
        disks.noise(_MIB, 22) + disks.noise(_MIB, 20) + disks.noise(_MIB, 21) + b"x")


def test_a_manifest_says_what_it_is_stitched_from(account: Account, container: str) -> None:
    first, second, third = _parts(account, container)
    inner = account.put_manifest(container, "inner", [second, third])
    entries = [Entry(data=b"head"), Entry(first.path, first.etag, first.size, 100, 199), second,
               Entry("/%s/inner" % container, inner.etag, inner.size)]
    account.put_manifest(container, "whole", entries)
    assert account.manifest(container, "whole") == entries


def test_a_plain_object_has_no_manifest(account: Account, container: str) -> None:
    account.put(container, "plain", b"[]")
    with pytest.raises(exceptions.StoreCorrupt, match="%s/plain: the object is not stitched"
                                                      % container):
        account.manifest(container, "plain")


def test_deleting_a_manifest_leaves_its_parts(account: Account, container: str) -> None:
    account.put_manifest(container, "whole", _parts(account, container))
    account.delete(container, "whole")
    assert [row["name"] for row in account.listing(container)] == ["part0", "part1", "part2"]


def test_a_range_beyond_its_objects_end_is_noticed(account: Account, container: str) -> None:
    # Swift cuts it in silence.
    part = _parts(account, container)[0]
    entry = Entry(part.path, part.etag, part.size, 0, part.size + 99)
    with pytest.raises(exceptions.StoreError):
        account.put_manifest(container, "whole", [entry])


@pytest.mark.parametrize("wrong", ["missing", "etag", "size"])
def test_a_manifest_of_what_is_not_there_is_refused(account: Account, container: str,
                                                    wrong: str) -> None:
    part = _parts(account, container)[0]
    entry = {"missing": Entry("/%s/no-such-part" % container, part.etag, part.size),
             "etag": Entry(part.path, "0" * 32, part.size),
             "size": Entry(part.path, part.etag, part.size - 1)}[wrong]
    with pytest.raises(exceptions.StoreError, match="PUT of the manifest of %s/whole" % container):
        account.put_manifest(container, "whole", [entry])
    with pytest.raises(exceptions.ObjectMissing):
        account.head(container, "whole")


def test_more_parts_than_swift_allows_are_refused(account: Account, container: str) -> None:
    first, second, _third = _parts(account, container)
    with pytest.raises(exceptions.StoreError, match="PUT of the manifest"):
        account.put_manifest(container, "whole", [first, second] * 501)


def test_many_threads_that_are_cut_do_not_disturb_each_other(proxied: Account, proxy: Proxy,
                                                             container: str) -> None:
    data = disks.noise(2 * _MIB, 30)
    proxied.put(container, "o", data)
    proxy.cut("^GET .*/o ", ANSWER, _MIB, times=6)
    wrong: List[int] = []

    def work(number: int) -> None:
        target = bytearray(_MIB + number)
        proxied.read_into(container, "o", number, memoryview(target))
        if target != data[number:_MIB + 2 * number]:
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
