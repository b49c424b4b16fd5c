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

"""Other people's readers and writers of VHDs."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any, Dict

import pytest

from tests import programs


class QemuImg:
    """The program qemu-img."""

    def __init__(self, program: str) -> None:
        self._program = program

    def run(self, *args: str) -> str:
        """Run it; an error of its own fails the test."""
        done = subprocess.run([self._program, *args], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def info(self, path: pathlib.Path) -> Dict[str, Any]:
        """Return what it says about a VHD."""
        found: Dict[str, Any] = json.loads(
            self.run("info", "--output=json", "-f", "vpc", str(path)))
        return found

    def raw(self, path: pathlib.Path) -> bytes:
        """Return the disk that it reads out of a VHD."""
        target = path.with_suffix(".raw")
        self.run("convert", "-f", "vpc", "-O", "raw", str(path), str(target))
        return target.read_bytes()


@pytest.fixture(scope="session")
def qemu_img() -> QemuImg:
    program = programs.find("qemu-img")
    if program is None:
        pytest.skip(programs.missing("qemu-img"))
    return QemuImg(program)


@pytest.fixture(scope="session")
def libvhdi() -> Any:
    return pytest.importorskip("pyvhdi", reason="libvhdi-python is not installed")
