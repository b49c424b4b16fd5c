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

"""What hosts with stock handlers boot, by these handlers' own code: copies, of both kinds."""

from __future__ import annotations

import hashlib
import json
import pathlib
import subprocess
import sys
import uuid
from typing import Any, Dict

import pytest

from nova_swift_handler.images import convert
from tests.functional.handler import dom0
from tests.functional.handler.bench import Bench, Host
from tests.functional.simulator.process import PASSWORD
from tests.unit.vhd import independent

_ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(params=["registered by upload", "converted"])
def copy(request: Any, bench: Bench, ext: Host) -> Dict[str, str]:
    """A copy in Glance's store: its id, and the SHA-256 of the disk."""
    vdi = ext.disk()
    by_upload = request.param == "registered by upload"
    image_id = bench.store(ext, vdi, registration="upload" if by_upload else "location")
    if not by_upload:
        image_id = convert.convert(bench.services(ext), image_id, replace=True,
                                   progress=lambda done, total: None)["id"]
        request.addfinalizer(lambda: bench.delete_image(image_id))
    return {"id": image_id, "sha256": ext.control.guest_sha256(vdi)}


def test_vdi_remote_stream_boots_it(bench: Bench, host: Host, copy: Dict[str, str]) -> None:
    """By Nova's handler, its Glance client and os_xenapi's streams, in a process of their own."""
    user = bench.token()
    job = {"glance": bench.env["glance_url"], "xapi": host.settings.url, "password": PASSWORD,
           "level": None, "image": copy["id"], "vdi": None, "token": user.token,
           "user_id": user.user_id, "project_id": user.project_id}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.programs.stock"], input=json.dumps(job),
        stdout=subprocess.PIPE, text=True, check=True, cwd=str(_ROOT), timeout=200)
    made = json.loads(done.stdout.splitlines()[-1])["vdi"]
    assert host.control.guest_sha256(made) == copy["sha256"]


def test_direct_vhd_boots_it(bench: Bench, copy: Dict[str, str], tmp_path: pathlib.Path,
                             monkeypatch: pytest.MonkeyPatch) -> None:
    """With os_xenapi's plugin for dom0.

    It unpacks the archive, compares Glance's checksum, checks names, chain and VHD, and puts that
    into the SR.
    """
    sr, vdi_uuid = tmp_path / "sr", str(uuid.uuid4())
    sr.mkdir()
    answer = dom0.download(monkeypatch, sr, bench.env["glance_url"], bench.token().token,
                           copy["id"], vdi_uuid)
    assert answer == {"root": {"uuid": vdi_uuid}}
    assert sorted(path.name for path in sr.glob("*.vhd")) == [vdi_uuid + ".vhd"]
    data = (sr / (vdi_uuid + ".vhd")).read_bytes()
    disk = bytearray(independent.parse(data).size)
    independent.apply(data, disk)
    assert hashlib.sha256(disk).hexdigest() == copy["sha256"]
