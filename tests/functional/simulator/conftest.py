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

"""Fixtures: a running simulated host of each SR type, and a session by the PyPI package XenAPI."""

from __future__ import annotations

from typing import Any, Dict, Iterator

import pytest

from tests.functional.simulator.process import PASSWORD, SimulatedHost

XenAPI = pytest.importorskip("XenAPI")


@pytest.fixture(scope="module", params=["ext", "lvm"])
def host(request: Any, tmp_path_factory: Any) -> Iterator[SimulatedHost]:
    """One host a module and SR type."""
    running = SimulatedHost(tmp_path_factory.mktemp(request.param), request.param)
    running.sr_type = request.param
    running.start()
    yield running
    if running.running:
        assert running.stop() == 0, running.log()


@pytest.fixture
def session(host: SimulatedHost) -> Iterator[Any]:
    """A XenAPI.Session, logged in; the host's faults are cleared when the test is over."""
    opened = XenAPI.Session(host.url)
    opened.login_with_password("root", PASSWORD, "1.0", "tests")
    yield opened
    host.control.clear_faults()
    opened.xenapi.session.logout()


@pytest.fixture
def xapi(session: Any) -> Any:
    return session.xenapi


@pytest.fixture
def sr(host: SimulatedHost, xapi: Any) -> str:
    return xapi.SR.get_by_uuid(host.ready["sr_uuid"])


def vdi_record(sr: str, size: int = 10 << 20, **fields: Any) -> Dict[str, Any]:
    """What VDI.create needs at least."""
    return {"SR": sr, "virtual_size": str(size), "type": "user", "sharable": False,
            "read_only": False, "other_config": {}, "name_label": "disk",
            "name_description": "", **fields}
