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

"""What README.rst tells a newcomer to type works, in the order it is told."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nova_swift_handler.sandbox.demo import disks

_README = Path(__file__).resolve().parents[3] / "README.rst"


def commands():
    """Return the commands of README's console blocks."""
    found, inside = [], False
    for line in _README.read_text().splitlines():
        if line.startswith(".. code-block:: console"):
            inside = True
        elif inside and line.strip().startswith("$ "):
            found.append(line.strip()[2:])
        elif inside and line and not line.startswith(" "):
            inside = False
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with the files that README speaks of."""
    made = tmp_path_factory.mktemp("readme")
    disks.write_vhd(disks.operating_system("readme"), made / "debian.vhd")
    iso = bytearray(3 * disks.MIB)
    iso[0x8001:0x8006] = b"CD001"
    (made / "rescue.iso").write_bytes(iso)
    return made


def run(cloud, directory, command):
    words = shlex.split(command)
    assert words.pop(0) == "swift-vhd"
    if words[0] == "sandbox":
        words += ["--root", str(cloud.root)]
    return subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.cli.app",
         "--config-file", cloud.env["config_file"],
         "--config-file", cloud.env["regions"][0]["nova_conf"], *words],
        cwd=directory, capture_output=True, check=False, text=True)


def test_readme_shows_commands():
    assert len(commands()) >= 8


@pytest.mark.parametrize("command", commands())
def test_a_command_of_readme_works(cloud, directory, command):
    done = run(cloud, directory, command)
    assert done.returncode == 0, done.stderr
    if "template list" in command or "iso list" in command:
        assert "debian-12" in done.stdout or "rescue" in done.stdout
    elif "volume list" in command or "sr chain" in command:
        assert "data-1" in done.stdout
    else:
        assert (done.stdout + done.stderr).strip() or "snapshot list" in command
    if "json" in command:
        assert json.loads(done.stdout)
