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

"""A bench for jobs, and simulated hosts of both SR types whose collectors run all the time."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest

from tests.functional.handler.bench import Bench, Host
from tests.functional.simulator.process import SimulatedHost


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dict[str, Host]]:
    """A host of each SR type."""
    running: Dict[str, SimulatedHost] = {}
    try:
        for kind in ("ext", "lvm"):
            running[kind] = SimulatedHost(tmp_path_factory.mktemp(kind), kind)
            running[kind].start()
            running[kind].control.gc_background(0.3)
        yield {kind: Host(simulated, kind) for kind, simulated in running.items()}
    finally:
        for simulated in running.values():
            assert simulated.stop() == 0, simulated.log()


@pytest.fixture
def ext(hosts: Dict[str, Host]) -> Iterator[Host]:
    yield hosts["ext"]
    hosts["ext"].clear()


@pytest.fixture
def lvm(hosts: Dict[str, Host]) -> Iterator[Host]:
    yield hosts["lvm"]
    hosts["lvm"].clear()


@pytest.fixture(params=["ext", "lvm"])
def host(hosts: Dict[str, Host], request: Any) -> Iterator[Host]:
    """Each in turn."""
    yield hosts[request.param]
    hosts[request.param].clear()


@pytest.fixture(scope="session")
def sessions() -> Dict[str, Any]:
    """Sessions with Keystone, by user."""
    return {}


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture,
          capfd: pytest.CaptureFixture[str]) -> Callable[[Bench], None]:
    """What sees at the end that no log of ours holds a secret of a bench."""
    caplog.set_level(logging.DEBUG, "nova_swift_handler")

    def check(made: Bench) -> None:
        ours = [record.getMessage() for record in caplog.get_records("call")
                if record.name.startswith("nova_swift_handler")]
        printed = capfd.readouterr()
        made.check_text("\n".join([*ours, printed.out, printed.err]))

    return check


@pytest.fixture
def bench(cloud: Any, sessions: Dict[str, Any], tmp_path: Path,
          quiet: Callable[[Bench], None]) -> Iterator[Bench]:
    """A bench; afterwards no log of ours holds a secret and its images are gone."""
    yield from _benches(cloud, sessions, tmp_path, quiet)


@pytest.fixture
def poor_bench(poor_cloud: Any, tmp_path: Path,
               quiet: Callable[[Bench], None]) -> Iterator[Bench]:
    """One whose Swift stitches whole objects only."""
    yield from _benches(poor_cloud, {}, tmp_path, quiet)


def _benches(cloud: Any, sessions: Dict[str, Any], tmp_path: Path,
             quiet: Callable[[Bench], None]) -> Iterator[Bench]:
    staging = tmp_path / "staging"
    staging.mkdir()
    made = Bench(cloud, sessions, staging)
    yield made
    made.delete_images()
    quiet(made)
