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

"""A sandbox whose two hosts are one pool: each has a Nova of its own, and both see a third SR."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from nova_swift_handler.sandbox import plan
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.sandbox import Sandbox
from tests.functional.conftest import Cloud

XenAPI = pytest.importorskip("XenAPI")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: Any) -> Iterator[Cloud]:
    sandbox = Sandbox(Layout(Path(tmp_path_factory.mktemp("pool"))), bound=True)
    env = sandbox.up(lambda: plan.make(
        plan.default_hosts("swift_vhd", "none", "none", 2 ** 34, pool=True),
        container_prefix="vhd"))
    try:
        yield Cloud(sandbox, env)
    finally:
        sandbox.down()


def test_env_tells_the_pool(pool: Cloud) -> None:
    master, slave = pool.region("ext"), pool.region("lvm")
    assert (master["pool_master"], slave["pool_master"]) == ("ext", "ext")
    assert master["shared_sr_uuid"] == slave["shared_sr_uuid"] is not None
    session = XenAPI.Session(slave["xapi_url"])
    with pytest.raises(XenAPI.Failure) as caught:
        session._login("login_with_password", [
            slave["xapi_user"], slave["xapi_password"], "1.0", "test"])
    assert caught.value.details == ["HOST_IS_SLAVE", "127.0.0.1"]
    session = XenAPI.Session(master["xapi_url"])
    session.login_with_password(master["xapi_user"], master["xapi_password"], "1.0", "test")
    shared = session.xenapi.SR.get_by_uuid(master["shared_sr_uuid"])
    assert len(session.xenapi.SR.get_PBDs(shared)) == 2
    session.xenapi.session.logout()


@pytest.mark.parametrize("host", ["ext", "lvm"])
def test_each_nova_runs_its_own_host(pool: Cloud, host: str) -> None:
    """The slave's nova-compute found the master, and yet reports the slave's own storage."""
    admin = pool.adapter("admin", "compute", host, default_microversion="2.53")
    deadline, nodes = time.monotonic() + 60, []
    while not nodes and time.monotonic() < deadline:
        nodes = admin.get("/os-hypervisors/detail").json()["hypervisors"]
    assert [node["hypervisor_hostname"] for node in nodes] == [f"xenserver-{host}"]
    assert nodes[0]["state"] == "up" and nodes[0]["local_gb"] > 0
