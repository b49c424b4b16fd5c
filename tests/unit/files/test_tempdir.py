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
"""Temporary directories: gone with their process, at the latest when the next one looks."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading
from concurrent import futures
from typing import Iterator

import pytest

import nova_swift_handler
from nova_swift_handler.files import tempdir

_ROOT = pathlib.Path(nova_swift_handler.__file__).resolve().parents[1]
_HOLD = """
import sys
from nova_swift_handler.files import tempdir
with tempdir.LockedDirectory(sys.argv[1]) as made:
    open(made.path + "/0.vhd", "w").close()
    print(made.path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: pathlib.Path) -> Iterator[subprocess.Popen]:
    """A process that has a directory with a file in it, until its standard input ends."""
    with subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], cwd=str(_ROOT), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        if process.poll() is None:
            process.kill()


def _path(holder: subprocess.Popen) -> pathlib.Path:
    assert holder.stdout is not None
    path = pathlib.Path(holder.stdout.readline().strip())
    assert (path / "0.vhd").exists()
    return path


def test_it_is_private_and_goes_with_its_context(tmp_path: pathlib.Path) -> None:
    with tempdir.LockedDirectory(str(tmp_path)) as made:
        assert os.stat(made.path).st_mode & 0o777 == 0o700
        assert list(tmp_path.iterdir()) == [pathlib.Path(made.path)]
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_living_process_stays(holder: subprocess.Popen,
                                        tmp_path: pathlib.Path) -> None:
    path = _path(holder)
    assert tempdir.remove_abandoned(str(tmp_path)) == 0
    assert (path / "0.vhd").exists()


def test_ones_own_stays(tmp_path: pathlib.Path) -> None:
    with tempdir.LockedDirectory(str(tmp_path)) as made:
        assert tempdir.remove_abandoned(str(tmp_path)) == 0
        assert os.path.isdir(made.path)


def test_that_of_a_killed_process_goes(holder: subprocess.Popen, tmp_path: pathlib.Path) -> None:
    path = _path(holder)
    holder.send_signal(signal.SIGKILL)
    holder.wait(60)
    assert path.exists()
    assert tempdir.remove_abandoned(str(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_whose_process_died_before_it_was_locked_goes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "swift_vhd-staging-new12345").mkdir()
    assert tempdir.remove_abandoned(str(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_others_named_so_is_left_alone(tmp_path: pathlib.Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "swift_vhd-staging-link_123").symlink_to(precious)
    (tmp_path / "swift_vhd-staging-file_123").write_text("x")
    (tmp_path / "other").mkdir()
    assert tempdir.remove_abandoned(str(tmp_path)) == 0
    (tmp_path / "swift_vhd-staging-theirs12").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert tempdir.remove_abandoned(str(tmp_path)) == 0
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("name", [
    "swift_vhd-backups", "swift_vhd-bench-a1b2c3d4", "swift_vhd-staging-of-mine",
    "swift_vhd-staging-a1b2c3d4"])
def test_what_only_has_a_similar_name_stays(tmp_path: pathlib.Path, name: str) -> None:
    kept = tmp_path / name / "disk.vhd"
    kept.parent.mkdir()
    kept.write_text("a customer's")
    assert tempdir.remove_abandoned(str(tmp_path)) == 0
    assert kept.read_text() == "a customer's"


def test_a_directory_that_cannot_be_looked_at_is_no_failure(tmp_path: pathlib.Path) -> None:
    assert tempdir.remove_abandoned(str(tmp_path / "missing")) == 0


def test_none_is_lost_that_is_being_made(tmp_path: pathlib.Path) -> None:
    """Between being made and being locked a directory looks abandoned."""
    over = threading.Event()

    def sweep() -> None:
        while not over.is_set():
            tempdir.remove_abandoned(str(tmp_path))

    def use() -> None:
        for _time in range(200):
            with tempdir.LockedDirectory(str(tmp_path)) as made, open(
                    os.path.join(made.path, "0.vhd"), "w") as file:
                file.write("x")

    with futures.ThreadPoolExecutor(4) as pool:
        sweeps = [pool.submit(sweep) for _thread in range(2)]
        uses = [pool.submit(use) for _thread in range(2)]
        try:
            for each in uses:
                each.result(600)
        finally:
            over.set()
        for each in sweeps:
            each.result(600)
    assert list(tmp_path.iterdir()) == []
