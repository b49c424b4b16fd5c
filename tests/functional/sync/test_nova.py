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

"""Nova boots from an ISO that is stored here, but for the step that needs a VM of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from tests.functional.simulator.process import PASSWORD, environment

from .conftest import MIB, Town
from .test_push import Rack, rack, simulated  # noqa: F401  (fixtures)

pytest.importorskip("nova.virt.xenapi")

_PROGRAM = Path(__file__).with_name("boot_iso.py")


def _boot(home: Town, rack: Rack, *options: str) -> Tuple[Dict[str, Any], bytes]:  # noqa: F811
    shown, data = home.iso("installer", 5 * MIB, "--public")
    known = home.env["users"]["alice"]
    session = home.site.session("alice")
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), *options], capture_output=True, text=True, check=False,
        env=environment(), timeout=300, input=json.dumps({
            "url": rack.simulated.url, "password": PASSWORD, "glance": home.env["glance_url"],
            "token": session.get_token(), "user_id": known["id"],
            "project_id": known["project_id"], "image": shown["id"]}))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), data


def test_nova_without_a_vm_of_its_own_says_that_it_boots_vhds_only(
        home: Town, rack: Rack) -> None:  # noqa: F811
    seen, _data = _boot(home, rack)
    assert seen["error"] == "NotSupportedWithOption"
    assert "independent_compute" in seen["message"]
    assert "Non-VHD images" in seen["message"]
    assert "VDI.create" not in seen["calls"] and "VM.create" not in seen["calls"]
    assert rack.vdis() == {}


def test_from_there_on_nova_boots_the_instance_from_the_very_bytes_in_glance(
        home: Town, rack: Rack) -> None:  # noqa: F811
    seen, data = _boot(home, rack, "--in-a-domu")
    assert "error" not in seen, seen
    assert seen["state"]["running_VM"] == 1
    assert "VBD.insert" in seen["calls"]
    [disk] = seen["disks"]
    with rack.session() as session:
        record = session.call("VDI.get_record", session.call(
            "VDI.get_by_uuid", disk["vdi_uuid"]))
        assert session.call("SR.get_type", record["SR"]) == "iso"
    files = [path.read_bytes() for path in (rack.simulated.directory / "state").rglob("*.img")]
    assert hashlib.sha256(data).digest() in {hashlib.sha256(each).digest() for each in files}
