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

"""Notifications by Nova's own notifiers, and what keeps them from harming a transfer."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Callable, Dict, Iterator, List

import pytest

pytest.importorskip("nova.rpc")

import oslo_messaging
from nova import context, rpc
from oslo_config import cfg
from oslo_context import context as oslo_context

from nova_swift_handler.telemetry import notifier

CONTEXT = context.RequestContext("user", "project", auth_token="gAAAA-secret", is_admin=False,
                                 request_id="req-1")


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a thread of its own."""
    monkeypatch.setattr(notifier, "_thread", None)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[List[Any]]:
    """What the notifiers hand to their driver: (context, message)."""
    driver = pytest.importorskip("oslo_messaging.notify._impl_test")
    driver.reset()
    conf = cfg.ConfigOpts()
    conf([], project="nova")
    transport = oslo_messaging.get_notification_transport(conf, "fake:/")
    serializer = rpc.RequestContextSerializer(rpc.JsonPayloadSerializer())
    for name, topics in (("LEGACY_NOTIFIER", ["notifications"]),
                         ("NOTIFIER", ["versioned_notifications"])):
        monkeypatch.setattr(rpc, name, oslo_messaging.Notifier(
            transport, driver="test", serializer=serializer, topics=topics))
    yield driver.NOTIFICATIONS


def test_both_of_novas_notifiers_are_used(bus: List[Any],
                                          caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    notifier.notify(CONTEXT, "h", "info", "swift_vhd.boot.end", {"image_id": "m"})
    until(lambda: len(bus) == 2)
    plain, versioned = (message for _context, message, _priority, _retry in bus)
    for message in (plain, versioned):
        assert (message["event_type"], message["priority"]) == ("swift_vhd.boot.end", "INFO")
    assert (plain["publisher_id"], plain["payload"]) == (
        "compute.h", {"version": "1.0", "image_id": "m"})
    assert (versioned["publisher_id"], versioned["payload"]) == ("nova-compute:h", {
        "nova_object.name": "SwiftVhdTransferPayload",
        "nova_object.namespace": "nova_swift_handler", "nova_object.version": "1.0",
        "nova_object.data": {"image_id": "m"}})
    # Nova warns of each type of another's that comes through its own wrapper.
    assert not caplog.records


def test_no_token_reaches_the_bus(bus: List[Any]) -> None:
    notifier.notify(CONTEXT, "h", "error", "swift_vhd.boot.error", {})
    until(lambda: len(bus) == 2)
    assert "gAAAA" not in repr(bus)
    assert "req-1" in repr(bus)


def test_what_is_logged_after_it_is_still_of_the_request(bus: List[Any]) -> None:
    CONTEXT.update_store()
    notifier.notify(CONTEXT, "h", "info", "swift_vhd.boot.start", {})
    assert oslo_context.get_current() is CONTEXT


class Broken:
    """A notifier that does what a test wants."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def prepare(self, **kwargs: Any) -> Broken:
        return self

    def info(self, ctxt: Any, event_type: str, payload: Dict[str, Any]) -> None:
        self.act()

    debug = warn = error = critical = info


def test_a_bus_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch,
                                               caplog: pytest.LogCaptureFixture) -> None:
    go = threading.Event()
    sent: List[bool] = []

    def hang() -> None:
        sent.append(go.wait(120))

    monkeypatch.setattr(rpc, "LEGACY_NOTIFIER", Broken(hang))
    monkeypatch.setattr(rpc, "NOTIFIER", Broken(hang))
    try:
        for _number in range(notifier._MOST + 5):
            notifier.notify(CONTEXT, "h", "info", "swift_vhd.boot.progress", {})
    finally:
        go.set()
    dropped = caplog.text.count("is dropped")
    assert dropped in (4, 5)  # one may be with the bus already
    until(lambda: len(sent) == 2 * (notifier._MOST + 5 - dropped))


def test_a_bus_that_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch,
                                       caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("no bus")

    monkeypatch.setattr(rpc, "LEGACY_NOTIFIER", Broken(fail))
    monkeypatch.setattr(rpc, "NOTIFIER", Broken(fail))
    notifier.notify(CONTEXT, "h", "info", "swift_vhd.boot.end", {})
    until(lambda: "swift_vhd.boot.end could not be sent" in caplog.text)


def test_outside_a_service_of_novas_there_is_nobody_to_notify(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "LEGACY_NOTIFIER", None)
    notifier.notify(CONTEXT, "h", "info", "swift_vhd.boot.end", {})
    assert notifier._thread is None
