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

"""What a new point shares is looked up, and pardoned; and uploads say that they are there."""

from __future__ import annotations

import json
import threading
from typing import List, Mapping

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import inheritance, intent, names
from nova_swift_handler.catalog.intent import Intent
from nova_swift_handler.catalog.segment import Segment
from nova_swift_handler.store import lifetime
from nova_swift_handler.store.account import Stored
from tests.unit.store.memory import MemoryAccount


@pytest.fixture
def account() -> MemoryAccount:
    made = MemoryAccount()
    for container in ("c", "other"):
        made.put_container(container, {})
    return made


def _segment(account: MemoryAccount, name: str, container: str = "c") -> Segment:
    put = account.put(container, name, name.encode())
    return Segment(container, name, put.etag, put.size, 1)


def test_what_is_gone_or_other_is_missing_and_the_rest_is_pardoned(
        account: MemoryAccount) -> None:
    whole, gone, other, condemned, expired = (
        _segment(account, "data/u/%d" % number) for number in range(5))
    account.delete("c", gone.name)
    account.put("c", other.name, b"something else")
    for segment, at in ((condemned, 1000), (expired, 10)):
        lifetime.condemn(account, "c", segment.name, int(account.now) + at)
    account.now += 100
    assert inheritance.missing(account, [whole, gone, other, condemned, expired]) == {
        gone, other, expired}
    account.now += 100_000
    assert inheritance.missing(account, [whole, condemned]) == set()


def test_swift_that_cannot_be_asked_is_no_answer(account: MemoryAccount) -> None:
    segment = _segment(account, "data/u/1")

    def fail(verb: str, container: str, name: str = "") -> None:
        raise exceptions.StoreUnreachable("503")

    account.request = fail  # type: ignore[method-assign]
    with pytest.raises(exceptions.StoreUnreachable):
        inheritance.missing(account, [segment])


def test_what_vanishes_while_it_is_pardoned_is_missing(account: MemoryAccount) -> None:
    segment = _segment(account, "data/u/1")
    lifetime.condemn(account, "c", segment.name, int(account.now) + 10)

    def expire(verb: str, container: str, name: str = "") -> None:
        if verb == "POST":
            account.objects.clear()

    account.request = expire  # type: ignore[method-assign]
    assert not inheritance.present(account, "c", segment.name,
                                   Stored(segment.etag, segment.size))


def test_what_vanishes_though_it_was_pardoned_is_missing(
        account: MemoryAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = _segment(account, "data/u/1")
    lifetime.condemn(account, "c", segment.name, int(account.now) + 10)
    post = account.post

    def late(container: str, name: str, headers: Mapping[str, str]) -> None:
        post(container, name, headers)
        account.objects.clear()

    monkeypatch.setattr(account, "post", late)
    assert not inheritance.present(account, "c", segment.name,
                                   Stored(segment.etag, segment.size))


def test_an_announcement_that_has_expired_knows_it_though_it_is_there_again(
        account: MemoryAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    with Intent(account, "c", "u", "image") as upload:
        account.now += intent.LIFETIME - 1
        assert not upload.lapsed()
        account.now += 2
        assert upload.lapsed()
        upload.write()
        assert upload.lapsed()
    monkeypatch.setattr(intent, "HEARTBEAT", 0.001)
    with Intent(account, "c", "v", "image") as upload:
        account.delete("c", names.intent("v"))
        while not intent.under_way(account, "c"):
            pass
        assert upload.lapsed()


def test_an_upload_is_announced_while_it_lasts_with_what_it_shares(
        account: MemoryAccount) -> None:
    own, others = _segment(account, "data/u/1"), _segment(account, "data/v/1", "other")
    with Intent(account, "c", "u", "image", [own, others]):
        announced, = intent.under_way(account, "c")
        assert (announced["name"], announced["image_id"]) == (names.intent("u"), "image")
        assert list(map(tuple, intent.inherited([announced]))) == [("other", "data/v/1")]
        assert intent.referring(account, "other") == ["c"]
    assert intent.under_way(account, "c") == []
    assert intent.referring(account, "other") == ["c"]


def test_an_announcement_goes_by_itself_when_its_upload_was_killed(
        account: MemoryAccount) -> None:
    upload = Intent(account, "c", "u", "image")
    upload.__enter__()
    account.now += intent.LIFETIME - 1
    assert intent.under_way(account, "c")
    account.now += 2
    assert not intent.under_way(account, "c")
    upload.__exit__(None, None, None)


def test_an_announcement_is_written_again_and_again_though_swift_fails_once(
        account: MemoryAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intent, "HEARTBEAT", 0.001)
    failed, enough = threading.Event(), threading.Event()
    writes: List[str] = []
    late: List[str] = []

    def count(verb: str, container: str, name: str = "") -> None:
        if verb == "PUT":
            writes.append(name)
            if len(writes) == 2:
                failed.set()
                raise exceptions.StoreUnreachable("503")
            if account.now > began:
                late.append(name)
            if len(late) > 1:  # so the one before was answered
                enough.set()

    account.request = count  # type: ignore[method-assign]
    began = account.now
    with Intent(account, "c", "u", "image"):
        assert failed.wait(60)
        account.now += intent.LIFETIME - 1
        assert enough.wait(60)
        assert json.loads(account.get("c", names.intent("u")))["kind"] == intent.UPLOAD
        account.now += 2
        assert intent.under_way(account, "c")
    assert set(writes) == {names.intent("u")}


def test_an_upload_that_cannot_tell_whom_it_shares_with_does_not_begin(
        account: MemoryAccount) -> None:
    segment = Segment("nowhere", "data/v/1", "e", 1, 1)
    with pytest.raises(exceptions.ObjectMissing), Intent(account, "c", "u", "image", [segment]):
        raise AssertionError("it has begun")
    assert not account.objects
