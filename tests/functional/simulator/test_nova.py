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

"""Nova's real XenAPIDriver lives with the simulated host, the collector running all the while."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

from tests.functional.simulator.process import PASSWORD, SimulatedHost, environment

pytest.importorskip("nova.virt.xenapi")

_PROGRAM = Path(__file__).with_name("nova_driver.py")
_VARIANTS = {
    "ext, images cached": ("ext", []),
    "lvm, images cached": ("lvm", ["--root-gb", "0"]),
    "ext, no cache": ("ext", ["--cache", "none", "--root-gb", "0"]),
    "lvm, images copied": ("lvm", ["--no-cow", "--root-gb", "0"]),
}


class Run:
    """What the program saw, and what the host has to say about it."""

    def __init__(self, directory: Path, sr_type: str, options: List[str]):
        host = SimulatedHost(directory, sr_type, "--gc-interval", "0.3")
        host.start()
        try:
            done = subprocess.run(
                [sys.executable, str(_PROGRAM), host.url, PASSWORD, *options],
                capture_output=True, text=True, env=environment(), timeout=300, check=False)
            assert done.returncode == 0, done.stderr[-4000:] + host.log()[-2000:]
            self.seen: Dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            self.collected: List[Dict[str, Any]] = host.control.gc_history()
        finally:
            host.stop()
        self.log = host.log()


@pytest.fixture(scope="module", params=sorted(_VARIANTS))
def run(request: Any, tmp_path_factory: Any) -> Any:
    sr_type, options = _VARIANTS[request.param]
    finished = Run(tmp_path_factory.mktemp("nova"), sr_type, options)
    finished.root_size = (256 << 20) if "0" in options else (1 << 30)
    finished.cached = "cached" in request.param
    finished.copied = "copied" in request.param
    return finished


def test_nova_finds_resources_it_can_place_instances_on(run: Run) -> None:
    resources = run.seen["resources"]
    assert resources["hypervisor_type"] == "XenServer"
    assert resources["vcpus"] > 0
    assert resources["memory_mb"] > 1024
    assert resources["local_gb"] > 100


def test_a_spawned_instance_runs_from_its_disk_with_its_interface_plugged(run: Run) -> None:
    spawned = run.seen["spawned"]
    assert spawned["info"] == 1  # nova.compute.power_state.RUNNING
    assert spawned["state"]["running_VM"] == 1
    assert spawned["state"]["VIF"] == 1
    [disk] = spawned["disks"]
    assert disk["currently_attached"] and disk["virtual_size"] == run.root_size
    assert len(spawned["network"]["bridges"]) == 1
    assert [ids["attached-mac"] for ids in spawned["network"]["external_ids"].values()] == [
        "fa:16:3e:00:00:01"]


def test_an_instance_from_the_cached_image_has_the_same_disk(run: Run) -> None:
    if not run.cached and not run.copied:
        pytest.skip("no image is cached here")
    calls = run.seen["calls"]["cached spawn"]
    assert ("VDI.copy" if run.copied else "VDI.clone") in calls
    assert "VDI.create" not in calls
    assert run.seen["cached_sha256"] == run.seen["root_sha256"]


def test_every_snapshot_hands_over_a_chain_that_reads_as_the_guest_wrote_it(run: Run) -> None:
    digests = [snapshot["sha256"] for snapshot in run.seen["snapshots"]]
    assert digests == [snapshot["guest_sha256"] for snapshot in run.seen["snapshots"]]
    assert len(set(digests)) == 3
    assert all(len(snapshot["vdi_uuids"]) > 1 for snapshot in run.seen["snapshots"])


def test_base_copies_are_coalesced_while_nova_works(run: Run) -> None:
    assert any(action["kind"] in ("coalesce", "leaf-coalesce") for action in run.collected)
    removed = {uuid for action in run.collected for uuid in action["removed"]}
    chains = {uuid for snapshot in run.seen["snapshots"] for uuid in snapshot["vdi_uuids"][1:]}
    assert removed & chains, "no base copy of a snapshot went away"
    lengths = [len(snapshot["vdi_uuids"]) for snapshot in run.seen["snapshots"]]
    assert max(lengths) <= 4, "chains grow: %s" % lengths


def test_nothing_of_a_destroyed_instance_is_left(run: Run) -> None:
    after = dict(run.seen["after"])
    cached = 1 if run.cached or run.copied else 0
    assert after.pop("VDI") == run.seen["before"]["VDI"] + cached
    for name in ("VBD", "dom0_VBD", "VM", "VIF", "snapshot", "pending_task", "task", "network"):
        assert after[name] == run.seen["before"][name], name
    assert run.seen["network_after"]["links"] == []


def test_no_call_of_nova_is_unknown_to_the_host(run: Run) -> None:
    assert "MESSAGE_METHOD_UNKNOWN" not in run.log
    assert "Traceback" not in run.log
