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

"""What is asked of others is counted, as they saw it."""

from __future__ import annotations

from typing import Iterator

import pytest
import requests

from nova_swift_handler import tally
from tests.unit.transfer import services


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tally.Tally:
    made = tally.Tally()
    monkeypatch.setattr(tally, "TALLY", made)
    return made


@pytest.fixture
def server() -> Iterator[services.Server]:
    with services.Server(lambda request: (200, b"")) as made:
        yield made


def _count(counted: tally.Tally, name: str, **labels: str) -> float:
    return counted.counts().get(tally.key(name, labels), 0)


def test_requests_are_counted_by_service_and_verb(counted: tally.Tally,
                                                  server: services.Server) -> None:
    session = requests.Session()
    tally.watch(session, tally.GLANCE, {server.url + "/v3": tally.KEYSTONE})
    for verb, path in (("GET", "/v2/images"), ("GET", "/v2"), ("PUT", "/v2"), ("POST", "/v3")):
        session.request(verb, server.url + path)
    assert len(server.requests) == 4
    assert [_count(counted, tally.REQUESTS, service=service, verb=verb) for service, verb in (
        ("glance", "GET"), ("glance", "PUT"), ("keystone", "POST"))] == [2, 1, 1]


def test_a_request_that_nobody_answers_was_sent_all_the_same(counted: tally.Tally) -> None:
    session = requests.Session()
    tally.watch(session, tally.SWIFT, {})
    with pytest.raises(requests.ConnectionError):
        session.get("http://127.0.0.1:1/")
    assert _count(counted, tally.REQUESTS, service="swift", verb="GET") == 1


@pytest.mark.parametrize("body", [b"12345", "12345", iter([b"12", b"345"])],
                         ids=["bytes", "text", "pieces"])
def test_the_bytes_of_bodies_are_counted(counted: tally.Tally, server: services.Server,
                                         body: object) -> None:
    session = requests.Session()
    tally.watch(session, tally.SWIFT, {})
    session.put(server.url, data=body)
    assert _count(counted, tally.BYTES, service="swift", direction="sent") == 5


def test_counts_cross_over_as_json(counted: tally.Tally) -> None:
    counted.request(tally.XAPI, "GET")
    counted.retry(tally.SWIFT)
    counted.moved(tally.XAPI, tally.RECEIVED, 7)
    assert tally.parse(tally.as_json(counted.counts())) == counted.counts()
    assert len(counted.counts()) == 3
