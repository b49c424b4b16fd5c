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

"""The collector is started and watched until it has done what it can."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import coalescing
from nova_swift_handler.xapi import session as sessions

from . import host as hosts
from .records import Storage, sr_record

SR = "OpaqueRef:sr"


class Collecting(Storage):
    """Storage whose collector does the next of its steps at each look."""

    def __init__(self, host: hosts.Host) -> None:
        super().__init__(host)
        self.steps: List[Callable[[], Any]] = []
        self.scans = 0
        self.tasks: Dict[str, str] = {}
        look = host.methods["VDI.get_all_records_where"]

        def looked(where: str) -> Any:
            found = {ref: dict(record) for ref, record in look(where).items()}
            if self.steps:
                self.steps.pop(0)()
            return found

        host.methods.update({
            "SR.scan": self.scan, "VDI.get_all_records_where": looked,
            "task.get_by_name_label": lambda label: list(self.tasks),
            "task.get_status": self.status})

    def scan(self, ref: str) -> str:
        self.scans += 1
        return ""

    def status(self, ref: str) -> str:
        if ref not in self.tasks:
            raise hosts.Failure("HANDLE_INVALID", "task", ref)
        return self.tasks[ref]

    def absorb(self, leaf: str, base: str) -> None:
        """Merge a leaf into its parent."""
        parent = self.vdis.pop(base)["sm_config"].get("vhd-parent")
        self.add(leaf, parent)


@pytest.fixture
def storage(host: hosts.Host) -> Collecting:
    return Collecting(host)


def watch(session: sessions.Session, **options: Any) -> coalescing.Outcome:
    return coalescing.watch(session, SR, poll=0.01, **{"patience": 60, **options})


def test_an_sr_with_nothing_to_do_is_scanned_and_left(session: sessions.Session,
                                                      storage: Collecting) -> None:
    storage.add("disk")
    assert watch(session) == (0, [])
    assert storage.scans == 1


def test_it_is_watched_to_its_end(session: sessions.Session, storage: Collecting) -> None:
    leaf = storage.chain(3)
    storage.steps = [lambda: None, lambda: storage.absorb(leaf, "base2"), lambda: None,
                     lambda: storage.absorb(leaf, "base1")]
    seen: List[Any] = []
    outcome = watch(session, progress=lambda *args: seen.append(args))
    assert outcome == (2, [])
    assert seen[0][0] == 0 and seen[-1] == (2, 2)


def test_what_can_never_be_merged_is_not_waited_for(session: sessions.Session,
                                                    storage: Collecting) -> None:
    for uuid in ("disk", "snap"):
        storage.add(uuid, "base")
    storage.add("base")
    assert watch(session) == (0, [])


def test_what_is_hindered_is_told_and_not_waited_for(session: sessions.Session,
                                                     storage: Collecting) -> None:
    storage.add("base")
    storage.add("disk", "base", other_config={"leaf-coalesce": "false"})
    outcome = watch(session)
    assert [work.vdi.uuid for work in outcome.left] == ["disk"]


@pytest.mark.parametrize("switch", ["gc", "coalesce"])
def test_a_collector_that_is_off_is_an_error(session: sessions.Session, storage: Collecting,
                                             raises: Any, switch: str) -> None:
    storage.sr = sr_record(other_config={switch: "false"})
    storage.chain(2)
    with raises(exceptions.XapiError, f"1 VHDs could be removed, but.*{switch}=false"):
        watch(session)


def test_a_collector_that_never_comes_is_an_error(session: sessions.Session, storage: Collecting,
                                                  raises: Any) -> None:
    storage.chain(2)
    with raises(exceptions.XapiError, "nothing has changed for 0.1 s.*SMlog"):
        watch(session, patience=0.1)


def test_a_collector_at_work_is_waited_for(session: sessions.Session, storage: Collecting) -> None:
    leaf = storage.chain(2)
    storage.tasks["OpaqueRef:gc"] = "pending"
    storage.steps = [lambda: None] * 30 + [lambda: storage.absorb(leaf, "base1")]
    assert watch(session, patience=0.05).removed == 1


def test_a_collectors_task_that_is_over_is_no_sign_of_life(
        session: sessions.Session, storage: Collecting, raises: Any) -> None:
    storage.chain(2)
    storage.tasks["OpaqueRef:gc"] = "success"
    with raises(exceptions.XapiError, "nothing has changed"):
        watch(session, patience=0.1)


def test_only_the_chains_that_are_asked_for_are_waited_for(session: sessions.Session,
                                                           storage: Collecting) -> None:
    storage.chain(2)
    storage.add("other")
    assert watch(session, of_vdis=["other"]) == (0, [])


def test_the_collector_is_started_again_now_and_then(
        session: sessions.Session, storage: Collecting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "_KICK", 0.03)
    leaf = storage.chain(2)
    storage.steps = [lambda: None] * 20 + [lambda: storage.absorb(leaf, "base1")]
    watch(session, patience=30)
    assert storage.scans > 2


def test_a_failed_trigger_is_only_logged(session: sessions.Session, storage: Collecting,
                                         host: hosts.Host, caplog: Any) -> None:
    def fail(ref: str) -> str:
        raise hosts.Failure("SR_BACKEND_FAILURE_40", "", "The SR scan failed", "")

    host.methods["SR.scan"] = fail
    coalescing.trigger(session, SR)
    assert "SR_BACKEND_FAILURE_40" in caplog.text
