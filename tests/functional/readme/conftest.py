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

"""A terminal for the commands of the documentation, on the sandbox's cloud."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from nova_swift_handler.sandbox import plan
from nova_swift_handler.sandbox.demo import disks
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.sandbox import Sandbox
from tests.functional.conftest import RUNNING, Cloud

from .console import Shell

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "doc" / "source"

_MIB = disks.MIB


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in which nobody has been before: pages show all that is stored."""
    running = os.environ.get(RUNNING)
    sandbox = Sandbox(
        Layout(Path(running) if running else tmp_path_factory.mktemp("newcomer")), bound=True)
    if running:
        yield Cloud(sandbox, sandbox.environment())
        return
    env = sandbox.up(lambda: plan.make(
        plan.default_hosts("swift_vhd", "all", "none", 64 * 2 ** 30), container_prefix="vhd"))
    try:
        yield Cloud(sandbox, env)
    finally:
        sandbox.down()


@pytest.fixture(scope="module")
def shell(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Where the commands of one page are typed, by the operator of the cloud.

    The files that pages speak of are in the current directory.  ``swift`` is the service's,
    ``openstack`` that of a user.
    """
    for host in ("ext", "lvm"):
        cloud.control(host).gc_background(0.5)  # as on real hosts
    directory = tmp_path_factory.mktemp("documented")
    disk = disks.operating_system("documented")
    disks.write_vhd(disk, directory / "debian.vhd")
    iso = bytearray(3 * _MIB)
    iso[0x8001:0x8006] = b"CD001"
    (directory / "rescue.iso").write_bytes(iso)
    stock, _content = disks.stock_image(disk, [(9 * _MIB, disks.noise("later", 4096))])
    (directory / "stock.tgz").write_bytes(stock)
    (directory / ".sandbox").symlink_to(cloud.root)
    programs = tmp_path_factory.mktemp("programs")
    _program(programs / "swift-vhd", "-m", "nova_swift_handler.cli.app",
             "--config-file", cloud.env["config_file"],
             "--config-file", cloud.region("ext")["nova_conf"])
    _program(programs / "openstack", "-m", "tests.functional.readme.openstack",
             str(cloud.root / "env.json"))
    return Shell(directory, [programs, Path(sys.executable).parent],
                 {**_account(cloud), "PYTHONPATH": str(ROOT)})


def _program(path: Path, *arguments: str) -> None:
    path.write_text("#!/bin/sh\nexec %s %s \"$@\"\n" % (sys.executable, " ".join(arguments)))
    path.chmod(0o755)


def _account(cloud: Any) -> Dict[str, str]:
    """Return the variables by which OpenStack's clients know the service account."""
    account = cloud.env["users"]["swift-vhd"]
    return {
        "OS_AUTH_URL": cloud.env["keystone_url"], "OS_USERNAME": account["name"],
        "OS_PASSWORD": account["password"], "OS_PROJECT_NAME": account["project"],
        "OS_USER_DOMAIN_ID": cloud.env["domain_id"],
        "OS_PROJECT_DOMAIN_ID": cloud.env["domain_id"], "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": cloud.region("ext")["name"], "ST_AUTH_VERSION": "3"}
