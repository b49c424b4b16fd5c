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

"""What was read before, and is believed only where a listing proves it."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from typing import Any, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.catalog.remembered import Remembered
from nova_swift_handler.store.etag import md5


class Account:
    """Objects by name; those that were asked for are noted."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects
        self.asked: List[str] = []

    def get(self, container: str, name: str) -> bytes:
        self.asked.append(name)
        return self.objects[name]

    def read(self, path: pathlib.Path, *names: str) -> List[Any]:
        """Return the values of objects, as a new process would; none is noted before."""
        self.asked.clear()
        with Remembered(str(path)) as known:
            return [known.get_json(self, "c", name,  # type: ignore[arg-type]
                                   md5(self.objects[name]).hexdigest()) for name in names]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "cache"


def test_what_was_read_is_not_asked_for_again(path: pathlib.Path) -> None:
    account = Account(a=b"1", b=b"2")
    assert account.read(path, "a", "b") == [1, 2]
    assert account.asked == ["a", "b"]
    assert account.read(path, "a", "b") == [1, 2]
    assert account.asked == []


def test_another_object_of_the_name_is(path: pathlib.Path) -> None:
    account = Account(a=b"1")
    account.read(path, "a")
    account.objects["a"] = b"3"
    assert account.read(path, "a") == [3]


def test_what_was_changed_in_the_file_is_not_believed(path: pathlib.Path) -> None:
    account = Account(a=b"1", b=b"2")
    account.read(path, "a", "b")
    with contextlib.closing(sqlite3.connect(str(path))) as file, file:
        file.execute("UPDATE swift_vhd_points SET body = CAST('7' AS BLOB) WHERE body = X'31'")
        file.execute("UPDATE swift_vhd_points SET body = 'two' WHERE body = X'32'")
    assert account.read(path, "a", "b") == [1, 2]


def test_what_is_gone_is_forgotten(path: pathlib.Path) -> None:
    account = Account(a=b"1", b=b"2")
    account.read(path, "a", "b")
    account.read(path, "a")
    account.read(path, "a", "b")
    assert account.asked == ["b"]


def test_nothing_is_forgotten_by_who_did_not_come_to_an_end(path: pathlib.Path) -> None:
    account = Account(a=b"1", b=b"2")
    account.read(path, "a")
    with pytest.raises(KeyError):
        account.read(path, "b", "c")
    account.read(path, "a", "b")
    assert account.asked == []


def test_it_is_its_users_alone(path: pathlib.Path) -> None:
    Account(a=b"1").read(path, "a")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["a page that somebody wrote", "SQLite format 3\0 cut"])
def test_a_file_of_another_kind_is_left_alone(
        path: pathlib.Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(text)
    assert Account(a=b"1").read(path, "a") == [1]
    assert path.read_text() == text
    assert "without the cache" in caplog.text


def test_a_place_that_cannot_be_written_is_told_of(
        tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Account(a=b"1").read(tmp_path / "missing" / "cache", "a") == [1]
    assert "without the cache" in caplog.text


def test_damaged_json_is_told_of_each_time(path: pathlib.Path) -> None:
    account = Account(a=b"{")
    for _time in range(2):
        with pytest.raises(exceptions.StoreCorrupt, match="no JSON"):
            account.read(path, "a")
