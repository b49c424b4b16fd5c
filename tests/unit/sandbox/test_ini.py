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

from __future__ import annotations

import configparser
import stat
from pathlib import Path

from nova_swift_handler.sandbox import ini


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = ini.write(tmp_path / "below" / "a.conf", {
        "one": {"text": "x = y", "yes": True, "no": False, "number": 3},
        "two": {"list": ["a", "b"], "path": tmp_path},
    })
    parser = configparser.RawConfigParser()
    parser.read(path)
    assert dict(parser["one"]) == {"text": "x = y", "yes": "true", "no": "false", "number": "3"}
    assert dict(parser["two"]) == {"list": "a,b", "path": str(tmp_path)}


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = ini.write(tmp_path / "a.conf", {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_writing_leaves_no_other_file(tmp_path: Path) -> None:
    ini.write_text(tmp_path / "a.conf", "one")
    ini.write_text(tmp_path / "a.conf", "two")
    assert [each.name for each in tmp_path.iterdir()] == ["a.conf"]
    assert (tmp_path / "a.conf").read_text() == "two"
