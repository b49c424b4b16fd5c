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

"""A host to talk to, short limits, and a watch over the session's reference."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import traceback
from typing import Any, Callable, ContextManager, Iterator, Type

import pytest

from nova_swift_handler.xapi import patience as patiences
from nova_swift_handler.xapi import request
from nova_swift_handler.xapi import session as sessions

from . import host as hosts


@pytest.fixture
def host(caplog: pytest.LogCaptureFixture) -> Iterator[hosts.Host]:
    """Serve XAPI; afterwards no URL, header other than a cookie, or log may hold a reference."""
    caplog.set_level(logging.DEBUG)
    with hosts.Host() as server:
        yield server
        server.settle()
    for ref in server.refs:
        assert ref not in caplog.text
        for head in server.heads:
            lines = [line for line in head.split("\r\n") if not line.startswith("Cookie:")]
            assert ref not in "\n".join(lines)
    assert hosts.PASSWORD not in caplog.text


@pytest.fixture
def settings(host: hosts.Host) -> sessions.XapiSettings:
    return sessions.XapiSettings(
        host.url, hosts.USER, hosts.PASSWORD, connect_timeout=120, read_timeout=120,
        idle_timeout=120, finish_timeout=120)


@pytest.fixture
def session(settings: sessions.XapiSettings) -> Iterator[sessions.Session]:
    with sessions.Session(settings) as opened:
        yield opened


@pytest.fixture
def hasty(settings: sessions.XapiSettings) -> Iterator[sessions.Session]:
    """A session that would rather give up than wait where nothing moves."""
    with sessions.Session(dataclasses.replace(settings, idle_timeout=0.6)) as opened:
        yield opened


@pytest.fixture
def curt(settings: sessions.XapiSettings) -> Iterator[sessions.Session]:
    """A session that does not wait for tasks to be settled."""
    with sessions.Session(dataclasses.replace(settings, finish_timeout=0.2)) as opened:
        yield opened


class Clock:
    """Stands for the module ``time`` in one module: time passes there while that sleeps."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def raises(host: hosts.Host) -> Callable[..., ContextManager[Any]]:
    """pytest.raises that also looks for secrets in the error, its causes and its traceback."""

    @contextlib.contextmanager
    def manager(kind: Type[BaseException], match: str = ".") -> Iterator[Any]:
        with pytest.raises(kind, match=match) as caught:
            yield caught
        error = caught.value
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        text += repr(vars(error))
        for secret in [*host.refs, hosts.PASSWORD]:
            assert secret not in text

    return manager


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at tasks often, and do not wait long for their reasons."""
    monkeypatch.setattr(request, "REASON_TIMEOUT", 0.3)
    monkeypatch.setattr(request, "_REFUSAL_TIMEOUT", 0.1)
    monkeypatch.setattr(patiences, "TICK", 0.1)
