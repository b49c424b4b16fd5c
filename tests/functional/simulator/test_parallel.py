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

"""Many clients at once, with the collector in between, lose nothing and deadlock nowhere."""

from __future__ import annotations

import concurrent.futures
import random
from pathlib import Path
from typing import Any

import XenAPI

from nova_swift_handler.sandbox.xapi.control import Control, pattern
from tests.functional.simulator.process import PASSWORD, SimulatedHost
from tests.functional.simulator.test_disks import clean
from tests.functional.simulator.transfers import MIB, Mover, sha256

SIZE = 16 * MIB
CLIENTS, ROUNDS = 4, 4


def worker(host: SimulatedHost, number: int, directory: Path) -> None:
    """Live with one disk: write, snapshot, export the snapshot, import it, compare, destroy."""
    session = XenAPI.Session(host.url)
    session.login_with_password("root", PASSWORD, "1.0", "tests")
    xapi, control, mover = session.xenapi, Control(host.url), Mover(host, session)
    choose = random.Random(number)
    sr = xapi.SR.get_by_uuid(host.ready["sr_uuid"])
    uuid = mover.disk(sr, SIZE, name_label="client %d" % number)
    vdi = xapi.VDI.get_by_uuid(uuid)
    model = bytearray(SIZE)
    kept = []
    for round_ in range(ROUNDS):
        offset = choose.randrange(0, SIZE - MIB, 512)
        seed = "%d.%d" % (number, round_)
        control.guest_pattern(uuid, seed, [[offset, MIB]])
        model[offset:offset + MIB] = pattern(seed, offset, MIB)
        snapshot = xapi.VDI.snapshot(vdi)
        snapshot_uuid = xapi.VDI.get_uuid(snapshot)
        done = mover.export("vdi=%s&format=vhd" % snapshot_uuid)
        assert done.task["status"] == "success", done.task
        copy = mover.disk(sr, SIZE)
        done = mover.import_("vdi=%s&format=vhd" % copy, done.body, directory)
        assert done.task["status"] == "success", done.task
        assert control.guest_sha256(copy) == sha256(bytes(model))
        xapi.SR.scan(sr)
        xapi.VDI.destroy(xapi.VDI.get_by_uuid(copy))
        kept.append(snapshot)
        if len(kept) > 1:
            xapi.VDI.destroy(kept.pop(choose.randrange(len(kept))))
        assert control.guest_sha256(uuid) == sha256(bytes(model))
    session.xenapi.session.logout()


def test_parallel_clients_and_the_collector_do_not_disturb_each_other(
    host: SimulatedHost, xapi: Any, sr: str, tmp_path: Path,
) -> None:
    host.control.gc_background(0.05)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        futures = []
        for number in range(CLIENTS):
            directory = tmp_path / str(number)
            directory.mkdir()
            futures.append(pool.submit(worker, host, number, directory))
        for future in futures:
            future.result(timeout=300)
    assert {action["kind"] for action in host.control.gc_history()} & {
        "coalesce", "leaf-coalesce"}
    host.control.gc_background(None)
    host.control.gc_run()
    state = host.control.state()
    assert state["dom0_VBD"] == 0 and state["pending_task"] == 0 and state["task"] == 0
    known = {record["uuid"] for record in xapi.VDI.get_all_records().values()}
    for record in xapi.VDI.get_all_records().values():
        assert record["sm_config"].get("vhd-parent") in known | {None}
    assert "Traceback" not in host.log()
    clean(host, xapi, sr)
