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

"""A new file: there as a whole or not at all, and nothing beside it however its writer ends."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Iterator

import pytest

import nova_swift_handler
from nova_swift_handler import exceptions
from nova_swift_handler.files import newfile

_ROOT = pathlib.Path(nova_swift_handler.__file__).resolve().parents[1]

_WRITE = """
import os, signal, sys
from nova_swift_handler.files import newfile

def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

path, named, at = sys.argv[1:]
if named == "named":
    newfile._open_nameless = lambda directory: -1
if at == "rename":
    os.replace = die
with newfile.written(path, force=True) as descriptor:
    os.write(descriptor, b"new")
    if at == "hold":
        print("writing", flush=True)
        sys.stdin.read()
    if at == "writing":
        die()
if at == "end":
    die()
"""


def _run(path: pathlib.Path, named: str, at: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", _WRITE, str(path), named, at], cwd=str(_ROOT),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _killed(path: pathlib.Path, named: str, at: str) -> None:
    with _run(path, named, at) as process:
        assert process.wait(60) == -9


@pytest.fixture(autouse=True)
def nameless(tmp_path: pathlib.Path) -> None:
    """Without that half of these tests would show nothing."""
    descriptor = newfile._open_nameless(str(tmp_path))
    assert descriptor >= 0, "%s is on a file system without O_TMPFILE; set --basetemp" % tmp_path
    os.close(descriptor)


@pytest.fixture(params=["nameless", "named"])
def named(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of file systems."""
    if request.param == "named":
        monkeypatch.setattr(newfile, "_open_nameless", lambda directory: -1)
    return str(request.param)


@pytest.fixture
def old(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    path = tmp_path / "disk"
    path.write_bytes(b"old")
    yield path


def _write(path: pathlib.Path, data: bytes, force: bool = False) -> None:
    with newfile.written(str(path), force) as descriptor:
        os.write(descriptor, data)


def test_it_is_there_once_it_is_written(tmp_path: pathlib.Path, named: str) -> None:
    path = tmp_path / "disk"
    with newfile.written(str(path)) as descriptor:
        os.write(descriptor, b"new")
        assert not path.exists()
        assert len(os.listdir(tmp_path)) == (named == "named")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_nlink == 1
    assert os.listdir(tmp_path) == ["disk"]


def test_a_name_without_a_directory_is_of_this_one(
        tmp_path: pathlib.Path, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(pathlib.Path("disk"), b"new")
    assert os.listdir(tmp_path) == ["disk"]


def test_a_file_is_replaced_only_if_that_is_asked_for(old: pathlib.Path, named: str) -> None:
    with pytest.raises(exceptions.NameRefused, match="--force"):
        _write(old, b"new")
    assert old.read_bytes() == b"old"
    _write(old, b"new", force=True)
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == [old.name]


def test_a_file_that_came_meanwhile_is_kept(tmp_path: pathlib.Path, named: str) -> None:
    path = tmp_path / "disk"
    with pytest.raises(exceptions.NameRefused), newfile.written(str(path)):
        path.write_bytes(b"another's")
    assert path.read_bytes() == b"another's"
    assert os.listdir(tmp_path) == ["disk"]


def test_between_looking_and_linking_nothing_is_replaced(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "disk"
    linked = newfile._link_as

    def late(descriptor: int, name: str, directory: str) -> None:
        path.write_bytes(b"another's")
        linked(descriptor, name, directory)

    monkeypatch.setattr(newfile, "_link_as", late)
    with pytest.raises(exceptions.NameRefused):
        _write(path, b"new")
    assert path.read_bytes() == b"another's"
    assert os.listdir(tmp_path) == ["disk"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(old: pathlib.Path, named: str,
                                         error: BaseException) -> None:
    with pytest.raises((exceptions.TransferFailed, KeyboardInterrupt)), newfile.written(
            str(old), force=True):
        raise error
    assert old.read_bytes() == b"old"
    assert os.listdir(old.parent) == [old.name]


def test_killed_while_it_writes_a_nameless_file_leaves_nothing(tmp_path: pathlib.Path) -> None:
    _killed(tmp_path / "disk", "nameless", "writing")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("how", "at"), [("named", "writing"), ("nameless", "rename")])
def test_what_was_killed_with_a_name_the_next_one_removes(old: pathlib.Path, how: str,
                                                          at: str) -> None:
    _killed(old, how, at)
    assert len(os.listdir(old.parent)) == 2
    assert old.read_bytes() == b"old"
    _write(old, b"newer", force=True)
    assert os.listdir(old.parent) == [old.name]
    assert old.read_bytes() == b"newer"


def test_a_file_that_replaces_another_is_whole_once_it_has_the_name(old: pathlib.Path) -> None:
    _killed(old, "nameless", "end")
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == [old.name]


def test_the_file_of_a_process_that_lives_is_left(old: pathlib.Path) -> None:
    with _run(old, "named", "hold") as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert newfile.remove_abandoned(str(old.parent)) == 0
        assert len(os.listdir(old.parent)) == 2
        other.communicate(timeout=60)
    assert old.read_bytes() == b"new"


def test_only_files_are_removed_that_are_named_so(tmp_path: pathlib.Path) -> None:
    name = newfile.PREFIX + "x" + newfile.SUFFIX
    outside = tmp_path / "outside"
    outside.write_bytes(b"x")
    directory = tmp_path / "here"
    (directory / name / "kept").mkdir(parents=True)
    (directory / (newfile.PREFIX + "link" + newfile.SUFFIX)).symlink_to(outside)
    (directory / ".another.part").touch()
    (directory / (newfile.PREFIX + "y" + newfile.SUFFIX)).touch()
    assert newfile.remove_abandoned(str(directory)) == 1
    assert len(os.listdir(directory)) == 3
    assert outside.exists()


def test_a_file_taken_for_abandoned_before_it_was_locked_is_made_anew(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, removed = tempfile.mkstemp, []

    def slow(*args: str) -> object:
        found = made(*args)
        if not removed:
            removed.append(newfile.remove_abandoned(str(tmp_path)))
        return found

    monkeypatch.setattr(newfile, "_open_nameless", lambda directory: -1)
    monkeypatch.setattr(tempfile, "mkstemp", slow)
    _write(tmp_path / "disk", b"new")
    assert removed == [1]
    assert (tmp_path / "disk").read_bytes() == b"new"
