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

"""Starting and ending: no sandbox leaves a process, whatever has happened to it.

Without hosts and Nova, which makes each start quick.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
import requests
from keystoneauth1 import session
from keystoneauth1.identity import v3

from nova_swift_handler.sandbox import control, plan, process, supervisor
from nova_swift_handler.sandbox.layout import Layout
from tests.functional.sandbox.command import mentioning, swift_vhd


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a sandbox that has been up, and may be."""
    made = tmp_path_factory.mktemp("lifecycle") / "cloud"
    try:
        up(made)
        yield made
    finally:
        swift_vhd("down", "--root", made)


@pytest.fixture
def running(root: Path) -> Path:
    """The directory of a sandbox that is up."""
    if not control.supervised(Layout(root)):
        up(root)
    return root


@pytest.fixture
def stopped(root: Path) -> Path:
    """The directory of a sandbox that is down."""
    swift_vhd("down", "--root", root)
    return root


def up(root: Path) -> Dict[str, Any]:
    done = swift_vhd("up", "--storage-only", "--root", root)
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(
        swift_vhd("env", "--root", root, "-f", "json").stdout)
    return document


def status(root: Path) -> Dict[str, Any]:
    rows = json.loads(swift_vhd("status", "--root", root, "-f", "json").stdout)
    return {row["Service"]: row for row in rows}


def account(env: Dict[str, Any]) -> session.Session:
    user = env["users"][env["service_user"]]
    return session.Session(auth=v3.Password(
        auth_url=env["keystone_url"], username=user["name"], password=user["password"],
        project_name=user["project"], user_domain_id=env["domain_id"],
        project_domain_id=env["domain_id"]))


def kill(layout: Layout, service: str) -> None:
    running = process.load(layout.pid(service))
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    assert not process.wait_gone([running], 10)


def test_logs_show_one_service_or_all(running: Path) -> None:
    one = swift_vhd("logs", "glance", "--root", running).stdout
    assert "==> glance <==" in one and "==> keystone <==" not in one
    every = swift_vhd("logs", "--root", running).stdout
    assert "==> swift-proxy <==" in every and "==> supervisor <==" in every
    assert "no service 'nonsense'" in swift_vhd("logs", "nonsense", "--root", running).stderr


def test_a_second_up_is_refused_and_harms_nothing(running: Path) -> None:
    before = status(running)
    done = swift_vhd("up", "--root", running)
    assert done.returncode != 0
    assert "is up already" in done.stderr
    assert status(running) == before


def test_a_service_that_dies_is_reported_and_can_be_started_again(running: Path) -> None:
    kill(Layout(running), "swift-object")
    control.wait(Layout(running), "keystone",
                 lambda: status(running)["swift-object"]["State"] == "died", 120)
    assert status(running)["swift-object"]["Exit code"] == -signal.SIGKILL
    assert status(running)["swift-proxy"]["State"] == "running"

    assert swift_vhd("stop", "swift-object", "--root", running).returncode == 0
    assert swift_vhd("start", "swift-object", "--root", running).returncode == 0
    assert status(running)["swift-object"]["State"] == "running"


def test_down_leaves_no_process_and_up_brings_the_data_back(running: Path) -> None:
    env = json.loads(swift_vhd("env", "--root", running, "-f", "json").stdout)
    url = env["images_account_url"] + "/kept"
    account(env).put(url)
    account(env).put(url + "/object", data=b"still here")

    assert swift_vhd("down", "--root", running).returncode == 0
    assert mentioning(running) == []
    with pytest.raises(requests.ConnectionError):
        requests.get(env["keystone_url"], timeout=5)
    assert swift_vhd("env", "--root", running).returncode != 0

    again = up(running)
    assert again["keystone_url"] == env["keystone_url"]
    assert account(again).get(url + "/object").content == b"still here"


def test_down_ends_the_services_of_a_supervisor_that_was_killed(running: Path) -> None:
    kill(Layout(running), supervisor.NAME)
    assert mentioning(running) != []

    assert swift_vhd("down", "--root", running).returncode == 0
    assert mentioning(running) == []


def test_down_ends_what_an_up_that_was_killed_had_started(stopped: Path) -> None:
    starting = subprocess.Popen(
        [sys.executable, "-m", "nova_swift_handler.cli.app", "sandbox", "up", "--root",
         str(stopped)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    started = Layout(stopped).pid("keystone")
    control.wait(Layout(stopped), supervisor.NAME, started.exists, control.PATIENCE)
    starting.kill()
    starting.wait()
    assert mentioning(stopped) != []

    assert swift_vhd("down", "--root", stopped).returncode == 0
    assert mentioning(stopped) == []


def test_a_port_that_another_program_took_is_named(stopped: Path) -> None:
    name, port = next(iter(plan.load(Layout(stopped)).ports.items()))
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen(1)
        done = swift_vhd("up", "--root", stopped)
    assert done.returncode != 0
    assert f"port {port} of {name}" in done.stderr
    assert mentioning(stopped) == []


def test_a_service_that_does_not_start_is_named_with_the_end_of_its_log(stopped: Path) -> None:
    ring = stopped / "swift" / "container.ring.gz"
    good = ring.read_bytes()
    ring.write_bytes(b"no ring")
    try:
        done = swift_vhd("up", "--root", stopped)
    finally:
        ring.write_bytes(good)
    assert done.returncode != 0
    named = re.search("(swift-[a-z-]+) ended with code", done.stderr)
    assert named is not None
    last = control.log_tail(Layout(stopped), named.group(1), 1)
    assert last and last in done.stderr
    assert mentioning(stopped) == []


def test_a_missing_environment_is_named_with_what_to_do(tmp_path: Path) -> None:
    done = swift_vhd("up", "--root", tmp_path / "cloud", "--cloud-python", tmp_path / "none")
    assert done.returncode != 0
    assert "no Python for Keystone, Swift and Glance" in done.stderr
    assert "make install" in done.stderr
