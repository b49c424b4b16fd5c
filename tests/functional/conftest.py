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

"""A running cloud for the functional tests: started once for all of them, when first asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

from nova_swift_handler.sandbox import plan, swift
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.sandbox import Sandbox
from nova_swift_handler.sandbox.xapi.control import Control

_SR_SIZE = 64 * 2 ** 30

# Set to the directory of a sandbox that is up: tests run on that one, and leave it running.
RUNNING = "SWIFT_VHD_TEST_SANDBOX"


class Cloud:
    """The sandbox as tests see it.

    :ivar env: what ``swift-vhd sandbox env`` prints.
    :ivar sandbox: to stop and start services.
    """

    def __init__(self, sandbox: Sandbox, env: Dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.env = env

    @property
    def root(self) -> Path:
        return Path(self.env["root"])

    def region(self, host: str) -> Dict[str, Any]:
        """Return what ``env`` says of a host: ``ext`` or ``lvm``."""
        found: List[Dict[str, Any]] = [
            each for each in self.env["regions"] if each["host"] == host]
        return found[0]

    def session(self, user: str) -> session.Session:
        """Return a keystoneauth session of a user, in its project."""
        known = self.env["users"][user]
        return session.Session(auth=v3.Password(
            auth_url=self.env["keystone_url"], username=known["name"],
            password=known["password"], project_name=known["project"],
            user_domain_id=self.env["domain_id"], project_domain_id=self.env["domain_id"]))

    def adapter(self, user: str, service_type: str, host: str = "ext",
                **options: Any) -> adapter.Adapter:
        """Return a client of a service in a host's region; it does not raise on HTTP errors."""
        return adapter.Adapter(
            self.session(user), service_type=service_type, interface="public",
            region_name=self.region(host)["name"], **{"raise_exc": False, **options})

    def control(self, host: str) -> Control:
        """Return the control of a simulated host: its guests, faults and collector."""
        return Control(self.region(host)["xapi_url"])


@pytest.fixture(scope="session")
def poor_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Keystone, Swift and Glance, the static large objects being as poor as Ceph's."""
    sandbox = Sandbox(Layout(tmp_path_factory.mktemp("poor")), bound=True)
    env = sandbox.up(lambda: plan.make([], container_prefix="vhd", slo=swift.SLO_WHOLE))
    try:
        yield Cloud(sandbox, env)
    finally:
        sandbox.down()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running cloud; ended when the last test has run."""
    running = os.environ.get(RUNNING)
    if running:
        kept = Sandbox(Layout(Path(running)))
        yield Cloud(kept, kept.environment())
        return
    sandbox = Sandbox(Layout(tmp_path_factory.mktemp("cloud")), bound=True)
    env = sandbox.up(lambda: plan.make(
        plan.default_hosts("swift_vhd", "all", "none", _SR_SIZE), container_prefix="vhd"))
    try:
        yield Cloud(sandbox, env)
    finally:
        sandbox.down()
