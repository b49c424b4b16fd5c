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

"""Faults strike where they are meant to, and as often."""

from __future__ import annotations

import threading

import pytest

from nova_swift_handler.sandbox.xapi.faults import KINDS, Faults, UnknownFault, describe


@pytest.fixture
def faults() -> Faults:
    return Faults()


def test_a_fault_strikes_until_it_is_cleared(faults: Faults) -> None:
    assert faults.strike("slow", direction="export", vdi="a") is None
    faults.set("slow")
    assert faults.strike("slow", direction="export", vdi="a") == KINDS["slow"].args
    assert faults.strike("slow", direction="import", vdi="b") is not None
    faults.clear("slow")
    assert faults.strike("slow", direction="export", vdi="a") is None


def test_a_fault_strikes_as_often_as_told(faults: Faults) -> None:
    faults.set("login_fail", times=2)
    assert [faults.strike("login_fail") is not None for _ in range(3)] == [True, True, False]
    assert faults.active() == {}


def test_a_fault_strikes_only_what_it_is_meant_for(faults: Faults) -> None:
    faults.set("rate", direction="import", vdi="a", times=1)
    assert faults.strike("rate", direction="export", vdi="a") is None
    assert faults.strike("rate", direction="import", vdi="b") is None
    assert faults.strike("rate", direction="import", vdi="a") is not None


def test_unknown_faults_and_arguments_are_refused(faults: Faults) -> None:
    with pytest.raises(UnknownFault, match="export_cut"):
        faults.set("nonsense")
    with pytest.raises(UnknownFault, match="depth"):
        faults.set("export_cut", depth=1)


def test_waiting_ends_when_the_fault_does(faults: Faults) -> None:
    faults.set("hang")
    assert not faults.wait_while("hang", 0.01)
    waiter = threading.Thread(target=faults.wait_while, args=("hang",))
    waiter.start()
    faults.clear()
    waiter.join(60)
    assert not waiter.is_alive()


def test_every_fault_is_described() -> None:
    assert {item["name"] for item in describe()} == set(KINDS)
    assert all(item["doc"] for item in describe())
