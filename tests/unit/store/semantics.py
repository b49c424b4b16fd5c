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

"""Tests of what the catalog leans on in Swift, for an account in fixture ``account`` and a
container in fixture ``container``."""

from __future__ import annotations

import calendar

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.store import lifetime
from nova_swift_handler.store.account import Account, Stored
from nova_swift_handler.store.etag import md5
from nova_swift_handler.store.manifest import Entry
from nova_swift_handler.store.ranges import Range

DATE = lifetime.DELETE_AT


def _now(account: Account, container: str) -> int:
    return calendar.timegm(account.clock(container).utctimetuple())


def _read(account: Account, container: str, name: str, size: int) -> bytes:
    data = bytearray(size)
    with memoryview(data) as view:
        account.read_into(container, name, 0, view)
    return bytes(data)


def test_ranges_of_an_object(account: Account, container: str) -> None:
    data = bytes(range(256)) * 20000
    account.put(container, "o", data)
    for wanted in ([(0, 1)], [(0, 1), (2, 1)], [(5, 3000000), (3000007, 2), (5119999, 1)],
                   [(number * 1000, 999) for number in range(50)], []):
        target = bytearray(sum(size for _offset, size in wanted))
        with memoryview(target) as view:
            found, start = [], 0
            for offset, size in wanted:
                found.append(Range(offset, view[start:start + size]))
                start += size
            account.read_ranges(container, "o", found)
            for each in found:
                each.target.release()
        assert target == b"".join(data[offset:offset + size] for offset, size in wanted)


def test_an_object_is_what_was_put_until_it_is_deleted(account: Account, container: str) -> None:
    put = account.put(container, "a/b", b"bytes", headers={"X-Object-Meta-Parent": "p"})
    assert put == Stored(md5(b"bytes").hexdigest(), 5)
    assert account.head(container, "a/b") == put
    assert account.headers(container, "a/b")["x-object-meta-parent"] == "p"
    assert account.get(container, "a/b") == b"bytes"
    row, = account.listing(container)
    assert (row["name"], row["hash"], row["bytes"]) == ("a/b", put.etag, 5)
    assert "last_modified" in row
    assert int(account.head_container(container)["x-container-object-count"]) == 1
    account.delete(container, "a/b")
    account.delete(container, "a/b")
    with pytest.raises(exceptions.ObjectMissing):
        account.get(container, "a/b")
    assert list(account.listing(container)) == []


def test_a_container_that_is_not_there(account: Account, container: str) -> None:
    missing = container + "-missing"
    for act in (lambda: list(account.listing(missing)), lambda: account.head_container(missing),
                lambda: account.contents(missing),
                lambda: account.put(missing, "a", b"")):
        with pytest.raises(exceptions.ObjectMissing):
            act()
    assert container in list(account.containers(container[:1]))


def test_a_container_goes_when_it_is_empty(account: Account, container: str) -> None:
    other = container + "-emptied"
    account.put_container(other, {"X-Container-Read": "someone"})
    there = account.head_container(other)
    assert abs(float(there["x-timestamp"]) - _now(account, container)) < 60
    account.put(other, "a", b"x")
    assert account.delete_container(other) is False
    assert account.get(other, "a") == b"x"
    account.delete(other, "a")
    assert account.delete_container(other) is True
    assert account.delete_container(other) is True
    with pytest.raises(exceptions.ObjectMissing):
        account.head_container(other)
    with pytest.raises(exceptions.ObjectMissing):
        account.put(other, "a", b"x")
    account.put_container(other, {})
    account.put(other, "b", b"y")
    assert [row["name"] for row in account.listing(other)] == ["b"]
    account.delete(other, "b")
    account.delete_container(other)


def test_what_a_container_holds(account: Account, container: str) -> None:
    for name in ("a", "b/1"):
        account.put(container, name, b"bytes")
    used, rows = account.contents(container)
    assert used == int(account.head_container(container)["x-container-bytes-used"]) == 10
    assert rows == list(account.listing(container))


def test_listings_by_prefix_and_delimiter(account: Account, container: str) -> None:
    for name in ("a", "b/1", "b/2", "c/1/x"):
        account.put(container, name, b"")
    assert [row["name"] for row in account.listing(container, "b/")] == ["b/1", "b/2"]
    assert [row.get("name") or row["subdir"] for row in account.listing(
        container, delimiter="/")] == ["a", "b/", "c/"]
    assert [row.get("name") or row["subdir"] for row in account.listing(
        container, "c/", delimiter="/")] == ["c/1/"]


