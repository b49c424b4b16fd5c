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

"""XAPI tasks: the only place where the outcome of a disk transfer is told."""

from __future__ import annotations

import dataclasses
import logging
import time
from types import TracebackType
from typing import Any, Callable, Optional, Tuple, Type

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors
from nova_swift_handler.xapi import session as sessions

LOG = logging.getLogger(__name__)

_FIRST_POLL = 0.05
_LAST_POLL = 2.0


@dataclasses.dataclass(frozen=True)
class TaskState:
    """What XAPI says about a task.

    :ivar status: ``pending``, ``success``, ``failure``, ``cancelling`` or ``cancelled``.
    :ivar progress: 0.0 to 1.0; it can stand still or skip values.
    :ivar error: ``(code, *params)`` of a failed task, otherwise empty.
    :ivar result: XML text, or empty.
    """

    status: str
    progress: float
    error: Tuple[str, ...]
    result: str

    @property
    def settled(self) -> bool:
        """Whether the status is final."""
        return self.status not in ("pending", "cancelling")


class Task:
    """A task of our own: made on entry, destroyed on every way out.

    XAPI keeps tasks that nobody destroys, so a forgotten one is a leak on the host.
    """

    def __init__(self, session: sessions.Session, doing: str) -> None:
        """Prepare a task.

        :param doing: what the task is for, e.g. ``"exporting VDI x"``; its label on the host and
            the beginning of every error about it.
        """
        self.doing = doing
        self.ref = ""
        self._session = session

    def __enter__(self) -> Task:
        self.ref = str(self._session.call(
            "task.create", f"{self._session.settings.originator}: {self.doing}", "",
            doing=f"creating a task for {self.doing}"))
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            self._session.call("task.destroy", self.ref)
        except exceptions.XapiError as exc:
            if exc.code not in errors.ABSENT:
                LOG.warning("The XAPI task for %s is left behind: %s", self.doing, exc)

    def state(self) -> TaskState:
        """Ask XAPI how the task stands."""
        record = self._session.call("task.get_record", self.ref,
                                    doing=f"asking for the outcome of {self.doing}")
        return TaskState(
            str(record["status"]), float(record["progress"]),
            tuple(self._session.scrub(str(item)) for item in record["error_info"]),
            str(record["result"]))

    def wait(self, timeout: float) -> str:
        """Wait until the task is settled.

        :param timeout: seconds.
        :returns: the task's result.
        :raises TaskFailed: it failed, was cancelled, or is still pending after ``timeout``;
            ``code`` and ``params`` are the task's, empty in the last case.
        :raises SrFull: it failed because the SR has no room.
        """
        deadline = time.monotonic() + timeout
        pause = _FIRST_POLL
        while True:
            state = self.state()
            if state.settled:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise exceptions.TaskFailed(
                    f"{self.doing} failed: its task is still {state.status} after {timeout:g} s;"
                    " look at the host's load and /var/log/xensource.log")
            time.sleep(min(pause, left))
            pause = min(pause * 1.6, _LAST_POLL)
        failure = self.failure_of(state)
        if failure is not None:
            raise failure
        return state.result

    def failure(self, timeout: float) -> Optional[exceptions.XapiError]:
        """Return why the task failed, waiting up to ``timeout`` seconds; None if it succeeded.

        Never raises: a XAPI that cannot be asked is a reason too.
        """
        try:
            self.wait(timeout)
        except exceptions.XapiError as exc:
            return exc
        return None

    def failure_of(self, state: TaskState) -> Optional[exceptions.XapiError]:
        """Return the error that a settled state stands for; None for success."""
        if state.status == "success":
            return None
        return errors.from_failure(state.error or (state.status.upper(),), self.doing,
                                   exceptions.TaskFailed)


class Call(Task):
    """A call that XAPI carries out in the background, under a task that it makes itself.

    A context that is left before the task is settled asks XAPI to cancel it.
    """

    def __init__(self, session: sessions.Session, doing: str, method: str, *args: Any) -> None:
        """Prepare a call.

        :param method: what is to be called, e.g. ``"VDI.copy"``.
        :param args: its parameters after the session.
        """
        super().__init__(session, doing)
        self._method = method
        self._args = args
        self._settled = False

    def __enter__(self) -> Call:
        self.ref = str(self._session.call("Async." + self._method, *self._args, doing=self.doing))
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            if not self._settled and not self.state().settled:
                self._session.call("task.cancel", self.ref)
        except exceptions.XapiError as exc:
            if exc.code not in errors.ABSENT:
                LOG.warning("XAPI goes on with %s, which it does not cancel: %s", self.doing, exc)
        super().__exit__(kind, error, trace)

    def watch(self, progress: Callable[[float], None] = lambda fraction: None,
              check: Callable[[], None] = lambda: None) -> str:
        """Wait for as long as it takes.

        :param progress: called with what is done, 0.0 to 1.0.
        :param check: called now and then; what it raises ends the wait.
        :returns: the task's result.
        :raises TaskFailed, SrFull: it failed, or was cancelled.
        """
        pause = _FIRST_POLL
        while True:
            check()
            state = self.state()
            if state.settled:
                break
            progress(state.progress)
            time.sleep(pause)
            pause = min(pause * 1.6, _LAST_POLL)
        self._settled = True
        failure = self.failure_of(state)
        if failure is not None:
            raise failure
        progress(1.0)
        return state.result
