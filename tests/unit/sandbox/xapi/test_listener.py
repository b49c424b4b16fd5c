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

"""Accepting connections."""

from __future__ import annotations

import socket
import types

import pytest

from nova_swift_handler.sandbox.xapi.server import listener


class _NeverRuns:
    """A thread on a machine that is too busy to run it."""

    def __init__(self, **_kwargs: object) -> None:
        pass

    def start(self) -> None:
        pass


def test_once_started_nobody_is_refused_even_if_nothing_is_accepted_yet(
        monkeypatch: pytest.MonkeyPatch) -> None:
    made = listener.Listener("127.0.0.1", 0)
    monkeypatch.setattr(listener, "threading", types.SimpleNamespace(Thread=_NeverRuns))
    made.start({})
    with socket.create_connection(made.address, timeout=60):
        pass
    made.close()