def test_condemned_and_pardoned_keeping_metadata(account: Account, container: str) -> None:
    account.put(container, "a", b"x", headers={"X-Object-Meta-Parent": "p"})
    at = _now(account, container) + 5000
    assert lifetime.condemn(account, container, "a", at)
    assert not lifetime.condemn(account, container, "a", at + 100)
    headers = account.headers(container, "a")
    assert (headers[DATE], headers["x-object-meta-parent"]) == (str(at), "p")
    assert [row["name"] for row in account.listing(container)] == ["a"]
    assert lifetime.pardon(account, container, "a")
    assert not lifetime.pardon(account, container, "a")
    headers = account.headers(container, "a")
    assert DATE not in headers
    assert headers["x-object-meta-parent"] == "p"
    with pytest.raises(exceptions.ObjectMissing):
        lifetime.condemn(account, container, "missing", at)


def test_put_again_an_object_is_pardoned(account: Account, container: str) -> None:
    account.put(container, "a", b"x")
    lifetime.condemn(account, container, "a", _now(account, container) + 5000)
    account.put(container, "a", b"x")
    assert DATE not in account.headers(container, "a")


def test_a_date_in_the_past_is_refused(account: Account, container: str) -> None:
    account.put(container, "a", b"x")
    with pytest.raises(exceptions.StoreError):
        lifetime.condemn(account, container, "a", _now(account, container) - 5000)
    assert DATE not in account.headers(container, "a")


def test_an_object_put_with_a_lifetime_has_a_date(account: Account, container: str) -> None:
    account.put(container, "a", b"x", headers={"X-Delete-After": "5000"})
    at = int(account.headers(container, "a")[DATE])
    assert 4000 < at - _now(account, container) < 6000


def test_stitched_objects(account: Account, container: str) -> None:
    data = account.put(container, "data", b"0123456789")
    path = "/%s/data" % container
    put = account.put_manifest(container, "view", [
        Entry(data=b"<"), Entry(path, data.etag, data.size, 2, 4), Entry(data=b">")],
        headers={"X-Object-Meta-Parent": "p"})
    assert put.size == 5
    assert _read(account, container, "view", 5) == b"<234>"
    headers = account.headers(container, "view")
    assert headers["x-static-large-object"] == "True"
    assert headers["x-object-meta-parent"] == "p"
    assert "x-static-large-object" not in account.headers(container, "data")
    assert [entry.path for entry in account.manifest(container, "view")] == [None, path, None]
    nested = account.put_manifest(container, "nested", [
        Entry("/%s/view" % container, put.etag, put.size), Entry(path, data.etag, data.size)])
    assert nested.size == 15
    assert _read(account, container, "nested", 15) == b"<234>0123456789"
    with pytest.raises(exceptions.StoreCorrupt):
        account.manifest(container, "data")
    with pytest.raises(exceptions.StoreCorrupt):
        account.get(container, "view")  # its etag is not of its bytes


def test_stitched_objects_are_condemned_alone(account: Account, container: str) -> None:
    data = account.put(container, "data", b"0123456789")
    account.put_manifest(container, "view", [Entry("/%s/data" % container, data.etag, data.size)])
    lifetime.condemn(account, container, "view", _now(account, container) + 5000)
    assert DATE not in account.headers(container, "data")
    assert account.headers(container, "view")["x-static-large-object"] == "True"
    assert _read(account, container, "view", 10) == b"0123456789"
    account.delete(container, "view")
    assert account.get(container, "data") == b"0123456789"


def test_what_is_stitched_must_be_there(account: Account, container: str) -> None:
    data = account.put(container, "data", b"0123456789")
    for entry in (Entry("/%s/missing" % container, data.etag, data.size),
                  Entry("/%s/data" % container, "0" * 32, data.size)):
        with pytest.raises(exceptions.StoreError):
            account.put_manifest(container, "view", [entry])
    with pytest.raises(exceptions.ObjectMissing):
        account.head(container, "view")


def test_links_are_condemned_alone(account: Account, container: str) -> None:
    data = account.put(container, "data", b"0123456789")
    account.symlink(container, "link", "/%s/data" % container)
    assert account.head(container, "link") == data
    lifetime.condemn(account, container, "link", _now(account, container) + 5000)
    assert DATE in account.headers(container, "link", follow=False)
    assert DATE not in account.headers(container, "data")
    assert account.get(container, "link") == b"0123456789"
