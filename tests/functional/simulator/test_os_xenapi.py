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

"""os_xenapi's own streaming client moves a disk out of the simulated host and back."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.functional.simulator.process import PASSWORD, SimulatedHost, environment
from tests.functional.simulator.transfers import MIB, Mover, raw_of_vhd, wait_until

pytest.importorskip("os_xenapi")

_PROGRAM = Path(__file__).with_name("stream_images.py")
#: os_xenapi computes a VHD's size right only where the BAT fills whole sectors: 128 entries.
SIZE = 256 * MIB


def test_a_disk_goes_out_as_an_image_and_comes_back(
    host: SimulatedHost, session: Any, sr: str, tmp_path: Path,
) -> None:
    uuid = Mover(host, session).disk(sr, SIZE)
    host.control.guest_pattern(uuid, "x", [[0, 100], [17 * MIB, 9 * MIB], [SIZE - MIB, MIB]])
    image = tmp_path / "image.tgz"
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), host.url, PASSWORD, host.ready["sr_uuid"], uuid,
         str(image)],
        capture_output=True, text=True, env=environment(), timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    copy = done.stdout.split()[-1]
    # It closes without waiting for the end of the work, so wait for that here.
    vdi = session.xenapi.VDI.get_by_uuid(copy)
    assert wait_until(lambda: session.xenapi.VDI.get_VBDs(vdi) == [])
    digest = host.control.guest_sha256(uuid)
    assert host.control.guest_sha256(copy) == digest
    with tarfile.open(image) as archive:
        [member] = archive.getmembers()
        stream = archive.extractfile(member)
        assert stream is not None
        assert raw_of_vhd(stream.read(), tmp_path, SIZE) == digest
