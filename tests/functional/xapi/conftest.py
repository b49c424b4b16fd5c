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

"""Simulated hosts of both SR types, and a watch over what is left on them."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from typing import Any, Callable, Dict, Iterator, List, Type

import pytest

from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import patience as patiences
from nova_swift_handler.xapi import request as requests
from nova_swift_handler.xapi import session as sessions
from tests.functional.simulator.process import PASSWORD, SimulatedHost

MIB = 1024 * 1024
SIZE = 40 * MIB
WRITTEN = [[0, 5 * MIB], [9 * MIB + 512, 1536], [20 * MIB, 2 * MIB], [SIZE - 4096, 4096]]
"""What the guest writes: runs of blocks, odd places, the disk's end, and nothing in between."""


@pytest.fixture(scope="package")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dict[str, SimulatedHost]]:
    running: Dict[str, SimulatedHost] = {}
    try:
        for kind in ("ext", "lvm"):
            running[kind] = SimulatedHost(tmp_path_factory.mktemp(kind), kind)
            running[kind].start()
        yield running
    finally:
        for simulated in running.values():
            assert simulated.stop() == 0, simulated.log()


@pytest.fixture(params=["ext", "lvm"])
def host(both: Dict[str, SimulatedHost], request: Any) -> SimulatedHost:
    return both[request.param]


@pytest.fixture
def other(both: Dict[str, SimulatedHost], host: SimulatedHost) -> SimulatedHost:
    """A host whose SR is of the other type."""
    return both["lvm" if host is both["ext"] else "ext"]


@pytest.fixture(autouse=True)
def nothing_is_left(both: Dict[str, SimulatedHost]) -> Iterator[None]:
    """Tasks, attachments, VDIs and sessions are as many after a test as before."""
    before = [simulated.control.state() for simulated in both.values()]
    yield
    for simulated in both.values():
        simulated.control.clear_faults()
        simulated.control.gc_run()
    assert [simulated.control.state() for simulated in both.values()] == before


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patiences, "TICK", 0.2)
    monkeypatch.setattr(requests, "REASON_TIMEOUT", 10.0)


class Client:
    """A session with one host, and the VDIs made through it."""

    def __init__(self, host: SimulatedHost, session: sessions.Session) -> None:
        self.host, self.session, self.control = host, session, host.control
        self.sr = str(session.call("SR.get_by_uuid", host.ready["sr_uuid"]))
        self.made: List[str] = []

    def disk(self, size: int = SIZE) -> str:
        """Make an empty VDI."""
        uuid = disks.create_vdi(self.session, self.sr, size, "disk", "", {})
        self.made.append(uuid)
        return uuid

    def written(self, seed: str = "first") -> str:
        """Make a VDI that a guest has written to."""
        uuid = self.disk()
        self.control.guest_pattern(uuid, seed, WRITTEN)
        return uuid

    def snapshot(self, uuid: str) -> str:
        ref = self.session.call("VDI.snapshot", self.session.call("VDI.get_by_uuid", uuid), {})
        self.made.append(str(self.session.call("VDI.get_uuid", ref)))
        return self.made[-1]


def settings(host: SimulatedHost, **changes: Any) -> sessions.XapiSettings:
    return dataclasses.replace(sessions.XapiSettings(
        host.url, "root", PASSWORD, idle_timeout=10, finish_timeout=10), **changes)


@pytest.fixture
def connect(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Client]]:
    """Log in to a host; afterwards all that was made there is destroyed."""
    caplog.set_level(logging.DEBUG)
    clients: List[Client] = []

    def opened(host: SimulatedHost, **changes: Any) -> Client:
        session = sessions.Session(settings(host, **changes))
        session.__enter__()
        clients.append(Client(host, session))
        return clients[-1]

    yield opened
    for client in reversed(clients):
        client.control.clear_faults()
        for uuid in client.made:
            disks.destroy_vdi(client.session, uuid, timeout=20)
        ref = client.session.credentials()[0]
        client.session.__exit__(None, None, None)
        assert ref not in caplog.text
        assert PASSWORD not in caplog.text


@pytest.fixture
def client(connect: Callable[..., Client], host: SimulatedHost) -> Client:
    return connect(host)


@pytest.fixture
def raises() -> Callable[..., Any]:
    """pytest.raises that also looks for the session in the error, its causes and traceback."""

    class Raises:
        def __init__(self, kind: Type[BaseException], match: str, client: Client) -> None:
            self._context = pytest.raises(kind, match=match)
            self._client = client

        def __enter__(self) -> Any:
            self.caught = self._context.__enter__()
            return self.caught

        def __exit__(self, *exc: Any) -> Any:
            result = self._context.__exit__(*exc)
            error = self.caught.value
            text = repr(vars(error)) + "".join(traceback.format_exception(
                type(error), error, error.__traceback__))
            assert self._client.session.credentials()[0] not in text
            return result

    return Raises
