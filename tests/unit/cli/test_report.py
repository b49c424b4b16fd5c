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

"""The file that a report is written into."""

from __future__ import annotations

import os
import pathlib
from typing import Iterator

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.cli import report


def test_it_is_written_for_those_who_may_read_other_new_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "page.html"
    (tmp_path / "other").touch()
    assert report.write(str(path), ["<p>", "\u00e4</p>"]) == 9
    assert path.read_text(encoding="utf-8") == "<p>\u00e4</p>"
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_one_that_is_there_stays_until_the_new_one_is_whole(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")

    def pieces() -> Iterator[str]:
        yield "half"
        assert path.read_text() == "before"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report.write(str(path), pieces())
    assert path.read_text() == "before"
    assert os.listdir(str(tmp_path)) == ["page.html"]
    report.write(str(path), ["after"])
    assert path.read_text() == "after"


def test_what_cannot_be_written_is_named(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "nowhere" / "page.html")
    with pytest.raises(exceptions.TransferFailed, match="%s cannot be written" % path):
        report.write(path, ["x"])


def test_what_is_no_file_is_not_replaced(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "stdout"
    path.symlink_to("/dev/null")
    with pytest.raises(exceptions.NameRefused, match="no file"):
        report.write(str(path), ["x"])
    assert path.is_symlink()
