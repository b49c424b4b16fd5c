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

"""Tasks: outcomes, and that none is left behind."""

from __future__ import annotations

from typing import Any

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import task as tasks

from . import host as hosts


def test_success_gives_the_result(session: sessions.Session, host: hosts.Host) -> None:
    with tasks.Task(session, "trying it") as task:
        host.tasks[task.ref].update(status="success", result="<value>x</value>")
        assert task.wait(1) == "<value>x</value>"
        assert task.failure(1) is None


def test_failure_tells_what_was_done_and_why(session: sessions.Session, host: hosts.Host,
                                             raises: Any) -> None:
    with tasks.Task(session, "trying it") as task:
        host.tasks[task.ref].update(status="failure",
                                    error_info=["VDI_IO_ERROR", "Device I/O errors"])
        with raises(exceptions.TaskFailed, "trying it failed: XAPI says VDI_IO_ERROR") as caught:
            task.wait(1)
    assert (caught.value.code, caught.value.params) == ("VDI_IO_ERROR", ("Device I/O errors",))


def test_a_full_sr_is_told_as_one(session: sessions.Session, host: hosts.Host,
                                  raises: Any) -> None:
    with tasks.Task(session, "trying it") as task:
        host.tasks[task.ref].update(status="failure", error_info=["SR_BACKEND_FAILURE_44", "x"])
        with raises(exceptions.SrFull):
            task.wait(1)


def test_cancellation_is_a_failure(session: sessions.Session, host: hosts.Host,
                                   raises: Any) -> None:
    with tasks.Task(session, "trying it") as task:
        host.tasks[task.ref].update(status="cancelled")
        with raises(exceptions.TaskFailed, "CANCELLED"):
            task.wait(1)


def test_a_task_that_stays_pending_is_not_waited_for_without_end(
        session: sessions.Session, raises: Any) -> None:
    with tasks.Task(session, "trying it") as task, \
            raises(exceptions.TaskFailed, "still pending after 0.2 s"):
        task.wait(0.2)


def test_a_task_that_vanished_is_an_error(session: sessions.Session, host: hosts.Host,
                                          raises: Any) -> None:
    with tasks.Task(session, "trying it") as task:
        host.tasks.clear()
        with raises(exceptions.XapiError) as caught:
            task.wait(1)
    assert caught.value.code == "HANDLE_INVALID"


def test_a_task_is_destroyed_on_every_way_out(session: sessions.Session,
                                              host: hosts.Host) -> None:
    with tasks.Task(session, "trying it"):
        assert len(host.tasks) == 1
    with pytest.raises(ZeroDivisionError), tasks.Task(session, "trying it"):
        raise ZeroDivisionError
    assert (host.task_count, host.tasks) == (2, {})


def test_a_task_outlives_an_expired_session(session: sessions.Session, host: hosts.Host) -> None:
    with tasks.Task(session, "trying it") as task:
        host.sessions.clear()
        host.tasks[task.ref].update(status="success")
        task.wait(1)
    assert host.tasks == {}
