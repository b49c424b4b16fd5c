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

import subprocess
import sys
from pathlib import Path

import pytest

from nova_swift_handler.sandbox import pythons

OURS = "%d.%d" % sys.version_info[:2]


def test_the_running_version_is_found_outside_its_virtual_environment() -> None:
    found = pythons.find(OURS)
    assert found is not None
    told = subprocess.check_output(
        [str(found), "-c",
         "import sys; print(sys.version_info[:2], sys.prefix == sys.base_prefix)"])
    assert told.decode().strip() == f"{sys.version_info[:2]} True"


def test_a_version_that_is_not_there_is_not_found() -> None:
    assert pythons.find("3.1") is None


def test_the_variable_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    monkeypatch.setenv("PYTHON" + OURS.replace(".", "_"), str(link))
    assert pythons.find(OURS) == link


def test_what_is_no_such_python_is_passed_over(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PYTHON" + OURS.replace(".", "_"), str(shim))
    assert pythons.find(OURS) not in (None, shim)
